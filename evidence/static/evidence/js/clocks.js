/* Clocks that count on, by the server's time and by the moments that it names. */
"use strict";

(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  /** Two largest units, as the server words them: "4 min 32 s". */
  const inWords = (seconds) => {
    let rest = Math.floor(Math.abs(seconds));
    const parts = [];
    for (const [size, unit] of UNITS) {
      if (rest >= size || parts.length) {
        parts.push([Math.floor(rest / size), unit]);
        rest %= size;
      }
      if (parts.length === 2) break;
    }
    return parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}`).join(" ") || "0 s";
  };

  /** Digits for the big clock: 4:32, 1:05:09, 2 d 03:10. */
  const inDigits = (seconds) => {
    const rest = Math.floor(Math.abs(seconds));
    const days = Math.floor(rest / 86400);
    const hours = Math.floor(rest / 3600) % 24;
    const two = (value) => String(value).padStart(2, "0");
    const minutes = Math.floor(rest / 60) % 60;
    if (days) return `${days} d ${two(hours)}:${two(minutes)}`;
    return hours ? `${hours}:${two(minutes)}:${two(rest % 60)}` : `${minutes}:${two(rest % 60)}`;
  };

  /** The tone by the moments that the server sent with the clock; it alone knows why. */
  const toneOf = (clock, now) => {
    if (now >= Date.parse(clock.dataset.due)) return "late";
    if (now >= Date.parse(clock.dataset.warnAt)) return "warn";
    return now >= Date.parse(clock.dataset.watchAt) ? "watch" : "calm";
  };

  // The server's clock counts, not this machine's.
  let skew = 0;
  const readSkew = () => {
    const served = Date.parse(document.querySelector("[data-served-at]")?.dataset.servedAt ?? "");
    if (!Number.isNaN(served)) skew = served - Date.now();
  };

  const count = (clock, now) => {
    const due = Date.parse(clock.dataset.due);
    if (Number.isNaN(due)) return;
    const left = (due - now) / 1000;
    const side = left > 0 ? "left" : "overdue";
    const digits = clock.querySelector("[data-digits]");
    if (digits) {
      digits.textContent = inDigits(left);
      clock.querySelector("[data-side]").textContent = side;
      const total = (due - Date.parse(clock.dataset.from)) / 1000;
      const meter = clock.querySelector("[data-meter]");
      if (meter) meter.style.width = `${Math.max(0, Math.min(100, (1 - left / total) * 100))}%`;
    } else {
      clock.textContent = `${inWords(left)} ${side}`;
    }
    const holder = clock.closest("[data-clock-tone]") ?? clock;
    if (clock.dataset.tone !== "quiet" || left <= 0) holder.dataset.tone = toneOf(clock, now);
  };

  const tick = () => {
    const now = Date.now() + skew;
    for (const clock of document.querySelectorAll("[data-since]")) {
      const since = Date.parse(clock.dataset.since);
      if (!Number.isNaN(since)) clock.textContent = inWords(Math.max(0, now - since) / 1000);
    }
    for (const clock of document.querySelectorAll("[data-due]")) count(clock, now);
  };

  addEventListener("DOMContentLoaded", () => {
    readSkew();
    tick();
    setInterval(tick, 1000);
  });
  document.addEventListener("casefile:shown", () => {
    readSkew();
    tick();
  });
})();
