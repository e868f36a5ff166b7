"use strict";
const by = (id) => document.getElementById(id);

// ---- what changes

function running() {
  const state = by("state");
  for (const button of document.querySelectorAll(".needs-loop"))
    button.disabled = !state || state.dataset.running !== "yes";
}

function put(name, html) {
  const section = by(name);
  if (!section) return;
  // A person who has scrolled up in the last lines stays where they are.
  const places = [...section.querySelectorAll(".tail")].map((e) =>
    e.scrollTop + e.clientHeight >= e.scrollHeight - 4 ? null : e.scrollTop);
  section.innerHTML = html;
  section.querySelectorAll(".tail").forEach((e, i) => { e.scrollTop = places[i] ?? e.scrollHeight; });
  if (name === "now") running();
}

const stream = new EventSource("/events");
stream.onmessage = (message) => {
  const { name, html } = JSON.parse(message.data);
  put(name, html);
  document.body.dataset.live = "yes";
};
stream.onopen = () => { by("connection").textContent = ""; };
stream.onerror = () => { by("connection").textContent = "· not connected: is autogit watch still running?"; };

// ---- what a person does

async function ask(address, body) {
  const said = by("said");
  said.hidden = false;
  said.className = "";
  said.textContent = "…";
  let done = false;
  try {
    const answer = await fetch(address, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const text = await answer.text();
    try {
      const found = JSON.parse(text);
      done = found.done;
      said.textContent = (found.command ? `$ ${found.command}\n` : "") + found.said;
    } catch {
      said.textContent = text;
    }
  } catch {
    said.textContent = "autogit watch does not answer; is it still running?";
  }
  if (!done) said.className = "failed";
  return done;
}

by("stop").onclick = () => ask("/stop", {});
by("stop-now").onclick = () => {
  if (confirm("Stop now? The open trial runs again under its number next time.")) ask("/stop", { now: true });
};
by("idea").onsubmit = async (event) => {
  event.preventDefault();
  if (await ask("/idea", { text: by("idea-text").value })) by("idea-text").value = "";
};

let version = null;
async function load() {
  const answer = await fetch("/program");
  const found = await answer.json();
  by("guide-text").value = found.text;
  version = found.version;
  by("guide-save").disabled = false;
}
by("guide").ontoggle = () => { if (by("guide").open && version === null) load(); };
by("guide-load").onclick = load;
by("guide-save").onclick = async () => {
  const text = by("guide-text").value;
  if (await ask("/program", { text, version })) {
    const answer = await fetch("/program");
    version = (await answer.json()).version;
  }
};
running();
