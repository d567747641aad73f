// Opens the page of a mailed link in a real browser and does what a person does there. Speaks the browser's own protocol
// over a pipe, so that it needs nothing but Node and Chromium.
//
//   node pages.mjs CHROMIUM PROFILE SCENARIO LANGUAGE URL [FOLDER FOR SCREENSHOTS]
//
// Prints what it saw as one JSON object.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

// The profile is an empty folder; whoever made it removes it.
const [chromium, profile, scenario, language, url, shots] = process.argv.slice(2);
const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
  "--disable-background-networking", "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"];
const browser = spawn(chromium, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
const [, , , input, output] = browser.stdio;

let session;
let next = 1;
const waiting = new Map();
const requests = [];
const complaints = [];

function send(method, params = {}) {
  const id = next++;
  input.write(JSON.stringify({ id, method, params, sessionId: session }) + "\0");
  return new Promise((resolve, reject) => waiting.set(id, { method, resolve, reject }));
}

function hear({ id, method, params, result, error }) {
  if (id) {
    const { method: asked, resolve, reject } = waiting.get(id);
    return error ? reject(new Error(`${asked}: ${error.message}`)) : resolve(result);
  }
  if (method === "Network.requestWillBeSent") {
    requests.push(`${params.request.method} ${params.request.url}`);
  } else if (method === "Log.entryAdded" && params.entry.level === "error" && params.entry.source !== "network") {
    complaints.push(params.entry.text);
  } else if (method === "Runtime.exceptionThrown") {
    complaints.push(params.exceptionDetails.text);
  }
}

let rest = "";
output.setEncoding("utf8");
output.on("data", (text) => {
  const parts = (rest + text).split("\0");
  rest = parts.pop();
  parts.forEach((part) => hear(JSON.parse(part)));
});

async function ask(expression) {
  const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true });
  if (exceptionDetails) {
    throw new Error(`${expression}: ${exceptionDetails.text}`);
  }
  return result.value;
}

async function until(expression) {
  for (let tries = 0; tries < 400; tries++) {
    if (await ask(expression)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never: ${expression}; ${await ask("document.body.innerText")}`);
}

async function press(key, code) {
  const event = { key, code: key, windowsVirtualKeyCode: code, text: key === "Enter" ? "\r" : undefined };
  await send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
  await send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
}

async function shoot(name) {
  if (shots) {
    const { data } = await send("Page.captureScreenshot");
    writeFileSync(join(shots, `${scenario}-${language}-${name}.png`), Buffer.from(data, "base64"));
  }
}

const says = (what) => `!document.querySelector('[data-says="${what}"]').hidden`;
const rule = (name) => ask(`document.querySelector('[data-rule="${name}"]').className`);

// By the keyboard alone.
async function verify(seen) {
  seen.posted_by_itself = requests.some((request) => request.startsWith("POST"));
  await press("Tab", 9);
  seen.focused = await ask("document.activeElement.id");
  await press("Enter", 13);
  await until(says("done"));
  await shoot("done");
}

async function type(text) {
  await ask("document.getElementById('password').focus(); document.getElementById('password').select()");
  await send("Input.insertText", { text });
}

async function reset(seen) {
  seen.posted_by_itself = requests.some((request) => request.startsWith("POST"));
  await type("1234");
  seen.four_digits = [await rule("length"), await rule("numeric"), await rule("common")];
  await type("password123");
  seen.common_typed = [await rule("length"), await rule("numeric"), await rule("common")];
  await shoot("typed");
  await press("Enter", 13);
  await until(says("validation_failed"));
  seen.common_saved = [await rule("common"), await ask("document.activeElement.getAttribute('aria-invalid')")];
  await shoot("refused");
  await type("a wholly other staple");
  await press("Enter", 13);
  await until(says("done"));
  seen.form_is_gone = await ask("document.getElementById('form').hidden && document.getElementById('password').value === ''");
  await shoot("done");
}

async function look() {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  session = (await send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
  await Promise.all(["Page", "Runtime", "Network", "Log", "Accessibility"].map((domain) => send(`${domain}.enable`)));
  await send("Emulation.setUserAgentOverride", { userAgent: "Mozilla/5.0 Chrome/1", acceptLanguage: language });
  await send("Page.navigate", { url });
  await until("document.readyState === 'complete' && location.href !== 'about:blank'");
  // A page that did something by itself would have begun by now.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await shoot("opened");
  const seen = { title: await ask("document.title"), lang: await ask("document.documentElement.lang") };
  const { nodes } = await send("Accessibility.getFullAXTree");
  const named = nodes.filter(({ role }) => ["button", "textbox", "checkbox"].includes(role?.value));
  seen.unnamed = named.filter(({ name }) => !name?.value).length;
  seen.controls = named.length;
  await (scenario === "verify" ? verify : reset)(seen);
  seen.hash_is_gone = await ask("location.hash === ''");
  seen.said = await ask("[...document.querySelectorAll('[data-says]')].filter((line) => !line.hidden).map((line) => line.innerText).join()");
  return { ...seen, requests, complaints };
}

// A browser that is only killed leaves processes behind that still write to the profile.
async function close() {
  const gone = new Promise((resolve) => browser.on("exit", resolve));
  session = undefined;
  send("Browser.close").catch(() => {});
  const patience = setTimeout(() => browser.kill("SIGKILL"), 5000);
  await gone;
  clearTimeout(patience);
}

try {
  console.log(JSON.stringify(await look()));
} finally {
  await close();
}
