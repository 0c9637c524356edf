"""What the answers about cases depend on, as a digest of each, and who is behind.

A digest is made of keys alone, for many cases as for one in the same few queries, so
that a sweep can look at all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from evidence.format import hash_value
from evidence.models import EvidenceItem, EvidenceKind
from incidents.findings import QUESTIONS
from incidents.models import EvidenceReading, Incident
from incidents.services.findings.reading import readable_report_keys
from policy.models import PolicySnapshot, RuntimeHistoryImport
from policy.services.case_records import records_keys

CASES_AT_ONCE = 500


def state_key(incident: Incident) -> str:
    """Return a digest of all rows that the answers depend on."""
    return state_keys([incident.pk])[incident.pk]


def state_keys(incident_ids: Collection[int]) -> dict[int, str]:
    """Return the digest of each case; the queries do not grow with their number."""
    extensions = Incident.extensions.through.objects.filter(incident__in=incident_ids)
    sources = EvidenceItem.objects.filter(kind=EvidenceKind.EXTENSION_SOURCE)
    versions = {f"{c}/{k}": q.version for (c, k), q in QUESTIONS.items()}
    reports = readable_report_keys(incident_ids)
    of_extensions = _by_case(extensions, incident_ids, "extension_id")
    others = {
        "snapshots": _by_case(PolicySnapshot.objects.all(), incident_ids),
        "histories": _by_case(RuntimeHistoryImport.objects.all(), incident_ids),
        "sources": _by_case(sources, incident_ids),
        "extensions": of_extensions,
        "records": records_keys(of_extensions),
    }
    return {
        pk: hash_value(
            {
                "versions": versions,
                "reports": reports[pk],
                **{name: keys[pk] for name, keys in others.items()},
            }
        )
        for pk in incident_ids
    }


def cases_behind(*, at_once: int = CASES_AT_ONCE) -> Iterator[int]:
    """Yield the open cases whose newest reading does not know of all evidence.

    All of them, however many: some at a time, by key.
    """
    evidence = EvidenceItem.objects.filter(incident=OuterRef("pk"))
    cases = Incident.objects.filter(Exists(evidence), closed_at__isnull=True)
    last = 0
    while True:
        page = list(
            cases.filter(pk__gt=last)
            .order_by("pk")
            .values_list("pk", flat=True)[:at_once]
        )
        if not page:
            return
        known, keys = _known_keys(page), state_keys(page)
        yield from (pk for pk in page if known.get(pk) != keys[pk])
        last = page[-1]


def _known_keys(incident_ids: Collection[int]) -> dict[int, str]:
    """Return the digest of each case's newest reading."""
    newest = EvidenceReading.objects.filter(incident__in=incident_ids)
    newest = newest.order_by("incident_id", "-id").distinct("incident_id")
    return dict(newest.values_list("incident_id", "state_key"))


def _by_case(
    rows: QuerySet[Any], incident_ids: Collection[int], value: str = "pk"
) -> dict[int, list[int]]:
    """Return keys of rows, in order, by case; a case without any has an empty list."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    chosen = rows.filter(incident__in=incident_ids).order_by(value)
    for case, key in chosen.values_list("incident_id", value):
        found[case].append(key)
    return {pk: found[pk] for pk in incident_ids}
