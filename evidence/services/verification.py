"""Verification: asking for it, doing it, and keeping the one report that answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.errors import (
    EvidenceConflict,
    EvidenceDamaged,
    EvidenceMissing,
)
from evidence.format import (
    DocumentRefused,
    open_or_read,
    replay_steps,
    verify_document,
)
from evidence.models import (
    UNFINISHED_STATES,
    Channel,
    CustodyKind,
    EvidenceItem,
    Outcome,
    VerificationReport,
    VerificationRequest,
    WorkState,
)
from evidence.queue.children import Rows, Tell, run_apart
from evidence.queue.claiming import end_work, lock_unfinished, progress_recorder
from evidence.queue.names import queue_of_item
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from evidence.queue.sending import queue_on_commit
from evidence.services.case_locks import lock_case
from evidence.services.custody import record_custody
from evidence.services.documents import unpack_document
from evidence.services.export_sources import NamedBytes, join_sources, load_sources
from evidence.services.overview import make_overview
from evidence.services.verification_reports import (
    Finding,
    copy_errors,
    copy_steps,
    create_report,
    error_rows,
    step_row,
)
from evidence.storable_values import (
    safe_json,
)

VERIFY_MANY = "evidence.verify_items"
CHECK_BYTES = "evidence.check_bytes"
FOLLOW_DIAGNOSIS = "incidents.follow_diagnosis"
"""Makes the case as severe as the diagnosis means; the app of cases has the task."""
GATHER_FINDINGS = "incidents.gather_findings"
"""Answers the playbook anew from the case's evidence; the app of cases has the task."""


@transaction.atomic
def request_verification(
    *, item_id: int, actor: Actor, now: dt.datetime | None = None
) -> VerificationRequest:
    """Ask for an item to be verified again; another report will answer.

    While one is pending, asking again returns that one.
    """
    require_permission(actor, "evidence.verify_evidenceitem")
    moment = now or timezone.now()
    item = EvidenceItem.objects.get(pk=item_id)
    lock_case(item.incident_id, actor)
    request = add_verification_request(item, actor=actor, now=moment)
    record_entry(
        streams=[incident_stream(item.incident_id)],
        action="evidence.verification_requested",
        actor=actor,
        obj=item,
        after={"request": request.pk},
        now=moment,
    )
    return request


@transaction.atomic
def request_verifications(
    *, item_ids: Iterable[int], actor: Actor, now: dt.datetime | None = None
) -> int:
    """Ask for many items to be verified again; return how many were queued for it.

    One statement and one task, however many there are. An item that waits for its
    verification already is left as it is; the constraint on the table sees to that
    where somebody else asks at the same moment.
    """
    require_permission(actor, "evidence.verify_evidenceitem")
    moment = now or timezone.now()
    waiting = VerificationRequest.objects.filter(
        item=OuterRef("pk"), state__in=UNFINISHED_STATES
    )
    items = EvidenceItem.objects.filter(~Exists(waiting), pk__in=item_ids)
    chosen = dict(items.order_by("pk").values_list("pk", "incident_id"))
    VerificationRequest.objects.bulk_create(
        (
            VerificationRequest(
                item_id=pk, requested_by=actor, requested_at=moment, touched_at=moment
            )
            for pk in chosen
        ),
        ignore_conflicts=True,
    )
    made = VerificationRequest.objects.filter(
        item__in=chosen, requested_at=moment, requested_by=actor
    )
    pks = list(made.order_by("pk").values_list("pk", flat=True))
    if pks:
        _record_many(chosen, actor, moment)
        # One message for all, and only on commit: a worker that is quicker than this
        # transaction would find no rows.
        queue_on_commit(VERIFY_MANY, pks)
    return len(pks)


def queue_verifications(*, request_ids: Sequence[int]) -> None:
    """Queue requests that were made together, each by its size."""
    waiting = VerificationRequest.objects.filter(
        pk__in=request_ids, state=WorkState.QUEUED
    )
    for request in waiting.select_related("item"):
        queue_work(request)


