/* The reader's zone: told to the server, which writes every time in it. */
"use strict";

(() => {
  // Pages are drawn in the reader's zone: the server learns it from this cookie.
  const tellZone = (zone) => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `casefile_zone=${encodeURIComponent(zone)}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  };

  // The server's clock counts, not this machine's.
  const servedNow = () => {
    const served = Date.parse(document.querySelector("[data-served-at]")?.dataset.servedAt ?? "");
    return Number.isNaN(served) ? new Date() : new Date(served);
  };

  /** What a clock in this zone shows now, as a field for local times takes it. */
  const wallClock = (zone) => {
    const style = { dateStyle: "short", timeStyle: "medium", timeZone: zone };
    return new Intl.DateTimeFormat("sv-SE", style).format(servedNow()).replace(" ", "T");
  };

  const fillIn = () => {
    for (const input of document.querySelectorAll("input[data-zone]")) {
      const moment = input.form?.querySelector("input[data-now]");
      if (!moment || moment.value) continue;
      moment.value = wallClock(input.value || "UTC");
      // What a script filled in is nothing that a person wrote.
      moment.dataset.filled = moment.value;
    }
  };

  addEventListener("DOMContentLoaded", () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) tellZone(zone);
    fillIn();
  });
  document.addEventListener("casefile:shown", fillIn);
})();
