/* Forms: sent once, shown again where they were refused, with a preview of Markdown. */
"use strict";

(() => {
  // A button pressed twice is one request. The server holds to that too, by the form's key.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented || event.submitter?.formTarget) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  /** Put the cursor where something is to be mended; the address is the page's again. */
  const showRefused = () => {
    const refused = document.querySelector("[data-refused]");
    if (!refused) return;
    history.replaceState(null, "", refused.dataset.here);
    const form = refused.closest("form");
    for (let part = form; part; part = part.parentElement?.closest("details")) part.open = true;
    const holder = form.querySelector(".cf-label:has(.cf-errors)") ?? form;
    const field = holder.querySelector("textarea, select, input:not([type=hidden])");
    (field ?? refused).focus({ preventScroll: true });
    form.scrollIntoView({ block: "center" });
  };

  const preview = async (button) => {
    const form = button.form;
    const body = new FormData(form, button);
    const shown = form.querySelector("[data-preview-of]");
    const answer = await fetch(button.formAction, {
      method: "POST", body, credentials: "same-origin", headers: { Accept: "text/html;fragment" },
    });
    shown.hidden = false;
    if (answer.ok) shown.innerHTML = await answer.text();
    else shown.textContent = "The preview could not be made.";
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-preview]");
    if (!button) return;
    event.preventDefault();
    preview(button);
  });

  addEventListener("DOMContentLoaded", showRefused);
  document.addEventListener("casefile:shown", (event) => { if (event.detail.sent) showRefused(); });
})();