def _record_many(chosen: dict[int, int], actor: Actor, now: dt.datetime) -> None:
    """Write one entry for each case, in the order that streams are locked in."""
    cases: dict[int, list[int]] = {}
    for pk, incident_id in chosen.items():
        cases.setdefault(incident_id, []).append(pk)
    for incident_id in sorted(cases, key=incident_stream):
        item_ids = cases[incident_id]
        record_entry(
            streams=[incident_stream(incident_id)],
            action="evidence.verification_requested",
            actor=actor,
            obj=EvidenceItem.objects.get(pk=item_ids[0]),
            after={"items": item_ids},
            now=now,
        )


def add_verification_request(
    item: EvidenceItem, *, actor: Actor, now: dt.datetime
) -> VerificationRequest:
    """Queue a verification inside the caller's transaction, the case locked."""
    pending = item.verification_requests.filter(state__in=UNFINISHED_STATES).first()
    request = pending or VerificationRequest.objects.create(
        item=item, requested_by=actor, requested_at=now, touched_at=now
    )
    queue_work(request)
    return request


def run_verification(*, request_id: int) -> VerificationReport | None:
    """Do what a request asks and return its report, as run_work does.

    Whatever goes wrong in the end is a report too.
    """
    return run_work(VERIFICATION, request_id)


@dataclass(frozen=True)
class _Found:
    """A finding, and the rows of its errors and steps."""

    finding: Finding
    errors: Iterable[Sequence[Any]] = ()
    steps: Iterable[Sequence[Any]] = ()


def _verify(request: VerificationRequest) -> VerificationReport:
    started_at = timezone.now()
    with Rows() as errors, Rows() as steps:
        finding = _find(request, errors, steps)
        return _finish(request, _Found(finding, errors, steps), started_at)


def _find(request: VerificationRequest, errors: Rows, steps: Rows) -> Finding:
    item = request.item
    try:
        if not item.is_verifiable:
            storage.require_intact(item.sha256_hex)
            return Finding(outcome=Outcome.DIGEST_ONLY)
        data = unpack_document(storage.read_verified(item.sha256_hex))
        sources = load_sources(_sources_of(item))
        return run_apart(
            partial(_examine, data, sources, errors, steps),
            reads=[data, *(source for _, source in sources)],
            hear=progress_recorder(request, first=5, last=60),
        )
    except (EvidenceDamaged, EvidenceMissing) as error:
        return Finding(outcome=Outcome.DAMAGED, refusal=error)
    except DocumentRefused as refusal:
        return Finding(outcome=Outcome.REFUSED, refusal=refusal)


def _examine(
    data: bytes, sources: NamedBytes, errors: Rows, steps: Rows, progress: Tell
) -> Finding:
    """Verify a document, against its sources as one where there are any."""
    source = join_sources(sources).data if sources else None
    result = verify_document(data, source=source, progress=progress).as_dict()
    kind, report = str(result["kind"]), result["report"]
    ledger = report["ledger"] if kind == "bundle" else report
    valid = report["valid"] if kind == "bundle" else report["chain_valid"]
    document = open_or_read(data)
    entries = (document["risk_ledger"] if kind == "bundle" else document)["entries"]
    replay = replay_steps(entries, ledger["trusted_prefix"] or 0)
    errors.write(error_rows(ledger["verification_errors"]))
    return Finding(
        outcome=Outcome.VERIFIED if valid else Outcome.FAILED,
        document_kind=kind,
        steps=report.get("steps", {}),
        details=_details(report, ledger, kind),
        overview=make_overview(document, entries, break_index=ledger["break_index"]),
        error_count=len(ledger["verification_errors"]),
        step_count=steps.write(map(step_row, replay)),
        trusted_prefix=ledger["trusted_prefix"],
        break_index=ledger["break_index"],
        diagnosis=ledger["diagnosis"],
    )


