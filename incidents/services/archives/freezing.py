"""Freezing a case: what an archive of it is made from, kept when it is asked for.

Rows that are only ever appended stand still, so that their keys are enough. Of others
the document is kept whole, and so are people's names, which may change as well. An
archive made from it has the same bytes whenever, and wherever, it is made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ForeignKey, Model, QuerySet

from evidence.audit.history import extension_stream, incident_stream
from evidence.models import AuditEntry, EvidenceItem, VerificationReport
from evidence.models.case_bound import unwatched
from evidence.stored_moments import from_ms
from incidents.models import (
    Alert,
    CaseArchive,
    FrozenCase,
    Incident,
    PostmortemArchive,
    PostmortemReview,
    ReviewVerdict,
)
from incidents.services.archives.records import TABLES, row_document
from incidents.services.changes import lock_incident
from policy.models import KillSwitch

CHUNK = 500
# Too large to be kept twice, and fixed by the database in rows that may change.
FIXED_COLUMNS: dict[type[Model], str] = {Alert: "document"}
Rows = dict[type[Model], QuerySet[Any]]


@unwatched()
def freeze_case(archive: CaseArchive) -> None:
    """Keep how an archive's case stands, in a transaction that has locked the case."""
    heads = dict(_find_heads(archive.incident))
    rows = _find_rows(archive.incident, heads)
    people = _find_people(rows.values(), archive.requested_by_id)
    postmortems = PostmortemArchive.objects.filter(
        review__version__postmortem__cycle__incident=archive.incident
    ).select_related("review__version__postmortem__cycle")
    items = archive.incident.evidence_items.values_list("pk", "kind")
    content = {
        "heads": [[stream, sequence] for stream, sequence in heads.items()],
        "people": {str(pk): name for pk, name in people.items()},
        "kinds": {str(pk): kind for pk, kind in items},
        "postmortems": [[made.pk, _name(made)] for made in postmortems.order_by("pk")],
        "rows": {
            model._meta.label_lower: _freeze_rows(found, people)
            for model, found in rows.items()
        },
    }
    FrozenCase.objects.create(archive=archive, content=content)


@transaction.atomic
def require_frozen(archive: CaseArchive) -> None:
    """Freeze the case now where that was not done when its archive was asked for."""
    lock_incident(archive.incident_id)
    if not FrozenCase.objects.filter(archive=archive).exists():
        freeze_case(archive)


def is_settled(model: type[Model]) -> bool:
    """Return whether nothing in a table's rows ever changes."""
    changing = getattr(model, "changeable_columns", ())
    return bool(getattr(model, "append_only", False)) and not changing


@dataclass(frozen=True)
class Frozen:
    """A case as it was frozen, read from `FrozenCase.content`."""

    content: dict[str, Any]

    @property
    def heads(self) -> list[tuple[str, int]]:
        """The streams, the case's first, each with its newest entry's sequence."""
        return [(stream, sequence) for stream, sequence in self.content["heads"]]

    @property
    def postmortems(self) -> list[tuple[int, str]]:
        """The archived postmortems by ID, each with the name of its members."""
        return [(pk, name) for pk, name in self.content["postmortems"]]

    @property
    def case(self) -> dict[str, Any]:
        """The case's own row as a document."""
        found: dict[str, Any] = self._rows(Incident)["documents"][0]
        return found

    def case_moment(self, column: str) -> dt.datetime | None:
        """Return a moment of the case's own row; None where it had none."""
        moment = self.case[f"{column}_ms"]
        return None if moment is None else from_ms(moment)

    def name_of(self, person_id: int | None) -> str | None:
        return None if person_id is None else self.content["people"][str(person_id)]

    def items(self) -> list[EvidenceItem]:
        """Return the case's evidence in the order it came, each of its kind then."""
        kinds = self.content["kinds"]
        found = list(EvidenceItem.objects.filter(pk__in=kinds).order_by("pk"))
        for item in found:
            item.kind = kinds[str(item.pk)]
        return found

    def alerts(self) -> Iterator[dict[str, Any]]:
        """Yield the documents of the case's alerts, but for those that were pruned."""
        found = (document["document"] for document in self.documents(Alert))
        return (document for document in found if document is not None)

    def documents(self, model: type[Model]) -> Iterator[dict[str, Any]]:
        """Yield a table's rows as documents, in order of their keys."""
        frozen = self._rows(model)
        if not is_settled(model):
            yield from _whole(model, frozen["documents"])
            return
        rows = model._default_manager.order_by("pk")
        if model is VerificationReport:
            rows = rows.select_related("item")
        for keys in _chunks(frozen["keys"]):
            for row in rows.filter(pk__in=keys):
                yield row_document(row, self.name_of)

    def _rows(self, model: type[Model]) -> dict[str, Any]:
        found: dict[str, Any] = self.content["rows"][model._meta.label_lower]
        return found


