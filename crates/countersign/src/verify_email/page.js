// Nothing happens before a person presses: programs open links too.
"use strict";

const token = new URLSearchParams(location.hash.slice(1)).get("token");
const button = document.getElementById("confirm");

function say(what) {
  for (const line of document.querySelectorAll("[data-says]")) {
    line.hidden = line.dataset.says !== what;
  }
}

function known(code) {
  return ["invalid_token", "expired_token", "email_in_use"].includes(code);
}

function end(what) {
  button.hidden = true;
  document.getElementById("ask").hidden = true;
  history.replaceState(null, "", location.pathname);
  say(what);
}

async function confirm() {
  button.disabled = true;
  say("waiting");
  try {
    const answer = await fetch("verify-email", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
      credentials: "omit",
    });
    if (answer.status === 204) {
      return end("done");
    }
    const { code } = await answer.json();
    if (known(code)) {
      return end(code);
    }
  } catch {
    // What can't be reached or read may be so a moment later.
  }
  say("trouble");
  button.disabled = false;
}

if (token) {
  button.addEventListener("click", confirm);
} else {
  end("missing");
}
