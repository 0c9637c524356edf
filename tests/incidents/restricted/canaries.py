"""Words that only restricted cases hold: none may reach who does not see the cases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.http import HttpResponse

from evidence.models.case_bound import CaseBound, hidden_from, leave_out
from incidents.models import PlaybookVersion
from policy.models import Extension, ExtensionVersion

UNLIKELY = re.compile(r"(?=.*\d)\S{10,}|.{24,}")
"""A word with a digit, or a sentence: shorter ones stand in pages for other reasons."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z-]+$")
"""Two cases can have one, as those of these tests do."""

NOT_OF_THE_CASE = {
    # What stands in them is the application's own, or of people and extensions.
    "evidence.AuditEntry.action",
    "evidence.AuditEntry.actor_name",
    "evidence.AuditEntry.object_type",
    # A case's key, which a longer one begins with: see the addresses' tests.
    "evidence.AuditEntry.stream",
    "evidence.NotedHead.stream",
    # Words that the application makes of other columns, which are looked for.
    "evidence.AuditEntry.object_label",
    "evidence.CustodyEvent.detail",
    "evidence.EvidenceItem.content",
    "evidence.VerificationReport.details",
    "incidents.GateRecord.conditions",
}


def case_bound_models() -> list[Any]:
    return [model for model in apps.get_models() if issubclass(model, CaseBound)]


def hidden_rows(model: Any, person: Any) -> Any:
    """Return the rows of a model that a person may not see."""
    shown = leave_out(model.everything.all(), hidden_from(person))
    return model.everything.exclude(pk__in=shown.values("pk"))


def canaries_for(person: Any) -> dict[str, str]:
    """Return the words of hidden rows that no seen row holds, by their column."""
    hidden: dict[str, str] = {}
    seen = _common_words()
    for model in case_bound_models():
        shown = leave_out(model.everything.all(), hidden_from(person))
        seen |= {word for row in shown for _, word in words_of(row)}
        for row in hidden_rows(model, person):
            hidden |= {word: column for column, word in words_of(row)}
    return {word: column for word, column in hidden.items() if word not in seen}


def words_of(row: models.Model) -> Iterator[tuple[str, str]]:
    for field in row._meta.concrete_fields:
        column = f"{row._meta.label}.{field.name}"
        if field.choices or column in NOT_OF_THE_CASE:
            continue
        for word in _strings(field.value_from_object(row)):
            if UNLIKELY.match(word) and not MOMENT.match(word):
                yield column, word


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _common_words() -> set[str]:
    words = set()
    for version in PlaybookVersion.objects.all():
        words |= set(_strings(version.document))
    words |= set(Extension.objects.values_list("extension_id", flat=True))
    words |= set(ExtensionVersion.objects.values_list("version", flat=True))
    return words


def told_by(response: Any) -> str:
    """Return all that an answer says: its headers and its body, however sent."""
    body = (
        b"".join(response.streaming_content) if response.streaming else response.content
    )
    text = body.decode("utf-8", "replace")
    head = "\n".join(f"{name}: {value}" for name, value in response.items())
    return f"{head}\n{text}"


def found_in(
    response: HttpResponse, canaries: dict[str, str], but: str = ""
) -> set[str]:
    """Return which canaries an answer gives away; `but` is what was asked with."""
    return words_in(told_by(response), canaries, but)


def words_in(text: str, canaries: dict[str, str], but: str = "") -> set[str]:
    """Return which canaries a text gives away, in any form that answers have."""
    shapes = (lambda word: word, _escaped, lambda word: json.dumps(word)[1:-1])
    return {
        f"{column}: {word[:60]}"
        for word, column in canaries.items()
        if word not in but and any(shape(word) in text for shape in shapes)
    }


def _escaped(word: str) -> str:
    from django.utils.html import escape

    return str(escape(word))
