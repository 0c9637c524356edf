/* The page of a case from the keyboard. Each key presses a button or link that is in
   sight: it can do what the person can do with it, and nothing else. The keys rest while
   something is written, while a dialog is open, and beside Ctrl, Alt and ⌘. */
"use strict";

(() => {
  const ITEMS = ".cf-list > li.cf-item[id]";
  const KEPT = "casefile-keys";
  const STEPS = { j: 1, k: -1 };
  const dialog = () => document.querySelector("dialog[data-keys]");

  const areOn = () => localStorage.getItem(KEPT) !== "off";
  const isWriting = (target) =>
    target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
  const isSeen = (element) => element.checkVisibility() && !element.disabled;

  const items = () => [...document.querySelectorAll(ITEMS)].filter(isSeen);
  let last = "";

  /** The item with the focus in it, or the one that had it last. */
  const current = () => {
    const focused = document.activeElement?.closest(ITEMS);
    return focused ?? items().find((item) => item.id === last) ?? null;
  };

  const goTo = (item) => {
    if (!item) return;
    if (item.tabIndex < 0) item.tabIndex = -1;
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
  };

  const step = (by) => {
    const all = items();
    const place = all.indexOf(current());
    if (place < 0) return goTo(by > 0 ? all[0] : all.at(-1));
    return goTo(all[Math.min(Math.max(place + by, 0), all.length - 1)]);
  };

  const goToTab = (number) => {
    const tabs = [...document.querySelectorAll(".cf-tabs a")];
    tabs[number - 1]?.click();
    return number <= tabs.length;
  };

  /** Press what the item in sight has for a key; say whether it has any. */
  const press = (key) => {
    const buttons = [...(current()?.querySelectorAll(`[aria-keyshortcuts="${key}"]`) ?? [])];
    const button = buttons.find(isSeen);
    button?.click();
    return Boolean(button);
  };

  const act = (key) => {
    if (key in STEPS) return step(STEPS[key]) ?? true;
    if (/^[1-9]$/.test(key)) return goToTab(Number(key));
    return /^[a-z]$/.test(key) && press(key);
  };

  document.addEventListener("focusin", (event) => {
    last = event.target.closest?.(ITEMS)?.id ?? last;
  });

  document.addEventListener("keydown", (event) => {
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
    if (!isPlain || event.repeat && !(event.key in STEPS)) return;
    if (event.defaultPrevented || isWriting(event.target) || !areOn()) return;
    if (!dialog() || document.querySelector("dialog[open]")) return;
    if (event.key === "?") dialog().showModal();
    else if (!act(event.key)) return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-open]")) dialog().showModal();
  });

  addEventListener("DOMContentLoaded", () => {
    const box = dialog()?.querySelector("input[type=checkbox]");
    if (!box) return;
    box.checked = areOn();
    box.addEventListener("change", () => localStorage.setItem(KEPT, box.checked ? "on" : "off"));
  });
})();
