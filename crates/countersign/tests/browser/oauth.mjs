// Signs in through another service in a real browser, as a person does: with several tabs, and with the back button.
// Speaks the browser's own protocol over a pipe, so that it needs nothing but Node and Chromium.
//
//   node oauth.mjs CHROMIUM PROFILE SCENARIO RESOLVER_RULES APP PROVIDER
//
// APP is the page of an application: it says in #who whom it takes the person for. Prints what was seen as one JSON object.
import { spawn } from "node:child_process";

// The profile is an empty folder; whoever made it removes it.
const [chromium, profile, scenario, rules, app, provider] = process.argv.slice(2);
const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
  "--disable-background-networking", "--remote-debugging-pipe", `--user-data-dir=${profile}`,
  `--host-resolver-rules=${rules}`, "about:blank"];
const browser = spawn(chromium, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
const [, , , input, output] = browser.stdio;

let next = 1;
const waiting = new Map();
const tabs = new Map();

function send(method, params = {}, sessionId = undefined) {
  const id = next++;
  input.write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  return new Promise((resolve, reject) => waiting.set(id, { method, resolve, reject }));
}

function hear({ id, method, params, result, error, sessionId }) {
  if (id) {
    const { method: asked, resolve, reject } = waiting.get(id);
    return error ? reject(new Error(`${asked}: ${error.message}`)) : resolve(result);
  }
  const tab = tabs.get(sessionId);
  if (method === "Network.requestWillBeSent" && params.type === "Document") {
    tab.visited.push(`${params.request.method} ${params.request.url}`);
  } else if (method === "Fetch.requestPaused") {
    tab.held = params.requestId;
  }
}

let rest = "";
output.setEncoding("utf8");
output.on("data", (text) => {
  const parts = (rest + text).split("\0");
  rest = parts.pop();
  parts.forEach((part) => hear(JSON.parse(part)));
});

class Tab {
  visited = [];
  held = undefined;

  static async open() {
    const { targetId } = await send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab();
    tab.session = sessionId;
    tabs.set(sessionId, tab);
    await Promise.all(["Page", "Runtime", "Network"].map((domain) => tab.send(`${domain}.enable`)));
    return tab;
  }

  send(method, params = {}) {
    return send(method, params, this.session);
  }

  // Holds the way to the provider until it is let go.
  hold() {
    return this.send("Fetch.enable", { patterns: [{ urlPattern: "*/authorize?*" }] });
  }

  async letGo() {
    await this.send("Fetch.continueRequest", { requestId: this.held });
    await this.send("Fetch.disable");
  }

  goTo(url) {
    return this.send("Page.navigate", { url });
  }

  // Between two pages there is nobody to ask.
  async ask(expression) {
    try {
      const { result } = await this.send("Runtime.evaluate", { expression, returnByValue: true });
      return result.value;
    } catch {
      return undefined;
    }
  }

  async until(what, holds) {
    for (let tries = 0; tries < 400; tries++) {
      const value = await holds();
      if (value) {
        return value;
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`never: ${what}; ${await this.ask("location.href + ' ' + document.body.innerText")}`);
  }

  // Whom the application's page takes the person for, once it has asked.
  who() {
    return this.until("the page says who it is", () => this.ask(
      "document.readyState === 'complete' && document.getElementById('who')?.textContent"));
  }

  press(id) {
    return this.ask(`document.getElementById('${id}').click()`);
  }

  text() {
    return this.ask("document.body.innerText");
  }

  async where() {
    return (await this.ask("location.href"));
  }
}

// There and back. What the address has at the end, and what scripts can read of cookies.
async function roundTrip() {
  const tab = await Tab.open();
  await tab.goTo(app);
  const before = await tab.who();
  await tab.press(provider);
  await tab.until("the address changes", async () => (await tab.where())?.endsWith("?back"));
  const after = await tab.who();
  return { before, after, address: await tab.where(), cookies: await tab.ask("document.cookie"), visited: tab.visited };
}

// Three tabs set out before any of them is back, and come back in another order.
async function tabsAtOnce() {
  const three = [await Tab.open(), await Tab.open(), await Tab.open()];
  for (const tab of three) {
    await tab.hold();
    await tab.goTo(app);
    await tab.who();
    await tab.press(provider);
    await tab.until("the browser is on its way", () => tab.held);
  }
  const seen = [];
  for (const place of [1, 2, 0]) {
    const tab = three[place];
    await tab.letGo();
    await tab.until("the address changes", async () => (await tab.where())?.endsWith("?back"));
    seen.push(await tab.who());
  }
  return { seen };
}

// Signed in, then back, and forward again; then the provider's answer once more, as from the history.
async function back() {
  const tab = await Tab.open();
  await tab.goTo(app);
  await tab.who();
  await tab.press(provider);
  await tab.until("the address changes", async () => (await tab.where())?.endsWith("?back"));
  await tab.who();
  const callback = tab.visited.findLast((line) => line.startsWith("GET ") && line.includes("/callback?")).slice(4);
  const entries = (await tab.send("Page.getNavigationHistory")).entries.map(({ url }) => url);
  await tab.ask("history.back()");
  await tab.until("the page before", async () => (await tab.where()) === app);
  const before = await tab.until("the page asks again", async () => {
    const who = await tab.who();
    return who.startsWith("nobody") ? undefined : who;
  });
  await tab.goTo(callback);
  const title = await tab.until("a page", () => tab.ask("document.querySelector('h1')?.textContent"));
  const visits = tab.visited.length;
  // A page that did something by itself would have begun by now.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const moved = tab.visited.length - visits;
  const onward = await tab.ask("document.querySelector('a').href");
  await tab.goTo(app);
  return { before, entries, title, moved, onward, after: await tab.who() };
}

// A browser that is only killed leaves processes behind that still write to the profile.
async function close() {
  const gone = new Promise((resolve) => browser.on("exit", resolve));
  send("Browser.close").catch(() => {});
  const patience = setTimeout(() => browser.kill("SIGKILL"), 5000);
  await gone;
  clearTimeout(patience);
}

try {
  console.log(JSON.stringify(await { roundTrip, tabsAtOnce, back }[scenario]()));
} finally {
  await close();
}
