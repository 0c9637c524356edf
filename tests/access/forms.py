"""The forms of a page, filled in as a person would who takes what is offered."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

WORDS = "What was done, and why it was right."
BY_TYPE = {
    "url": "https://tickets.example.org/7",
    "number": "1",
    "email": "a@b.example",
}
Values = dict[str, Any]


@dataclass
class Form:
    """A form: where it is sent, and what it sends as it stands, with words put in."""

    action: str
    values: Values = field(default_factory=dict)


class FormReader(HTMLParser):
    """Reads the forms of a page; what is chosen already stays, the rest is filled in.

    Of a list the first choice that has a value is taken, of boxes and buttons the
    first, of texts what stands there, or words.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False
        self._select = ""
        self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
            self._inside = True
        if not self._inside:
            return
        name = found.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            self._choose(self._select, found.get("value", ""), "selected" in found)
        elif tag == "textarea" and name:
            self._area = name
            self.forms[-1].values[name] = WORDS
        elif tag == "input" and name:
            self._take(name, found)

    def handle_data(self, data: str) -> None:
        if self._area and data.strip():
            self.forms[-1].values[self._area] = data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"
        self._select = "" if tag == "select" else self._select
        self._area = "" if tag == "textarea" else self._area

    def _choose(self, name: str, value: str, is_chosen: bool) -> None:
        values = self.forms[-1].values
        if (is_chosen and value) or not values.get(name):
            values[name] = value

    def _take(self, name: str, found: dict[str, str]) -> None:
        values, kind = self.forms[-1].values, found.get("type", "text")
        if kind in ("submit", "button", "file", "reset", "image"):
            return
        if kind in ("radio", "checkbox"):
            self._choose(name, found.get("value", "on"), "checked" in found)
        elif kind == "hidden" or found.get("value"):
            values[name] = found.get("value", "")
        else:
            limit = int(found.get("maxlength") or len(WORDS))
            values[name] = BY_TYPE.get(kind, WORDS[:limit])
