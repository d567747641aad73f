// Nothing happens before a person presses: programs open links too.
"use strict";

const token = new URLSearchParams(location.hash.slice(1)).get("token");
const form = document.getElementById("form");
const field = document.getElementById("password");
const save = document.getElementById("save");
const list = document.getElementById("rules");

const minLength = Number(list.dataset.minLength);
const holds = new Set([...list.dataset.rules.split(" "), "bytes"]);
const lines = new Map();
for (const line of list.children) {
  line.hidden = !holds.has(line.dataset.rule);
  lines.set(line.dataset.rule, line);
}

// What the page can tell by itself; the others are the service's to judge.
const rules = {
  length: (text) => [...text].length >= minLength,
  numeric: (text) => !/^\p{Nd}+$/u.test(text),
  bytes: (text) => new TextEncoder().encode(text).length <= 1024,
};
const broken = {
  password_too_short: "length",
  password_entirely_numeric: "numeric",
  password_too_common: "common",
  password_too_similar: "similarity",
  password_too_long: "bytes",
};

function say(what) {
  for (const line of document.querySelectorAll("[data-says]")) {
    line.hidden = line.dataset.says !== what;
  }
}

function mark(rule, state) {
  const line = lines.get(rule);
  line.classList.toggle("met", state === "met");
  line.classList.toggle("unmet", state === "unmet");
}

function judge() {
  const text = field.value.normalize("NFC");
  for (const rule of lines.keys()) {
    const met = rules[rule]?.(text);
    mark(rule, text === "" || met === undefined ? "" : met ? "met" : "unmet");
  }
  field.removeAttribute("aria-invalid");
}

function refuse(errors) {
  for (const { code } of errors?.password ?? []) {
    if (code in broken) {
      mark(broken[code], "unmet");
    }
  }
  field.setAttribute("aria-invalid", "true");
  say("validation_failed");
  field.focus();
}

function end(what) {
  field.value = "";
  form.hidden = true;
  history.replaceState(null, "", location.pathname);
  say(what);
}

async function send() {
  save.disabled = true;
  say("waiting");
  try {
    const answer = await fetch("password-reset/confirm", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, password: field.value }),
      credentials: "omit",
    });
    if (answer.status === 204) {
      return end("done");
    }
    const { code, errors } = await answer.json();
    if (code === "invalid_token" || code === "expired_token") {
      return end(code);
    }
    save.disabled = false;
    return code === "validation_failed" ? refuse(errors) : say("trouble");
  } catch {
    // What can't be reached or read may be so a moment later.
  }
  save.disabled = false;
  say("trouble");
}

if (token) {
  field.addEventListener("input", judge);
  document.getElementById("show").addEventListener("change", (event) => {
    field.type = event.target.checked ? "text" : "password";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
} else {
  end("missing");
}
