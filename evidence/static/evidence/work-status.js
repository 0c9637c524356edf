/* While workers are at an item, shows how far they are; then what they found, in place. */
(function () {
  "use strict";
  const box = document.querySelector("[data-work-status]");
  if (!box) return;
  const PAUSE = 1500;

  function show(pending) {
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
    const page = fresh.querySelector(".ev-page");
    /* Signed out meanwhile, or an error: the whole page says so. */
    if (!page) return window.location.reload();
    document.querySelector(".ev-page").replaceWith(document.adoptNode(page));
  }

  async function look() {
    try {
      const answer = await fetch(box.dataset.workStatus, {
        headers: { Accept: "application/json" },
        credentials: "same-origin",
      });
      if (answer.ok) {
        const status = await answer.json();
        if (!status.pending.length) return showResult();
        show(status.pending);
      }
    } catch (error) {
      /* The network is away; the next look may find it. */
    }
    window.setTimeout(look, PAUSE);
  }

  window.setTimeout(look, PAUSE);
})();
