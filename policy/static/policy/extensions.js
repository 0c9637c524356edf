/* Extension IDs: known ones suggested while typing, new ones named before they are made.
   Adds to fields that work without it. No inline code, no eval. */
"use strict";

(() => {
  const WAIT_MS = 150;

  /** The words of a comma list as they stand, quotation marks kept. */
  const split = (text) => text.match(/(?:"(?:[^"]|"")*"|[^,"])+|,/g)?.reduce((words, part) => {
    if (part === ",") words.push("");
    else words[words.length - 1] += part;
    return words;
  }, [""]) ?? [""];

  const plain = (word) => word.trim().replace(/^"(.*)"$/s, "$1").replaceAll('""', '"');
  const quoted = (id) => (/[",]/.test(id) ? `"${id.replaceAll('"', '""')}"` : id);

  const connect = (input, number) => {
    const list = document.createElement("datalist");
    list.id = `known-extensions-${number}`;
    const hint = document.createElement("span");
    hint.className = "cf-help";
    hint.setAttribute("role", "status");
    input.setAttribute("list", list.id);
    input.after(list, hint);
    const isSingle = "single" in input.dataset;
    const wordsOf = () => (isSingle ? [input.value] : split(input.value));
    let timer = 0;
    let asked = 0;

    const show = ({ known, new: fresh }) => {
      const before = wordsOf().slice(0, -1).map((word) => word.trim()).filter(Boolean);
      list.replaceChildren(...known.map(({ id, label }) => {
        const option = document.createElement("option");
        option.value = isSingle ? id : [...before, quoted(id)].join(", ");
        option.label = `${id} ${label}`;
        return option;
      }));
      hint.textContent = fresh.map(({ id, fault }) => fault
        || `${id} is new here: nothing has named it before, and it will be noted.`).join(" ");
      hint.classList.toggle("cf-errors", fresh.some(({ fault }) => fault));
    };

    const ask = async () => {
      const mine = ++asked;
      const words = wordsOf().map(plain);
      const query = new URLSearchParams(words.filter(Boolean).map((id) => ["id", id]));
      query.set("q", words[words.length - 1]);
      try {
        const answer = await fetch(`${input.dataset.extensions}?${query}`);
        // What was asked later has its own answer.
        if (answer.ok && mine === asked) show(await answer.json());
      } catch {
        // Without a connection nothing is suggested; the server still checks.
      }
    };

    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, WAIT_MS);
    });
    if (input.value) ask();
  };

  const start = () => document.querySelectorAll("input[data-extensions]").forEach(connect);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
