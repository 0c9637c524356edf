/* Sends chosen or dropped files and shows what became of each, with a line for each.
   Small ones go together, since settings and their explanation are one snapshot; a
   larger one goes by itself. Without this script the form sends them all in the
   ordinary way. */
(function () {
  "use strict";
  const form = document.querySelector("form[data-upload]");
  if (!form || !window.FormData) return;
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector("[data-drop]");
  const list = form.querySelector("[data-uploads]");
  const back = form.querySelector("[data-uploaded]");
  const button = form.querySelector("button[type=submit]");
  const limit = Number(form.dataset.maxBytes);
  const together = Number(form.dataset.togetherBytes);
  const BROKE = "The connection broke; look at the case for what arrived, and send the rest again.";

  function note(file) {
    const row = document.createElement("li");
    const label = document.createElement("span");
    const bar = document.createElement("progress");
    const said = document.createElement("p");
    label.textContent = file.name + " ";
    bar.max = 100;
    bar.value = 0;
    row.append(label, bar, said);
    list.append(row);
    return { file: file, bar: bar, said: said, row: row };
  }

  function linkTo(address, words) {
    const link = document.createElement("a");
    link.href = address;
    link.className = "ev-link";
    link.textContent = words;
    return link;
  }

  function tell(shown, line) {
    shown.bar.remove();
    shown.said.className = line.refused ? "ev-errors" : "";
    shown.row.dataset.state = line.refused ? "refused" : "received";
    shown.said.textContent = (line.refused || line.message) + " ";
    if (line.url) shown.said.append(linkTo(line.url, "Open it"));
  }

  function answerOf(request) {
    try {
      return JSON.parse(request.responseText);
    } catch (error) {
      const status = "The server could not take it in (status " + request.status + ").";
      return { refused: request.responseURL.includes("/login/") ? "Your session has ended: sign in again, then send it again." : status };
    }
  }

  function showBack(address) {
    back.hidden = false;
    back.querySelector("a").href = address;
  }

  function finish(shown, answer) {
    const lines = answer.files || [];
    shown.forEach(function (one, place) {
      tell(one, lines[place] || { refused: answer.refused });
    });
    if (answer.case_url && lines.some((line) => !line.refused)) showBack(answer.case_url);
  }

  function send(shown) {
    const data = new FormData(form);
    data.delete("file");
    for (const one of shown) data.append("file", one.file, one.file.name);
    return new Promise(function (done) {
      const request = new XMLHttpRequest();
      request.open("POST", form.action || window.location.href);
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", function (event) {
        if (!event.lengthComputable) return;
        for (const one of shown) one.bar.value = (100 * event.loaded) / event.total;
      });
      request.addEventListener("load", function () {
        finish(shown, answerOf(request));
        done();
      });
      request.addEventListener("error", function () {
        finish(shown, { refused: BROKE });
        done();
      });
      request.send(data);
    });
  }

  /** The files of each request: small ones fill one up, a larger one has its own. */
  function shares(shown) {
    const small = [];
    const rest = [];
    let bytes = 0;
    // The smallest first: settings and explanation are never parted by a bundle.
    for (const one of [...shown].sort((a, b) => a.file.size - b.file.size)) {
      const fits = bytes + one.file.size <= together;
      if (fits) bytes += one.file.size;
      (fits ? small : rest).push(fits ? one : [one]);
    }
    return small.length ? [small].concat(rest) : rest;
  }

  async function sendAll(files) {
    if (!files.length || !form.reportValidity()) return;
    const shown = files.map(note);
    const tooLarge = shown.filter((one) => one.file.size > limit);
    for (const one of tooLarge) {
      tell(one, { refused: "Larger than " + limit + " bytes, the most that is accepted." });
    }
    button.disabled = true;
    for (const share of shares(shown.filter((one) => one.file.size <= limit))) await send(share);
    button.disabled = false;
    input.value = "";
    input.required = false;
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    sendAll(Array.from(input.files));
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, function (event) {
      event.preventDefault();
      drop.dataset.over = "";
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, function () {
      delete drop.dataset.over;
    });
  }
  drop.addEventListener("drop", function (event) {
    event.preventDefault();
    input.required = false;
    sendAll(Array.from(event.dataTransfer.files));
  });
})();
