// Runs the client of docs/how-to/browser-client.md as it stands there, against a running service (first argument),
// with a small cookie jar in place of a browser's: many callers, a lost answer, two tabs in a race, a reload, the end.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const base = process.argv[2];
const page = readFileSync("docs/how-to/browser-client.md", "utf8");
const source = /```js\n(\/\/ auth\.js\n[^]*?)```/.exec(page)[1].replace("https://id.example.com", base);
const folder = mkdtempSync(join(tmpdir(), "client-"));

let jar = null; // The refresh cookie, which a browser sends below /refresh alone.
let refreshes = 0;
let before = async () => {};
let after = async () => {};
const network = globalThis.fetch;
globalThis.fetch = async (url, options = {}) => {
  const { pathname } = new URL(url);
  const headers = new Headers(options.headers);
  const isRefresh = pathname === "/refresh" && options.method === "POST";
  if (pathname.startsWith("/refresh") && jar) headers.set("Cookie", `refresh_token=${jar}`);
  if (isRefresh) refreshes += 1;
  if (isRefresh) await before();
  const response = await network(url, { ...options, headers });
  if (isRefresh) await after();
  for (const line of response.headers.getSetCookie()) {
    // The mark of the device comes along, and is none of this jar's business.
    const refresh = /^refresh_token=([^;]*)/.exec(line);
    if (refresh) jar = /Max-Age=0/.test(line) ? null : refresh[1];
  }
  return response;
};

/** A tab: its own memory, the common jar. */
async function tab(name) {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, source);
  return import(pathToFileURL(file).href);
}
const status = async (client) => (await client.authorized(`${base}/me`)).status;

const username = `tab-${process.pid}`;
const password = "difference engine";
await fetch(`${base}/users`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ username, password }),
});

const first = await tab("first");
await assert.rejects(first.signIn(username, "not it"), /Invalid credentials/);
await first.signIn(username, password);
assert.equal(await status(first), 200);

const reloaded = await tab("reloaded");
refreshes = 0;
assert.deepEqual(await Promise.all([1, 2, 3, 4, 5].map(() => status(reloaded))), [200, 200, 200, 200, 200]);
assert.equal(refreshes, 1, "five callers share one refresh");

let lost = false;
after = async () => {
  if (!lost) {
    lost = true;
    throw new TypeError("the answer was lost");
  }
};
await first.refresh();
assert.ok(lost && (await status(first)) === 200, "a lost answer is repeated");
after = async () => {};

// Both tabs have read the jar before either has its answer.
let waiting = [];
before = () =>
  new Promise((go) => {
    waiting.push(go);
    if (waiting.length === 2) waiting.forEach((it) => it());
    if (waiting.length > 2) go();
  });
await Promise.all([first.refresh(), reloaded.refresh()]);
before = async () => {};
assert.deepEqual([await status(first), await status(reloaded)], [200, 200], "both tabs survive the race");

await first.signOut();
assert.equal(jar, null, "the cookie is deleted");
await assert.rejects(reloaded.authorized(`${base}/me`), reloaded.SignedOut);
rmSync(folder, { recursive: true });
console.log("browser client: one refresh for many, a lost answer, a race, a reload and a sign-out as described");
