/* Narrows the picture to the stretch that is dragged over. The fields do it without. */
"use strict";

(() => {
  const LEAST = 4;
  const drawing = document.querySelector("svg.pic[data-from]");
  const form = document.querySelector("#picture-window");
  if (!drawing || !form) return;
  const shade = drawing.querySelector(".pic-drag");
  const { left, right, from, to } = Object.fromEntries(
    Object.entries(drawing.dataset).map(([name, value]) => [name, Number(value)]),
  );
  let begun = null;
  let moved = false;

  const where = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY);
    const at = point.matrixTransform(drawing.getScreenCTM().inverse()).x;
    return Math.min(right, Math.max(left, at));
  };
  const moment = (x) => Math.round(from + ((x - left) / (right - left)) * (to - from));

  drawing.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    begun = where(event);
    moved = false;
    event.preventDefault();
  });
  addEventListener("pointermove", (event) => {
    if (begun === null) return;
    const x = where(event);
    moved ||= Math.abs(x - begun) >= LEAST;
    shade.setAttribute("x", Math.min(begun, x));
    shade.setAttribute("width", moved ? Math.abs(x - begun) : 0);
  });
  addEventListener("pointerup", (event) => {
    if (begun === null) return;
    const ends = [begun, where(event)].sort((a, b) => a - b).map(moment);
    begun = null;
    if (!moved || ends[0] === ends[1]) return;
    ["from_ms", "to_ms"].forEach((name, place) => {
      const field = form.elements.namedItem(name);
      field.disabled = false;
      field.value = ends[place];
    });
    for (const name of ["since", "until"]) form.elements.namedItem(name).disabled = true;
    form.submit();
  });
  // A drag that began on a mark is no click on it.
  drawing.addEventListener("click", (event) => moved && event.preventDefault(), true);
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || begun === null) return;
    begun = null;
    shade.setAttribute("width", 0);
  });
})();
