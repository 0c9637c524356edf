/* What opens and closes: one panel at a time, and the fold that an address names. */
"use strict";

(() => {
  const closePops = (except) => {
    for (const pop of document.querySelectorAll(".cf-pop[open]")) {
      if (pop !== except) pop.removeAttribute("open");
    }
  };

  document.addEventListener("click", (event) => closePops(event.target.closest(".cf-pop")));

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector(".cf-pop[open]");
    closePops(null);
    open?.querySelector("summary").focus();
  });

  // A panel that would stand out of the window hangs from its button's other end.
  const keepInside = (pop) => {
    const panel = pop.querySelector(":scope > .cf-panel");
    if (!panel) return;
    const { left, right } = panel.getBoundingClientRect();
    if (right > document.documentElement.clientWidth) pop.classList.add("is-end");
    else if (left < 0) pop.classList.remove("is-end");
  };

  // The first field of a form that was just opened takes the cursor.
  document.addEventListener("toggle", (event) => {
    const opened = event.target;
    if (!opened.matches?.(".cf-pop, .cf-fold") || !opened.open) return;
    if (opened.matches(".cf-pop")) keepInside(opened);
    opened.querySelector("textarea, input:not([type=hidden]), select")?.focus();
  }, true);

  const openTarget = () => {
    const target = location.hash.length < 2 ? null : document.getElementById(decodeURIComponent(location.hash.slice(1)));
    target?.querySelector("details.cf-fold")?.setAttribute("open", "");
  };

  addEventListener("DOMContentLoaded", openTarget);
  addEventListener("hashchange", openTarget);
})();
