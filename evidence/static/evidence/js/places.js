/* After an answer the page comes back to where one was, with the focus there. */
"use strict";

(() => {
  const NAME = "casefile-place";
  const KEPT_MS = 60_000;
  const FRAME = new Set(["page", "main", "content"]);

  /** The named parts round a form, the smallest first: a part may be gone afterwards. */
  const partsRound = (form) => {
    const parts = [];
    for (let part = form.closest("[id]"); part; part = part.parentElement?.closest("[id]")) {
      if (!FRAME.has(part.id)) parts.push({ id: part.id, top: part.getBoundingClientRect().top });
    }
    return parts;
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    const place = { path: location.pathname, at: Date.now(), parts: partsRound(form) };
    try {
      sessionStorage.setItem(NAME, JSON.stringify(place));
    } catch {
      // A browser that keeps nothing shows the page from its top.
    }
  });

  const takePlace = () => {
    try {
      const place = JSON.parse(sessionStorage.getItem(NAME) ?? "null");
      sessionStorage.removeItem(NAME);
      return place;
    } catch {
      return null;
    }
  };

  const comeBack = () => {
    const place = takePlace();
    if (!place || place.path !== location.pathname || Date.now() - place.at > KEPT_MS) return;
    // A refused form and an address with a part of its own know better where to go.
    if (location.hash || document.querySelector("[data-refused]")) return;
    const kept = place.parts.find((part) => document.getElementById(part.id));
    if (!kept) return;
    const part = document.getElementById(kept.id);
    scrollBy({ top: part.getBoundingClientRect().top - kept.top, behavior: "instant" });
    if (part.tabIndex < 0) part.tabIndex = -1;
    part.focus({ preventScroll: true });
  };

  addEventListener("DOMContentLoaded", comeBack);
})();
