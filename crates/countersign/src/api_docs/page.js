"use strict";
// Renders the service's own description and lets people try it. The access token stays in this page's memory.

let accessToken = null;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function resolve(description, schema) {
  if (!schema) return null;
  if (schema.oneOf) return resolve(description, schema.oneOf.find((one) => one.type !== "null"));
  if (!schema.$ref) return schema;
  return schema.$ref.split("/").slice(1).reduce((found, step) => found[step], description);
}

function bodySchema(description, operation) {
  return resolve(description, operation.requestBody?.content?.["application/json"]?.schema);
}

function example(schema) {
  const required = schema.required ?? [];
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => required.includes(name));
  return Object.fromEntries(fields.map(([name, field]) => [name, field.example ?? ""]));
}

function table(rows) {
  const cells = ([head, text]) =>
    element("tr", {}, element("th", { scope: "row" }, element("code", {}, head)), element("td", {}, text));
  return element("table", {}, ...rows.map(cells));
}

function fieldTable(schema) {
  const required = schema.required ?? [];
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    name,
    `${required.includes(name) ? "" : "optional. "}${field.description ?? ""}`,
  ]);
  return table(rows);
}

async function send(method, path, body) {
  const headers = {};
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path.slice(1), { method, headers, body: body || undefined });
  const text = await answer.text();
  let shown = text;
  try {
    const parsed = JSON.parse(text);
    if (parsed.access_token) remember(parsed.access_token);
    shown = JSON.stringify(parsed, null, 2);
  } catch {
    // Not JSON: shown as it came.
  }
  return `${answer.status} ${answer.statusText}\n${shown}`;
}

function remember(token) {
  accessToken = token;
  document.getElementById("token").textContent = "An access token is in use, in this page's memory alone.";
}

function trial(description, method, path, operation) {
  const schema = bodySchema(description, operation);
  const optional = schema && !operation.requestBody.required;
  const body = schema && element("textarea", { ariaLabel: "Body", spellcheck: false });
  if (body && !optional) body.value = JSON.stringify(example(schema), null, 2);
  const output = element("pre", { ariaLive: "polite" });
  const button = element("button", { type: "button" }, "Send");
  button.addEventListener("click", async () => {
    output.textContent = "…";
    output.textContent = await send(method, path, body?.value).catch((fault) => String(fault));
  });
  return element("div", {}, schema ? fieldTable(schema) : null, body, button, output);
}

function entry(description, method, path, operation) {
  const title = element(
    "summary",
    {},
    element("span", { className: "method" }, method),
    element("code", {}, path),
    ` ${operation.summary ?? ""}`,
  );
  const answers = Object.entries(operation.responses ?? {}).map(([status, it]) => [status, it.description]);
  return element(
    "details",
    { id: operation.operationId },
    title,
    operation.description ? element("p", {}, operation.description) : null,
    table(answers),
    trial(description, method, path, operation),
  );
}

async function show() {
  const description = await (await fetch("openapi.json")).json();
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const section = ({ name, description: text }) => {
    const own = operations.filter(({ operation }) => operation.tags?.includes(name));
    const entries = own.map(({ method, path, operation }) => entry(description, method, path, operation));
    return element("section", {}, element("h2", {}, name), element("p", {}, text ?? ""), ...entries);
  };
  document.getElementById("operations").replaceChildren(...description.tags.map(section));
}

show().catch((fault) => {
  document.getElementById("operations").textContent = `The description could not be loaded: ${fault}`;
});
