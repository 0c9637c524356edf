/* While workers are at evidence, shows how far they are; then what they found, in place.
   A page marks what is to be replaced by `data-work-page`: an item, or a case's list. */
(function () {
  "use strict";
  const PAUSE = 1500;

  function show(box, pending) {
    if (box.dataset.workQuiet !== undefined) return;
    box.replaceChildren(
      ...pending.map(function (work) {
        const line = document.createElement("p");
        const bar = document.createElement("progress");
        bar.max = 100;
        bar.value = work.percent;
        line.append(work.label + " ", bar, " " + work.percent + " % " + work.problem);
        return line;
      })
    );
  }

  async function showResult() {
    const answer = await fetch(window.location.href, { credentials: "same-origin" });
    const text = answer.ok ? await answer.text() : "";
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const page = fresh.querySelector("[data-work-page]");
    /* Signed out meanwhile, or an error: the whole page says so. */
    if (!page) return window.location.reload();
    document.querySelector("[data-work-page]").replaceWith(document.adoptNode(page));
    /* Something else may have been queued meanwhile. */
    start();
  }

  async function look(box, seen) {
    let count = seen;
    try {
      const answer = await fetch(box.dataset.workStatus, {
        headers: { Accept: "application/json" },
        credentials: "same-origin",
      });
      if (answer.ok) {
        const status = await answer.json();
        count = status.pending.length;
        /* Of several items each that is done shows at once. */
        if (!count || count < seen) return showResult();
        show(box, status.pending);
      }
    } catch (error) {
      /* The network is away; the next look may find it. */
    }
    window.setTimeout(look, PAUSE, box, count);
  }

  function start() {
    const box = document.querySelector("[data-work-status]");
    if (box) window.setTimeout(look, PAUSE, box, 0);
  }

  start();
})();
