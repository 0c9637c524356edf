"""Exports: a stored bundle, filtered and redacted into a new one, proven before use."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.errors import EvidenceConflict, EvidenceError, StorageUnavailable
from evidence.format import (
    DocumentRefused,
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
)
from evidence.lookalikes import show_hidden
from evidence.models import (
    Channel,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
    ExportRequest,
    WorkState,
)
from evidence.queue.claiming import end_work, lock_unfinished
from evidence.queue.names import queue_of_item
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from evidence.services.case_locks import lock_case
from evidence.services.custody import record_custody
from evidence.services.documents import Recognised
from evidence.services.export_making import MadeExport, make_export
from evidence.services.receipt import Delivery, add_item
from evidence.services.store.faults import keep_received
from evidence.storable_values import safe_json
from evidence.stored_moments import from_ms, to_ms

# Of an export's file name: the whole, and one part of it.
EXPORT_NAME_LENGTH, SLUG_LENGTH = 200, 60
UNREDACTED = "evidence.export_unredacted"


@transaction.atomic
def request_export(
    *,
    item_id: int,
    filter: dict[str, Any],
    redaction: dict[str, Any],
    actor: Actor,
    deep: bool = False,
    more_items: Collection[int] = (),
    now: dt.datetime | None = None,
) -> ExportRequest:
    """Ask for a bundle made from a stored one; a worker makes it.

    `filter` and `redaction` are the members of docs/evidence-format.md, sections 4
    and 5. A copy with nothing redacted takes a right of its own. `deep` takes out what
    leaks, where a leak fails the export otherwise. `more_items` are further items of
    the same case, whose records go into the same bundle. Raise EvidenceError where
    they say what the format does not know.
    """
    require_permission(actor, "evidence.export_evidenceitem")
    item = EvidenceItem.objects.get(pk=item_id)
    lock_case(item.incident_id, actor)
    more = _require_bundles(item, more_items)
    moment = now or timezone.now()
    scope, policy = _read_choices(filter, redaction)
    if deep and not policy.flags:
        raise EvidenceError(
            "Choose what is to be redacted: without a flag, nothing can leak.",
            code="nothing_redacted",
        )
    if not policy.flags:
        require_permission(actor, UNREDACTED)
    request = ExportRequest.objects.create(
        source=item,
        filter=scope.as_dict(),
        redaction=policy.as_dict(),
        deep=deep,
        more_sources=more or None,
        generated_at_ms=to_ms(moment),
        requested_by=actor,
        requested_at=moment,
        touched_at=moment,
    )
    record_entry(
        streams=[incident_stream(item.incident_id)],
        action="evidence.export_requested",
        actor=actor,
        obj=item,
        after={
            "export": request.pk,
            "filter": request.filter,
            "flags": policy.flags,
            "deep": deep,
            "more_items": more,
        },
        now=moment,
    )
    queue_work(request)
    return request


def _require_bundles(item: EvidenceItem, more_items: Collection[int]) -> list[int]:
    """Return the further items of an export, each once; refuse what is no bundle."""
    wanted = sorted(set(more_items) - {item.pk})
    found = EvidenceItem.objects.filter(pk__in=wanted, incident=item.incident_id)
    more = list(found.order_by("pk"))
    if len(more) < len(wanted):
        raise EvidenceError(
            "An export draws on items of one case: choose further ones from the case "
            f"of {item}.",
        )
    for each in (item, *more):
        if each.kind != EvidenceKind.BUNDLE:
            raise EvidenceError(
                f"Only a bundle can be exported; {each} is: {each.get_kind_display()}",
                code="not_a_bundle",
            )
    return [each.pk for each in more]


def run_export(*, request_id: int) -> ExportRequest | None:
    """Make the bundle that a request asks for and return the request, as run_work does.

    The bundle is stored only when all five steps of its verification, with the source
    at hand, find nothing new; otherwise the request fails and says why. Faults that the
    source's own ledger has are carried over, and said.
    """
    return run_work(EXPORT, request_id)


@transaction.atomic
def repeat_export(*, export_id: int, actor: Actor) -> ExportRequest:
    """Ask once more for what an export that came to nothing was asked for."""
    before = ExportRequest.objects.get(pk=export_id)
    if before.is_pending or before.result_id:
        raise EvidenceConflict(
            f"Export {before.pk} is {before.get_state_display().lower()}: only one "
            "that failed or gave up is asked for again.",
            code="not_given_up",
        )
    return request_export(
        item_id=before.source_id,
        filter=before.filter,
        redaction=before.redaction,
        deep=before.deep,
        more_items=before.more_sources or (),
        actor=actor,
    )


def _export(request: ExportRequest) -> ExportRequest:
    try:
        return _make(request)
    except StorageUnavailable:
        raise
    except (EvidenceError, DocumentRefused) as error:
        return _fail(request, str(error))


def _make(request: ExportRequest) -> ExportRequest:
    made = make_export(request)
    if made.failure:
        return _fail(request, made.failure, made.report)
    return _hand_out(request, made)


def export_name(
    request: ExportRequest, *, source_name: str, filter: dict[str, Any]
) -> str:
    """Return a file name that says what an export holds: of what, which part, how."""
    scope = IncidentBundleFilter.from_dict(filter)
    chosen = scope.as_dict().items()
    wanted = {name: value for name, value in chosen if value is not None}
    parts = [_slug(source_name.partition(".")[0])]
    if request.more_sources:
        parts.append(f"and-{len(request.more_sources)}-more")
    if "extension_id" in wanted:
        parts.append(_slug(wanted["extension_id"]))
    for word, name in (("from", "start_ms"), ("to", "end_ms")):
        if name in wanted:
            moment = from_ms(wanted[name])
            parts.append(f"{word}-{moment:%Y%m%dT%H%M%SZ}")
    parts += [_slug(category) for category in wanted.get("alert_categories", ())[:3]]
    if "min_severity" in wanted:
        parts.append(f"{_slug(wanted['min_severity'])}-and-up")
    # At a glance: whether it may leave the house, and how far. Never cut off.
    ending = f"_{request.redaction_words}_{request.tlp.in_file_name}.json"
    return f"{'_'.join(parts)[: EXPORT_NAME_LENGTH - len(ending)]}{ending}"


def _slug(text: str) -> str:
    """Return a text as part of a file name: what could mislead or break is a dash."""
    return re.sub(r"[^\w.]+", "-", show_hidden(text)).strip("-.")[:SLUG_LENGTH] or "x"


def _hand_out(request: ExportRequest, made: MadeExport) -> ExportRequest:
    now = timezone.now()
    with storage.receive_stream(io.BytesIO(made.data)) as incoming:
        keep_received(incoming, now=now)
        with transaction.atomic():
            # In the order of every receipt: the incident's row first.
            item, _ = add_item(
                request.source.incident_id,
                incoming,
                Delivery(
                    original_name=export_name(
                        request, source_name=made.source_name, filter=made.filter
                    ),
                    channel=Channel.WORKER,
                    media_type="application/json",
                    source=_say_sources(request),
                ),
                recognised=Recognised(
                    EvidenceKind.BUNDLE, "Incident evidence bundle", ""
                ),
                actor=request.requested_by,
                now=now,
                derived_from=request.source,
                tlp=request.tlp,
            )
            return _conclude(request, now, report=made.report, item=item)


def _fail(
    request: ExportRequest, why: str, report: dict[str, Any] | None = None
) -> ExportRequest:
    with transaction.atomic():
        return _conclude(request, timezone.now(), report=report, failure=why)


def _give_up(request: ExportRequest, why: str) -> ExportRequest:
    with transaction.atomic():
        return _conclude(
            request,
            timezone.now(),
            report=None,
            failure=f"The export could not be made: {why}.",
            no_result=WorkState.GAVE_UP,
        )


def _conclude(
    request: ExportRequest,
    now: dt.datetime,
    *,
    report: dict[str, Any] | None,
    item: EvidenceItem | None = None,
    failure: str = "",
    no_result: WorkState = WorkState.FAILED,
) -> ExportRequest:
    locked = lock_unfinished(request)
    if locked is None:
        return ExportRequest.objects.get(pk=request.pk)
    locked.report = safe_json(report) if report else None
    locked.result = item
    end_work(locked, WorkState.DONE if item else no_result, now=now, failure=failure)
    _record_export(locked, now)
    return locked


def _record_export(request: ExportRequest, now: dt.datetime) -> None:
    result = request.result
    for source in request.all_sources():
        record_custody(
            source,
            CustodyKind.EXPORTED,
            actor=request.requested_by,
            channel=Channel.WORKER,
            detail=_say_result(request),
            now=now,
        )
    record_entry(
        streams=[incident_stream(request.source.incident_id)],
        action="evidence.exported" if result else "evidence.export_failed",
        actor=request.requested_by,
        obj=request.source,
        after={
            "export": request.pk,
            "result": result.sha256_hex if result else None,
            "failure": request.failure,
            "deep": request.deep,
            "replaced": (request.report or {}).get("replaced") or [],
            "carried_faults": len((request.report or {}).get("carried_over") or ()),
        },
        now=now,
    )


def _say_sources(request: ExportRequest) -> str:
    """Return what an export's item says of where it comes from."""
    more = len(request.more_sources or ())
    others = f" and {more} more items of the case" if more else ""
    return f"export {request.pk} of {request.source}{others}"


def _say_result(request: ExportRequest) -> str:
    """Return what the chain of custody says of an export."""
    if request.result is None:
        return f"refused: {request.failure}"
    carried = (request.report or {}).get("carried_over") or []
    faults = f", with the ledger's faults of its source: {len(carried)}"
    return f"to {request.result}{faults if carried else ''}"


def _read_choices(
    filter: dict[str, Any], redaction: dict[str, Any]
) -> tuple[IncidentBundleFilter, IncidentBundleRedactionPolicy]:
    if "\\u0000" in json.dumps(filter, default=str):
        raise EvidenceError("A filter holds no NUL character.", code="invalid_filter")
    try:
        return (
            IncidentBundleFilter.from_dict(filter),
            IncidentBundleRedactionPolicy.from_dict(redaction),
        )
    except DocumentRefused as refusal:
        raise EvidenceError(str(refusal), code=refusal.code) from refusal


EXPORT = register_kind(
    WorkKind(
        model=ExportRequest,
        task="evidence.export_bundle",
        run=_export,
        give_up=_give_up,
        find_answer=lambda request: request,
        find_queue=lambda request: queue_of_item(request.source),
        follows=("source",),
    )
)
