"""Answering the playbooks from a case's evidence: when, and what is kept of it.

A bundle can be large, so nothing here runs in a request. A reading looks first whether
anything changed that the answers depend on; then each answer that differs from the
newest is a row of its own, and the earlier ones stay.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from evidence.models import EvidenceItem, VerificationReport
from evidence.queue.bells import bell
from evidence.queue.children import ChildBroke, ChildKilled, Tell, run_apart
from evidence.queue.limits import memory_limit, why_too_large, why_too_long
from evidence.queue.sending import queue_on_commit
from evidence.storable_values import safe_json
from incidents.findings import QUESTIONS, Answer, answer_all
from incidents.models import EvidenceReading, Finding, Incident
from incidents.services.changes import lock_incident
from incidents.services.findings.reading import (
    CaseMaterial,
    load_case,
    readable_reports,
)
from incidents.services.findings.state import cases_behind, state_key

log = logging.getLogger(__name__)

GATHER_TASK = "incidents.gather_findings"
ANSWER_TASK = "incidents.answer_proven_items"


def queue_findings(incident_id: int, *, again: bool = False) -> None:
    """Have a worker read the evidence once the transaction has committed.

    `again`: also where nothing changed since a reading that met with problems.
    """
    # A worker of the version before knows of one argument.
    queue_on_commit(GATHER_TASK, incident_id, *([True] if again else []))


def queue_findings_soon(incident_id: int) -> None:
    """Have it read in a moment, once for all that comes in until then."""
    transaction.on_commit(partial(bell.ring, GATHER_TASK, [incident_id]))


def look_again(incident: Incident) -> EvidenceReading | None:
    """Have a worker read the evidence again where another reading may say more.

    Return the reading that stands where none may: nothing changed since, and nothing
    kept it from reading.
    """
    standing = _standing(_newest_reading(incident), state_key(incident))
    if standing is not None and not standing.problems:
        return standing
    queue_findings(incident.pk, again=True)
    return None


def gather_findings(
    *, incident_id: int, again: bool = False, is_last_try: bool = True
) -> int:
    """Answer all questions from a case's evidence; return how many answers are new.

    Harmless to run twice: where nothing changed since the last reading, nothing is
    read, unless that met with problems and somebody asks `again`. What cannot be read
    is kept as a problem of the reading, and so is evidence that takes more time or
    memory than a task may. Raise ChildKilled before the last try where somebody else
    ended it.
    """
    incident = Incident.objects.get(pk=incident_id)
    # Whatever brought this reading about may prove items of the checklist as well.
    queue_on_commit(ANSWER_TASK, incident_id)
    key, before = state_key(incident), _newest_reading(incident)
    standing = _standing(before, key)
    if standing is not None and not (again and standing.problems):
        return 0
    read = _read_within_limits(incident, is_last_try=is_last_try)
    return _write(incident_id, key, read, before)


def sweep_findings() -> int:
    """Queue again what a lost message left undone; return in how many cases."""
    behind = list(cases_behind())
    for pk in behind:
        queue_findings(pk)
    return len(behind)


def reports_without_findings(incident: Incident) -> list[VerificationReport]:
    """Return the current reports of bundles that no worker has read yet."""
    newest = _newest_reading(incident)
    read = set(newest.reports) if newest is not None else set()
    return [report for report in readable_reports(incident) if report.pk not in read]


def _newest_reading(incident: Incident) -> EvidenceReading | None:
    return incident.evidence_readings.order_by("-id").first()


def _standing(newest: EvidenceReading | None, key: str) -> EvidenceReading | None:
    """Return the newest reading where it is of this state of the evidence."""
    return newest if newest is not None and newest.state_key == key else None


def current_findings(
    incident: Incident, *, until: dt.datetime | None = None, code: str | None = None
) -> list[Finding]:
    """Return the newest answer to each question, or those of `until`; one query."""
    found = incident.findings.all()
    if until is not None:
        found = found.filter(answered_at__lte=until)
    if code is not None:
        found = found.filter(code=code)
    rows = found.newest().prefetch_related("reviews__reviewed_by")
    return in_order_of_questions(rows)


def in_order_of_questions(rows: Iterable[Finding]) -> list[Finding]:
    """Return answers class by class, in the order in which the classes ask."""
    order = {key: place for place, key in enumerate(QUESTIONS)}
    return sorted(rows, key=lambda row: order.get((row.code, row.key), len(order)))


@dataclass(frozen=True)
class _Read:
    """What a reading came to: its reports, the items by name, what was not read."""

    reports: list[VerificationReport]
    items: dict[str, EvidenceItem]
    problems: list[str]
    answers: list[Answer]


def _read_within_limits(incident: Incident, *, is_last_try: bool) -> _Read:
    """Read and answer; what reaches a limit is a problem, so that no sweep asks again.

    Every document of a case is held at once, each within the limit by itself or not.
    Raise ChildKilled where another try may come to an answer.
    """
    try:
        with memory_limit():
            material, items, reports = load_case(incident)
            answers, problems = run_apart(
                partial(_answer, material), reads=material.bytes_to_read()
            )
            return _Read(reports, items, problems, answers)
    except SoftTimeLimitExceeded:
        why = why_too_long()
    except MemoryError:
        why = why_too_large()
    except ChildBroke as error:
        why = str(error)
    except ChildKilled as error:
        if not is_last_try:
            raise
        why = str(error)
    log.warning("findings of case %s were given up: %s", incident.pk, why)
    problem = f"looking into the evidence was given up: {why}"
    return _Read(readable_reports(incident), {}, [problem], [])


def _answer(material: CaseMaterial, tell: Tell) -> tuple[list[Answer], list[str]]:
    """Return the answers, and what could not be read; without the database."""
    evidence, problems = material.read()
    try:
        return answer_all(evidence), problems
    except (SoftTimeLimitExceeded, MemoryError):
        raise
    except Exception as error:
        # The boundary that can act: without a row here the sweep would ask for ever,
        # and the postmortem could never be submitted.
        log.exception("findings failed")
        name = type(error).__name__
        unread = f"the evidence could not be looked into ({name}): see the worker's log"
        return [], [*problems, unread]


@transaction.atomic
def _write(
    incident_id: int, key: str, read: _Read, before: EvidenceReading | None
) -> int:
    """Keep what was read, unless another did so since `before`; return as it says."""
    incident = lock_incident(incident_id)
    now = timezone.now()
    newest_reading = _newest_reading(incident)
    if newest_reading != before and _standing(newest_reading, key) is not None:
        return 0
    newest = {(row.code, row.key): row for row in current_findings(incident)}
    rows = [
        row
        for answer in read.answers
        if _differs(
            newest.get((answer.question.code, answer.question.key)),
            row := _row(incident, answer, read.items, now),
        )
    ]
    Finding.objects.bulk_create(rows)
    EvidenceReading.objects.create(
        incident=incident,
        state_key=key,
        reports=[report.pk for report in read.reports],
        problems=read.problems,
        read_at=now,
    )
    return len(rows)


def _row(
    incident: Incident,
    answer: Answer,
    items: dict[str, EvidenceItem],
    now: dt.datetime,
) -> Finding:
    stored = safe_json(answer.as_dict())
    return Finding(
        incident=incident,
        code=answer.question.code,
        key=answer.question.key,
        version=answer.question.version,
        item_key=answer.question.item,
        verdict=answer.verdict.value,
        sentence=stored["sentence"],
        pointers=[_with_item(pointer, items) for pointer in stored["pointers"]],
        inputs=stored["inputs"],
        answered_at=now,
    )


def _with_item(
    pointer: dict[str, Any], items: dict[str, EvidenceItem]
) -> dict[str, Any]:
    item = items.get(pointer["item"])
    return {**pointer, "item_id": item.pk if item else None}


_COMPARED = ("version", "verdict", "sentence", "pointers", "inputs")


def _differs(before: Finding | None, row: Finding) -> bool:
    return before is None or any(
        getattr(before, name) != getattr(row, name) for name in _COMPARED
    )