def _sources_of(item: EvidenceItem) -> Sequence[EvidenceItem]:
    """Return the unredacted sources of an export made here, to look for leaks."""
    if item.derived_from is None:
        return []
    made = item.made_by_exports.filter(more_sources__isnull=False).first()
    return made.all_sources() if made else [item.derived_from]


def _details(
    report: dict[str, Any], ledger: dict[str, Any], kind: str
) -> dict[str, Any]:
    """Return the report without its errors, which are rows; long lists say so."""
    facts = {name: ledger[name] for name in ledger if name != "verification_errors"}
    facts["gap_count"] = len(ledger["gaps"])
    if kind == "ledger":
        return dict(safe_json(facts))
    members = {name: report[name] for name in report if name not in ("ledger", "steps")}
    return dict(
        safe_json({**members, "leak_count": len(report["leaks"]), "ledger": facts})
    )


def _give_up(request: VerificationRequest, why: str) -> VerificationReport:
    refusal = EvidenceConflict(
        f"Verification could not be completed: {why}. The evidence is kept as it "
        "is. Have it verified again, or look into the worker's log.",
        code="verification_unfinished",
    )
    finding = Finding(outcome=Outcome.UNFINISHED, refusal=refusal)
    started_at = request.started_at or timezone.now()
    return _finish(request, _Found(finding), started_at, gave_up=why)


@transaction.atomic
def _finish(
    request: VerificationRequest,
    found: _Found,
    started_at: dt.datetime,
    *,
    gave_up: str = "",
) -> VerificationReport:
    now = timezone.now()
    # A second worker may have the same piece, where the first was thought dead: the
    # answer that comes first stays.
    locked = lock_unfinished(request)
    if locked is None:
        return VerificationReport.objects.get(request_id=request.pk)
    report = create_report(locked, found.finding, started_at, now)
    copy_errors(report, found.errors)
    copy_steps(report, found.steps)
    state = WorkState.GAVE_UP if gave_up else WorkState.DONE
    end_work(locked, state, now=now, failure=gave_up)
    _record_verified(locked, report, now)
    if report.outcome == Outcome.DAMAGED:
        _have_bytes_checked(locked.item)
    if report.diagnosis:
        queue_on_commit(FOLLOW_DIAGNOSIS, report.item.incident_id)
    if request.item.is_verifiable:
        queue_on_commit(GATHER_FINDINGS, report.item.incident_id)
    return report


def _have_bytes_checked(item: EvidenceItem) -> None:
    """Have the store's own check look: it notes the fault, and people are told."""
    for held in (item, item.derived_from):
        if held is not None:
            queue_on_commit(CHECK_BYTES, held.sha256_hex)


def _record_verified(
    request: VerificationRequest, report: VerificationReport, now: dt.datetime
) -> None:
    """Write the history last: its lock is shared by everybody who works the case."""
    record_custody(
        request.item,
        CustodyKind.VERIFIED,
        actor=request.requested_by,
        channel=Channel.WORKER,
        detail=f"report {report.pk}: {report.get_outcome_display()}",
        now=now,
    )
    record_entry(
        streams=[incident_stream(request.item.incident_id)],
        action="evidence.verified",
        actor=request.requested_by,
        obj=request.item,
        after={
            "report": report.pk,
            "outcome": str(report.outcome),
            "diagnosis": report.diagnosis,
            "error_count": report.error_count,
        },
        now=now,
    )


VERIFICATION = register_kind(
    WorkKind(
        model=VerificationRequest,
        task="evidence.verify_item",
        run=_verify,
        give_up=_give_up,
        find_answer=lambda request: VerificationReport.objects.filter(
            request=request
        ).first(),
        find_queue=lambda request: queue_of_item(request.item),
        follows=("item",),
    )
)
