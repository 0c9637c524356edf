/* Casefile's pages: clocks that count, times in the reader's zone, copy buttons.
   Everything here adds to pages that work without it. No inline code, no eval. */
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

  const toneOf = (left, total) => {
    if (left <= 0) return "late";
    if (total > 0 && left * 5 <= total) return "warn";
    if (total > 0 && left * 2 <= total) return "watch";
    return "calm";
  };

  // The server's clock counts, not this machine's.
  let skew = 0;
  const readSkew = () => {
    const served = Date.parse(document.querySelector("[data-served-at]")?.dataset.servedAt ?? "");
    if (!Number.isNaN(served)) skew = served - Date.now();
  };

  const tick = () => {
    const now = Date.now() + skew;
    for (const clock of document.querySelectorAll("[data-since]")) {
      const since = Date.parse(clock.dataset.since);
      if (!Number.isNaN(since)) clock.textContent = inWords(Math.max(0, now - since) / 1000);
    }
    for (const clock of document.querySelectorAll("[data-due]")) {
      const due = Date.parse(clock.dataset.due);
      if (Number.isNaN(due)) continue;
      const left = (due - now) / 1000;
      const total = (due - Date.parse(clock.dataset.from)) / 1000;
      const side = left > 0 ? "left" : "overdue";
      const tone = toneOf(left, total);
      const digits = clock.querySelector("[data-digits]");
      if (digits) {
        digits.textContent = inDigits(left);
        clock.querySelector("[data-side]").textContent = side;
        const meter = clock.querySelector("[data-meter]");
        if (meter) meter.style.width = `${Math.max(0, Math.min(100, (1 - left / total) * 100))}%`;
      } else {
        clock.textContent = `${inWords(left)} ${side}`;
      }
      const holder = clock.closest("[data-clock-tone]") ?? clock;
      if (clock.dataset.tone !== "quiet" || left <= 0) holder.dataset.tone = tone;
    }
  };

  // Pages are drawn in the reader's zone: the server learns it from this cookie.
  const tellZone = (zone) => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `casefile_zone=${encodeURIComponent(zone)}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  };

  /** What a clock in this zone shows now, as a field for local times takes it. */
  const wallClock = (zone) => {
    const now = new Date(Date.now() + skew);
    const written = new Intl.DateTimeFormat("sv-SE", {
      dateStyle: "short", timeStyle: "medium", timeZone: zone,
    }).format(now);
    return written.replace(" ", "T");
  };

  const localise = () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) tellZone(zone);
    for (const input of document.querySelectorAll("input[data-zone]")) {
      const moment = input.form?.querySelector("input[data-now]");
      if (moment && !moment.value) moment.value = wallClock(input.value || "UTC");
    }
  };

  const copy = async (button) => {
    const text = button.closest(".cf-command").querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.closest(".cf-command").querySelector("pre"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  };

  const closePops = (except) => {
    for (const pop of document.querySelectorAll(".cf-pop[open]")) {
      if (pop !== except) pop.removeAttribute("open");
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    closePops(event.target.closest(".cf-pop"));
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector(".cf-pop[open]");
    closePops(null);
    open?.querySelector("summary").focus();
  });

  // The first field of a form that was just opened takes the cursor.
  document.addEventListener("toggle", (event) => {
    const opened = event.target;
    if (!opened.matches?.(".cf-pop, .cf-fold") || !opened.open) return;
    opened.querySelector("textarea, input:not([type=hidden]), select")?.focus();
  }, true);

  // A button pressed twice is one request.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.closest(".cf") || event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  const openTarget = () => {
    const target = location.hash.length < 2 ? null : document.getElementById(decodeURIComponent(location.hash.slice(1)));
    target?.querySelector("details.cf-fold")?.setAttribute("open", "");
  };

  addEventListener("DOMContentLoaded", () => {
    readSkew();
    localise();
    tick();
    setInterval(tick, 1000);
    openTarget();
  });
  addEventListener("hashchange", openTarget);
})();