def read_frozen(archive: CaseArchive) -> Frozen:
    """Return the case of an archive as it was frozen."""
    return Frozen(FrozenCase.objects.get(archive=archive).content)


def _find_heads(incident: Incident) -> Iterator[tuple[str, int]]:
    ids = incident.extensions.order_by("extension_id")
    names = [extension_stream(extension.extension_id) for extension in ids]
    for name in (incident_stream(incident.pk), *names):
        last = AuditEntry.objects.filter(stream=name).order_by("-sequence").first()
        if last is not None:
            yield name, last.sequence


def _find_rows(incident: Incident, heads: dict[str, int]) -> Rows:
    """Return every table's rows of a case, in order of their keys.

    The kill orders are those that the case's history tells of: one of another case may
    concern this one too.
    """
    rows: Rows = {
        model: model._default_manager.filter(**{path: incident.pk})
        for tables in TABLES.values()
        for model, path in tables
    }
    orders = AuditEntry.objects.filter(
        stream=incident_stream(incident.pk), action="kill_switch.activated"
    )
    ids = list(orders.values_list("object_id", flat=True))
    rows[KillSwitch] = KillSwitch.objects.filter(pk__in=ids)
    signed = rows[PostmortemReview].filter(verdict=ReviewVerdict.SIGNED)
    rows[PostmortemReview] = signed
    return {model: found.order_by("pk") for model, found in rows.items()}


def _find_people(rows: Iterable[QuerySet[Any]], asked_by: int | None) -> dict[int, str]:
    """Return the names of everybody whom the rows name, by ID."""
    columns = [
        found.order_by().values_list(column.attname)
        for found in rows
        for column in found.model._meta.concrete_fields
        if isinstance(column, ForeignKey) and column.related_model is User
    ]
    named = [pk for (pk,) in columns[0].union(*columns[1:])]
    ids = {pk for pk in (*named, asked_by) if pk is not None}
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))


def _name(archive: PostmortemArchive) -> str:
    version = archive.review.version
    return f"{version.postmortem.cycle.number}-v{version.number}"


def _freeze_rows(rows: QuerySet[Any], people: dict[int, str]) -> dict[str, Any]:
    if is_settled(rows.model):
        return {"keys": _keys(rows)}
    column = FIXED_COLUMNS.get(rows.model)
    found = rows.defer(column) if column else rows
    documents = [
        row_document(row, lambda pk: people[pk] if pk else None, leave_out=column)
        for row in found.iterator(chunk_size=CHUNK)
    ]
    return {"documents": documents}


def _whole(
    model: type[Model], documents: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield documents with what was left out of them, which the rows still have."""
    column = FIXED_COLUMNS.get(model)
    if column is None:
        yield from documents
        return
    for chunk in _chunks(documents):
        keys = [document["id"] for document in chunk]
        held = model._default_manager.filter(pk__in=keys).values_list("pk", column)
        values = dict(held)
        yield from ({**one, column: values[one["id"]]} for one in chunk)


def _keys(rows: QuerySet[Any]) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
