/* Saving a postmortem while it is written, and printing it. The page works without. */
"use strict";

(() => {
  const PAUSE = 1500;
  const LONGEST = 15000;
  const form = document.querySelector("form[data-autosave]");

  document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll(".pm-open-in-print")) fold.open = true;
  });
  if (!form) return;

  const revision = form.elements.namedItem("revision");
  const said = form.querySelector("[data-saved]");
  const changed = new Set();
  let timer = 0;
  let firstChange = 0;
  let saving = false;
  let stopped = false;

  const say = (text, failed = false) => {
    said.textContent = text;
    said.classList.toggle("is-failed", failed);
  };

  const plan = () => {
    clearTimeout(timer);
    if (stopped) return;
    firstChange ||= Date.now();
    const wait = Math.max(0, Math.min(PAUSE, firstChange + LONGEST - Date.now()));
    timer = setTimeout(save, wait);
  };

  // What somebody else wrote meanwhile; never over a field that is being written in.
  const takeOver = (sections) => {
    for (const [name, text] of Object.entries(sections)) {
      const field = form.elements.namedItem(name);
      if (field && !changed.has(name)) field.value = text;
    }
  };

  const save = async () => {
    if (saving || stopped || !changed.size) return;
    saving = true;
    firstChange = 0;
    const sent = new Set(changed);
    changed.clear();
    say("Saving…");
    try {
      const answer = await fetch(form.dataset.autosave, { method: "POST", body: new FormData(form), credentials: "same-origin" });
      const body = await answer.json().catch(() => ({}));
      if (answer.ok && body.revision) {
        revision.value = body.revision;
        takeOver(body.sections);
        const time = new Date(body.saved_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
        say(`Draft ${body.revision}, saved ${time}`);
      } else {
        sent.forEach((name) => changed.add(name));
        stopped = answer.status === 409 || answer.status === 403;
        say(body.detail ? `Not saved. ${body.detail}` : "Not saved. Press Save to try again.", true);
      }
    } catch {
      sent.forEach((name) => changed.add(name));
      say("Not saved: the server does not answer. Trying again.", true);
      setTimeout(plan, 5000);
    } finally {
      saving = false;
      if (changed.size && !stopped && !said.classList.contains("is-failed")) plan();
    }
  };

  form.addEventListener("input", (event) => {
    if (!event.target.name) return;
    changed.add(event.target.name);
    plan();
  });
  form.addEventListener("submit", () => {
    clearTimeout(timer);
    stopped = true;
    changed.clear();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") save();
  });
  addEventListener("beforeunload", (event) => {
    if (changed.size) event.preventDefault();
  });
})();
