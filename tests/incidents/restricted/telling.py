"""Asking for a hidden row and for one that is not there, and comparing the answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from incidents.models import Incident
from tests.access.counting import taken_back
from tests.api.records.answers import read_document
from tests.incidents.restricted.canaries import case_bound_models, hidden_rows

MISSING, MISSING_REFERENCE = 10**15, "INC-2001-0001"
BOUND = set(case_bound_models())
NEW_EACH_TIME = (
    r'value="[\w.:-]{32,}"',
    r"[\da-f-]{36}",
    r"\d{4}-\d\d-\d\dT[\d:.+]+",
)


@dataclass(frozen=True)
class Hidden:
    """A hidden row's key, and its case's key and reference; or of what is not there."""

    row: int
    case: int
    reference: str
    export: int = MISSING

    def values(self, button: str = "nothing") -> dict[str, str]:
        return {
            "*": str(self.row),
            "incident_id": str(self.case),
            "reference": self.reference,
            "export_pk": str(self.export),
            "action": button,
            "form": "md",
            "filename": "bundle.json",
        }


GONE = Hidden(MISSING, MISSING, MISSING_REFERENCE)


def find_hidden(model: Any, person: User, case: Incident) -> Hidden | None:
    """Return a row of a model that is hidden from somebody; None without one."""
    if model is Incident:
        return Hidden(case.pk, case.pk, case.reference)
    rows = hidden_rows(model, person) if model in BOUND else ()
    row = next(iter(rows[:1]), None)
    return Hidden(row.pk, case.pk, case.reference) if row else None


def differs(client: Client, ask: Callable[[Hidden], Any], hidden: Hidden) -> str | None:
    """Return how what is answered or changed for the two differs; None if not."""
    found = []
    for which in (hidden, GONE):
        cache.clear()
        cookies = client.cookies.copy()
        with taken_back() as change:
            answer = ask(which)
        client.cookies = cookies
        text = answer.content.decode(errors="replace")
        for new in NEW_EACH_TIME:
            text = re.sub(new, "", text)
        named = {str(each) for one in (hidden, GONE) for each in vars(one).values()}
        text = re.sub(rf"(?<!\w)({'|'.join(map(re.escape, named))})(?!\w)", "#", text)
        target = re.sub(r"\d+", "#", answer.headers.get("Location", ""))
        changed = change.tables - {"evidence_apitoken"}
        found.append((answer.status_code, target, text, sorted(changed)))
    if found[0] == found[1]:
        return None
    parts = zip(*found, strict=True)
    return ", ".join(_apart(str(a), str(b)) for a, b in parts if a != b)


def _apart(one: str, two: str) -> str:
    """Return the first place where two texts differ."""
    at = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    return f"{one[max(at - 40, 0) : at + 60]!r} / {two[max(at - 40, 0) : at + 60]!r}"


def bodies(path: str, method: str) -> Iterator[dict[str, str]]:
    """Yield bodies to send: none, and one for each member that could name a row."""
    yield {}
    plain = re.sub(r"<(?:\w+:)?(\w+)>", r"{}", path)
    document = read_document()
    for stated, methods in document["paths"].items():
        if re.sub(r"{\w+}", "{}", stated).strip("/") != plain.strip("/"):
            continue
        content = methods.get(method, {}).get("requestBody", {}).get("content", {})
        for media in content.values():
            schema = media.get("schema", {})
            name = schema.get("$ref", "").rsplit("/", 1)[-1]
            schema = document["components"]["schemas"].get(name, schema)
            for member in schema.get("properties", {}):
                yield {member: "case"}
                yield {member: "reference"}
