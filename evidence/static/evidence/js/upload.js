/* Sends each chosen or dropped file by itself and shows how far it is.
   Without this script the form sends them all in the ordinary way. */
(function () {
  "use strict";
  const form = document.querySelector("form[data-upload]");
  if (!form || !window.FormData) return;
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector("[data-drop]");
  const list = form.querySelector("[data-uploads]");
  const button = form.querySelector("button[type=submit]");
  const limit = Number(form.dataset.maxBytes);

  function note(name) {
    const row = document.createElement("li");
    const label = document.createElement("span");
    const bar = document.createElement("progress");
    const said = document.createElement("p");
    label.textContent = name + " ";
    bar.max = 100;
    bar.value = 0;
    row.append(label, bar, said);
    list.append(row);
    return { bar: bar, said: said, row: row };
  }

  function linkTo(address, words) {
    const link = document.createElement("a");
    link.href = address;
    link.className = "ev-link";
    link.textContent = words;
    return link;
  }

  function tell(shown, text, address, refused, caseAddress) {
    shown.bar.remove();
    shown.said.className = refused ? "ev-errors" : "";
    shown.row.dataset.state = refused ? "refused" : "received";
    shown.said.textContent = text + " ";
    if (address) shown.said.append(linkTo(address, "Open it"));
    if (caseAddress) shown.said.append(" ", linkTo(caseAddress, "Back to the case"));
  }

  function answerOf(request) {
    try {
      return JSON.parse(request.responseText);
    } catch (error) {
      return { refused: "The server could not take it in (status " + request.status + ")." };
    }
  }

  function send(file) {
    const shown = note(file.name);
    if (file.size > limit) {
      tell(shown, "Larger than " + limit + " bytes, the most that is accepted.", "", true);
      return Promise.resolve();
    }
    const data = new FormData(form);
    data.delete("file");
    data.append("file", file, file.name);
    return new Promise(function (done) {
      const request = new XMLHttpRequest();
      request.open("POST", form.action || window.location.href);
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", function (event) {
        if (event.lengthComputable) shown.bar.value = (100 * event.loaded) / event.total;
      });
      request.addEventListener("load", function () {
        const answer = answerOf(request);
        tell(
          shown,
          answer.refused || answer.message,
          answer.url,
          Boolean(answer.refused),
          answer.case_url
        );
        done();
      });
      request.addEventListener("error", function () {
        tell(shown, "The connection broke; nothing was stored. Send it again.", "", true);
        done();
      });
      request.send(data);
    });
  }

  async function sendAll(files) {
    if (!form.reportValidity()) return;
    button.disabled = true;
    for (const file of files) await send(file);
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
