/* What was typed and not taken in yet stays in this tab until the server has it.

   A draft is kept by page, form and field. It goes when the server names the form's key
   among those it took in, and never before: a form that was refused, a session that
   ended and a button of another form leave it as it is. Passwords are not kept. */
"use strict";

(() => {
  const PREFIX = "casefile-draft:";
  const DONE = "casefile_done";
  const KEPT = "textarea, select, input:not([type=hidden]):not([type=password]):not([type=file]):not([type=submit])";
  // These differ each time a page is drawn and do not say which form it is.
  const FLEETING = new Set(["csrfmiddlewaretoken", "form_key", "next", "revision", "content_sha256"]);

  const forms = () => [...document.querySelectorAll("form[method=post]")].filter((form) => !form.dataset.autosave);
  // A form without a key has no draft, since nothing would say when it can go: it only warns.
  const isKept = (form) => form.elements.namedItem("form_key") !== null;
  const isWritten = (field) => field.tagName !== "SELECT" && field.type !== "checkbox" && field.type !== "radio";
  const isRefused = (form) => form.querySelector("[data-refused]") !== null;
  const nonceOf = (form) => (form.elements.namedItem("form_key").value.split(".")[2] ?? "").split(":")[0];
  const fieldsOf = (form) => [...form.querySelectorAll(KEPT)].filter((field) => field.name);
  const read = (field) => (field.type === "checkbox" || field.type === "radio" ? String(field.checked) : field.value);
  const nameOf = (field) => (field.type === "checkbox" || field.type === "radio" ? `${field.name}=${field.value}` : field.name);

  const idOf = (form) => {
    const fixed = [...form.querySelectorAll("input[type=hidden]")]
      .filter((field) => !FLEETING.has(field.name) && !field.name.startsWith("initial-"))
      .map((field) => `${field.name}=${field.value}`);
    const where = new URL(form.getAttribute("action") || location.href, location.href).pathname;
    return `${PREFIX}${where}?${fixed.join("&")}`;
  };

  const load = (id) => {
    try {
      return JSON.parse(sessionStorage.getItem(id) ?? "null");
    } catch {
      return null;
    }
  };
  const store = (id, draft) => {
    try {
      sessionStorage.setItem(id, JSON.stringify(draft));
    } catch {
      /* No room or not allowed: the warning on leaving still stands. */
    }
  };

  const starts = new WeakMap();
  const changed = new Set();

  const keep = (form, sent) => {
    const typed = {};
    for (const field of fieldsOf(form)) {
      const start = starts.get(field) ?? "";
      if (read(field) !== start && (isKept(form) || isWritten(field))) typed[nameOf(field)] = { start, value: read(field) };
    }
    if (!isKept(form)) {
      changed[Object.keys(typed).length ? "add" : "delete"](form);
      return;
    }
    const id = idOf(form);
    const before = load(id);
    if (!Object.keys(typed).length && !before?.keys?.length) {
      sessionStorage.removeItem(id);
      changed.delete(form);
      return;
    }
    const keys = before?.keys ?? [];
    if (sent) keys.push(nonceOf(form));
    store(id, { typed, keys });
    changed.add(form);
  };

  /** Forget the drafts of the forms that the server says it took in. */
  const forgetDone = () => {
    const cookie = document.cookie.split("; ").find((one) => one.startsWith(`${DONE}=`)) ?? "";
    const done = new Set(cookie.slice(DONE.length + 1).split("."));
    for (const id of Object.keys(sessionStorage)) {
      if (!id.startsWith(PREFIX)) continue;
      if (load(id)?.keys?.some((key) => done.has(key))) sessionStorage.removeItem(id);
    }
  };

  const say = (form, drop) => {
    const note = document.createElement("p");
    const button = document.createElement("button");
    note.className = "cf-help cf-draft";
    note.setAttribute("role", "status");
    note.textContent = "What you wrote here and did not save is put back. ";
    button.type = "button";
    button.className = "cf-button is-small is-bare";
    button.textContent = "Throw it away";
    button.addEventListener("click", () => { drop(); note.remove(); });
    note.append(button);
    form.prepend(note);
  };

  /** What was typed over a text that somebody changed since is shown beside it. */
  const showBeside = (field, text) => {
    const shown = document.createElement("pre");
    shown.className = "cf-help cf-draft";
    shown.textContent = `You had written here, before it was changed:\n${text}`;
    field.after(shown);
  };

  /** A refused form comes filled: what it started with is what the draft says, or nothing. */
  const startOf = (field, draft) => {
    const isText = field.tagName === "TEXTAREA" || field.type === "text";
    return draft.typed[nameOf(field)]?.start ?? (isText && !("zone" in field.dataset) ? "" : read(field));
  };

  const put = (field, value) => {
    if (field.type === "checkbox" || field.type === "radio") field.checked = value === "true";
    else field.value = value;
  };

  const restore = (form) => {
    if (!isKept(form) || isRefused(form)) return;
    const id = idOf(form);
    const draft = load(id);
    if (!draft) return;
    const back = [];
    for (const field of fieldsOf(form)) {
      const typed = draft.typed[nameOf(field)];
      if (!typed || read(field) === typed.value) continue;
      if (read(field) !== typed.start) {
        if (field.tagName === "TEXTAREA") showBeside(field, typed.value);
        continue;
      }
      put(field, typed.value);
      back.push(field);
    }
    if (!back.length) return;
    form.closest("details")?.setAttribute("open", "");
    changed.add(form);
    say(form, () => {
      for (const field of back) put(field, starts.get(field) ?? "");
      sessionStorage.removeItem(id);
      changed.delete(form);
    });
  };

  let leaving = false;
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (form && starts.has(event.target)) keep(form, false);
  });
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form && starts.has(event.target)) keep(form, false);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || event.submitter?.formTarget) return;
    leaving = true;
    if (form.method === "post" && isKept(form) && !form.dataset.autosave) keep(form, true);
  });
  addEventListener("pageshow", () => { leaving = false; });
  addEventListener("beforeunload", (event) => {
    if (changed.size && !leaving) event.preventDefault();
  });

  const begin = (form) => {
    const draft = isRefused(form) ? load(idOf(form)) ?? { typed: {} } : null;
    for (const field of fieldsOf(form)) starts.set(field, draft ? startOf(field, draft) : read(field));
    if (draft) keep(form, false);
    else restore(form);
  };

  // After the scripts that fill in what a form starts with.
  addEventListener("DOMContentLoaded", () => setTimeout(() => {
    forgetDone();
    forms().forEach(begin);
  }));

  // A page that changes in place: what was sent is settled, what is half written goes on.
  document.addEventListener("casefile:sending", (event) => {
    if (isKept(event.detail.form)) keep(event.detail.form, true);
  });
  document.addEventListener("casefile:shown", (event) => {
    forgetDone();
    changed.delete(event.detail.sent);
    for (const form of changed) if (!form.isConnected) changed.delete(form);
    for (const form of forms()) if (!changed.has(form)) begin(form);
  });
})();
