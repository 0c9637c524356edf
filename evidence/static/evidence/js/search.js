/* The keys of the search box: "t", "/" and Ctrl+K or ⌘K. The box works without them. */
"use strict";

(() => {
  const isWriting = (target) =>
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input, textarea, select"));

  /** What stands outside the window or behind a closed sidebar cannot be written in. */
  const isSeen = (box) => {
    const { left, right, width } = box.getBoundingClientRect();
    return width > 0 && right > 0 && left < window.innerWidth && box.checkVisibility();
  };

  document.addEventListener("keydown", (event) => {
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const isLetter = isPlain && ["t", "/"].includes(event.key) && !isWriting(event.target);
    const isCommand = event.key === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    const boxes = [...document.querySelectorAll("[data-search-box]")];
    if (event.defaultPrevented || !boxes.length || !(isLetter || isCommand)) return;
    event.preventDefault();
    const box = boxes.findLast(isSeen);
    if (box) {
      box.focus();
      box.select();
    } else {
      window.location.assign(boxes[0].form.action);
    }
  });
})();
