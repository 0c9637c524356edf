"""Copies of audit entries, hashed and chained like those that the services wrote.

Every stream of a case gets a stream of its own in each copy. What the templates wrote
into streams that all share (`system`, `reads`) is appended to them, for each copy
once, as far as it is about what is copied. The places of the log and the seals of
recorded rows are not copied: the services give them afterwards, where they are asked.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection

from evidence.audit.history import entry_document
from evidence.format.canonical import canonical_record, hash_bytes
from evidence.models import AuditEntry
from evidence.stored_moments import to_ms

REFERENCE = re.compile(r"(SEC-INC-(\d{4})-(\d{4,}))")
MARKS = {
    name: f"@@{name}@@" for name in ("stream", "sequence", "at", "object", "previous")
}
PART = re.compile(r'("@@(?:sequence|at|previous)@@"|@@\w+@@|SEC-INC-\d{4}-\d{4,})')
KEPT = ("actor_id", "actor_name", "action", "object_type")
NAMES = (
    *("id", "stream", "sequence", "recorded_at", *KEPT, "object_id", "object_label"),
    *("reason", "before", "after", "previous_hash", "entry_hash"),
)


@dataclass(frozen=True)
class Model:
    """An entry to be copied, with its canonical form cut at what differs."""

    entry: AuditEntry
    stream: str
    """With `{}` in the place of what a copy numbers; the same text: a shared one."""
    key: int | None
    is_moved: bool
    parts: list[str]
    before: str | None
    after: str | None

    @property
    def is_shared(self) -> bool:
        return self.stream == self.entry.stream


def copy_history(
    *, stride: int, numbers: int, copies: int, step: dt.timedelta, moved: set[str]
) -> int:
    """Write the copies of every entry; return how many."""
    models = list(_read_models(moved))
    heads = _read_heads(models)
    columns = ", ".join(f'"{name}"' for name in NAMES)
    with connection.cursor() as cursor:
        copying = f"COPY evidence_auditentry ({columns}) FROM STDIN"
        with cursor.copy(copying) as copy:
            for n in range(1, copies + 1):
                back = (copies - n) * step
                for row in _copy_models(models, heads, n, stride, numbers, back):
                    copy.write_row(row)
    return copies * len(models)


def _read_models(moved: set[str]) -> Iterator[Model]:
    tables = {model._meta.label_lower: model._meta.db_table for model in _models()}
    for entry in AuditEntry.everything.order_by("id"):
        is_moved = tables.get(entry.object_type) in moved
        kind, _, key = entry.stream.partition(":")
        is_of_case = kind in ("incident", "reads") and key.isdecimal()
        if not (is_moved or is_of_case):
            continue
        stream = entry.stream
        if is_of_case:
            stream = f"{kind}:{{}}"
        elif kind == "extension":
            stream = f"{entry.stream}-{{}}"
        yield Model(
            entry=entry,
            stream=stream,
            key=int(key) if is_of_case else None,
            is_moved=is_moved and entry.object_id.isdecimal(),
            parts=PART.split(_marked(entry, is_moved)),
            before=None if entry.before is None else json.dumps(entry.before),
            after=None if entry.after is None else json.dumps(entry.after),
        )


def _models() -> list[Any]:
    return apps.get_models(include_auto_created=True)


def _marked(entry: AuditEntry, is_moved: bool) -> str:
    """Return an entry's canonical form with marks where a copy differs."""
    document = {k: v for k, v in entry_document(entry).items() if k != "entry_hash"}
    document |= {
        "stream": MARKS["stream"],
        "sequence": MARKS["sequence"],
        "recorded_at_ms": MARKS["at"],
        "previous_hash": MARKS["previous"],
    }
    if is_moved and entry.object_id.isdecimal():
        document["object"] = {**document["object"], "id": MARKS["object"]}
    return canonical_record(document).decode()


def _read_heads(models: list[Model]) -> dict[str, tuple[int, str]]:
    """Return where each shared stream stands."""
    shared = {model.entry.stream for model in models if model.is_shared}
    heads: dict[str, tuple[int, str]] = {}
    for stream in sorted(shared):
        rows = AuditEntry.everything.filter(stream=stream)
        last = rows.order_by("-sequence").values_list("sequence", "entry_hash")[0]
        heads[stream] = last
    return heads


def _copy_models(
    models: list[Model],
    heads: dict[str, tuple[int, str]],
    n: int,
    stride: int,
    numbers: int,
    back: dt.timedelta,
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one copy."""

    def number_again(found: re.Match[str]) -> str:
        return f"SEC-INC-{found[2]}-{int(found[3]) + n * numbers:04d}"

    own: dict[str, tuple[int, str]] = {}
    newest: dict[str, dt.datetime] = {}
    for model in models:
        entry = model.entry
        stream = model.stream.format((model.key or 0) + n * stride)
        ends = heads if model.is_shared else own
        sequence, previous = ends.get(stream, (0, ""))
        sequence += 1
        at = entry.recorded_at - back
        if not model.is_shared:
            # The templates were made with two clocks; a copy has one.
            at = newest[stream] = max(at, newest.get(stream, at))
        key = entry.object_id
        if model.is_moved:
            key = str(int(key) + n * stride)
        values = {
            MARKS["stream"]: stream,
            MARKS["object"]: key,
            f'"{MARKS["sequence"]}"': str(sequence),
            f'"{MARKS["at"]}"': str(to_ms(at)),
            f'"{MARKS["previous"]}"': f'"{previous}"' if previous else "null",
        }
        parts = model.parts.copy()
        for place in range(1, len(parts), 2):
            part = parts[place]
            parts[place] = (
                values[part] if part in values else REFERENCE.sub(number_again, part)
            )
        digest = hash_bytes("".join(parts).encode())
        ends[stream] = (sequence, digest)
        before, after, label, reason = (
            text and REFERENCE.sub(number_again, text)
            for text in (model.before, model.after, entry.object_label, entry.reason)
        )
        yield (
            entry.pk + n * stride,
            stream,
            sequence,
            at,
            *(getattr(entry, name) for name in KEPT),
            key,
            label,
            reason,
            before,
            after,
            previous or None,
            digest,
        )
