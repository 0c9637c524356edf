/* Answers change the page where it stands: what is sent goes the same way as ever, and
   the page that follows is laid over the one on screen. Scroll, focus, open folds and
   what is half written elsewhere stay. Whatever is not expected is sent in the ordinary
   way: the form's key makes a repeat harmless. */
"use strict";

(() => {
  const ROOT = "[data-in-place]";
  const FRAME = new Set(["page", "main", "content"]);
  const PARTS = "li[id], section[id], tr[id]";
  const FIELDS = "textarea, select, input:not([type=hidden]):not([type=submit])";
  const CLOCKS = "[data-due], [data-since], input[type=hidden], .cf-hidden";
  const ACTION = /\/do\/[\w-]+\/$/;
  const root = () => document.querySelector(ROOT);

  // --- what the page says -----------------------------------------------------------

  const says = document.createElement("div");
  says.className = "cf cf-says";
  says.setAttribute("role", "status");
  document.body.append(says);

  const dismiss = () => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "cf-button is-small";
    button.textContent = "Close";
    button.addEventListener("click", () => says.replaceChildren());
    return button;
  };

  /** Say something at the foot of the window until the next answer, or until closed. */
  const say = (...nodes) => {
    says.replaceChildren(...nodes);
    if (nodes.length) says.append(dismiss());
  };

  const note = (tone, title, ...more) => {
    const box = document.createElement("div");
    const head = document.createElement("div");
    box.className = "cf-note";
    box.dataset.tone = tone;
    head.textContent = title;
    box.append(head, ...more);
    say(box);
  };

  const messagesOf = (page) => page.querySelector("main > [role=status] ul");

  // --- what is half written ---------------------------------------------------------

  const isChanged = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.type === "file") return field.files.length > 0;
    if (field.tagName !== "SELECT") return field.value !== (field.dataset.filled ?? field.defaultValue);
    const options = [...field.options];
    const start = options.filter((option) => option.defaultSelected);
    const first = start.length || field.multiple ? start : options.slice(0, 1);
    return [...field.selectedOptions].some((option) => !first.includes(option));
  };

  /** A form is being written in where something is typed, refused, or under the cursor. */
  const isWritten = (form) =>
    form.querySelector("[data-refused]") !== null ||
    [...form.querySelectorAll(FIELDS)].some((field) => isChanged(field) || field === document.activeElement);

  /** The smallest part round a form that is drawn as one: it stays as it is. */
  const partOf = (form) => form.closest("li[id], details, tr[id]") ?? form;

  const writtenParts = (page, sent) => {
    const forms = [...page.querySelectorAll("form[method=post]")].filter((form) => form !== sent && isWritten(form));
    return new Set(forms.map(partOf).filter((part) => !part.contains(sent)));
  };

  // --- laying a page over this one --------------------------------------------------

  const textOf = (part) => {
    const copy = part.cloneNode(true);
    for (const clock of copy.querySelectorAll(CLOCKS)) clock.remove();
    return copy.textContent.replace(/\s+/g, " ").trim();
  };

  /** The text of each named part, to tell which of them an answer changed. */
  const readParts = (page) => new Map([...page.querySelectorAll(PARTS)].map((part) => [part.id, textOf(part)]));

  const changedParts = (before, after) => {
    const ids = [...after].filter(([id, text]) => before.get(id) !== text).map(([id]) => id);
    const parts = ids.map((id) => document.getElementById(id)).filter(Boolean);
    return parts.filter((part) => !parts.some((other) => other !== part && part.contains(other)));
  };

  const placesRound = (element) => {
    const places = [];
    for (let part = element?.closest("[id]"); part; part = part.parentElement?.closest("[id]")) {
      if (!FRAME.has(part.id)) places.push({ id: part.id, top: part.getBoundingClientRect().top });
    }
    return places;
  };

  /** Keep the part in its place on screen, and the focus in it where it got lost. */
  const holdPlace = (places, hadFocus) => {
    const kept = places.find(({ id }) => document.getElementById(id));
    if (!kept) return;
    const part = document.getElementById(kept.id);
    scrollBy({ top: part.getBoundingClientRect().top - kept.top, behavior: "instant" });
    if (!hadFocus || document.activeElement !== document.body) return;
    if (part.tabIndex < 0) part.tabIndex = -1;
    part.focus({ preventScroll: true });
  };

  let seen = new Map();

  /** Lay a page over the one on screen; return the parts that differ from before. */
  const show = (page, { sent = null } = {}) => {
    const fresh = page.querySelector(ROOT);
    const written = writtenParts(root(), sent);
    const places = placesRound(sent ?? document.activeElement);
    const hadFocus = document.activeElement !== document.body;
    const before = seen;
    seen = readParts(fresh);
    window.Idiomorph.morph(root(), fresh, {
      morphStyle: "outerHTML",
      callbacks: {
        beforeNodeMorphed: (old) => !written.has(old),
        beforeNodeRemoved: (old) => !written.has(old),
        // What a person opened stays open, but for the fold that was just sent.
        beforeAttributeUpdated: (name, old, change) =>
          name !== "open" || change !== "remove" || (sent !== null && old.contains(sent)),
      },
    });
    document.title = page.title;
    holdPlace(places, hadFocus);
    document.dispatchEvent(new CustomEvent("casefile:shown", { detail: { sent } }));
    return changedParts(before, seen);
  };

  /** Whether something half written stands in a part that the new page does not have. */
  const wouldLose = (page) =>
    [...writtenParts(root(), null)].some((part) => {
      const named = part.closest("[id]");
      return named && !FRAME.has(named.id) && !page.getElementById(named.id);
    });

  const parse = (text) => new DOMParser().parseFromString(text, "text/html");

  const load = async (address) => {
    const answer = await fetch(address, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (isSignIn(answer)) return { signIn: answer.url };
    const page = answer.ok ? parse(await answer.text()) : null;
    return { page: page?.querySelector(ROOT) ? page : null };
  };

  // --- sending ----------------------------------------------------------------------

  const isSignIn = (answer) => answer.redirected && new URL(answer.url).pathname.endsWith("/login/");

  const sayEnded = (address) => {
    const line = document.createElement("div");
    const link = document.createElement("a");
    link.href = address;
    link.textContent = "Sign in again";
    line.append(link, ": what you wrote is kept, and is shown to you then.");
    note("late", "Your sign-in had ended, so this was not saved.", line);
  };

  const sendPlainly = (form, submitter) => {
    form.dataset.plain = "1";
    form.requestSubmit(submitter);
    delete form.dataset.plain;
  };

  const sayMessages = (page) => {
    const messages = messagesOf(page);
    messagesOf(document)?.remove();
    say(...(messages ? [document.adoptNode(messages)] : []));
  };

  const follow = async (form, address) => {
    const target = new URL(address, location.href);
    if (target.pathname !== location.pathname) return location.assign(target);
    const { page, signIn } = await load(target);
    if (!page) return location.assign(signIn ?? target);
    history.replaceState(null, "", target);
    show(page, { sent: form });
    return sayMessages(page);
  };

  const read = async (form, submitter, answer) => {
    if (isSignIn(answer)) return sayEnded(answer.url);
    const type = answer.headers.get("Content-Type") ?? "";
    if (answer.ok && type.startsWith("application/json")) return follow(form, (await answer.json()).location);
    const page = type.startsWith("text/html") ? parse(await answer.text()) : null;
    // A refused form comes back in its page; an error has a page of its own.
    if (!page?.querySelector(`${ROOT} [data-refused]`)) return sendPlainly(form, submitter);
    show(page, { sent: form });
    return sayMessages(page);
  };

  const send = async (form, submitter) => {
    const address = submitter?.hasAttribute("formaction") ? submitter.formAction : form.getAttribute("action");
    const body = new FormData(form, submitter);
    form.dataset.sending = "1";
    document.dispatchEvent(new CustomEvent("casefile:sending", { detail: { form } }));
    try {
      const answer = await fetch(address, {
        method: "POST", body, credentials: "same-origin", headers: { Accept: "text/html", "X-Casefile-In-Place": "1" },
      });
      await read(form, submitter, answer);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      note("late", "The server could not be reached. What you wrote is still here: send it again.");
    } finally {
      delete form.dataset.sending;
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const submitter = event.submitter;
    const address = submitter?.hasAttribute("formaction") ? submitter.formAction : form.getAttribute("action") ?? "";
    const isOurs = form.method === "post" && ACTION.test(address) && root()?.contains(form);
    if (event.defaultPrevented || !isOurs || form.dataset.plain || submitter?.formTarget) return;
    event.preventDefault();
    if (!form.dataset.sending) send(form, submitter);
  }, true);

  // --- what others change -----------------------------------------------------------

  const who = (changes) => [...new Set(changes.map((change) => change.who))].join(", ");

  const sayChanged = (changes, ...more) => {
    const list = document.createElement("ul");
    for (const change of changes.slice(0, 5)) {
      const line = document.createElement("li");
      line.textContent = `${change.who}: ${change.what}`;
      list.append(line);
    }
    const rest = changes.length > 5 ? ` and ${changes.length - 5} more` : "";
    note("calm", `Changed meanwhile by ${who(changes)}${rest}`, list, ...more);
  };

  const showChanges = (page, changes) => {
    const others = changes.filter((change) => !change.is_mine);
    for (const part of show(page)) {
      if (others.length) part.dataset.changedBy = who(others);
    }
    if (others.length) sayChanged(others);
  };

  const offerChanges = (changes) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "cf-button is-small";
    button.textContent = "Show it now";
    button.addEventListener("click", async () => {
      const { page } = await load(location.href);
      if (page) showChanges(page, changes);
    });
    sayChanged(changes, "The part that you write in is no longer there. What you wrote is kept in this tab. ", button);
  };

  const look = async () => {
    const { watch, mark } = root().dataset;
    const answer = await fetch(watch, {
      credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json", "If-None-Match": `"${mark}"` },
    });
    if (isSignIn(answer)) return sayEnded(answer.url);
    if (answer.status !== 200) return answer.status === 304 || answer.status >= 500;
    const { changes, mark: now } = await answer.json();
    if (document.querySelector("[data-sending]") || root().dataset.mark !== mark) return true;
    const { page } = await load(location.href);
    if (!page) return false;
    if (!wouldLose(page)) showChanges(page, changes);
    else {
      root().dataset.mark = now;
      offerChanges(changes);
    }
    return true;
  };

  /** Look whether somebody changed the case, while the page is in sight. */
  const watch = () => {
    const pause = () => Number(root().dataset.watchSeconds) * 1000;
    let timer = 0;
    const turn = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      let goesOn = true;
      try {
        goesOn = await look();
      } catch {
        /* The network is away; the next look may find it. */
      }
      if (goesOn === true) timer = setTimeout(turn, pause());
    };
    document.addEventListener("visibilitychange", turn);
    timer = setTimeout(turn, pause());
  };

  addEventListener("DOMContentLoaded", () => {
    if (!root()) return;
    seen = readParts(root());
    if (root().dataset.watch) watch();
  });
})();
