"""What the gates look at, gathered from rows. Call it under the lock of the case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet

from evidence.accounts.access import name_of
from evidence.audit.history import incident_stream
from evidence.models import (
    AuditEntry,
    EvidenceItem,
    EvidenceKind,
    Outcome,
    QueuedWork,
    VerificationReport,
    VerificationRequest,
    WorkState,
)
from incidents.models import (
    CaseArchive,
    ChecklistItem,
    Cycle,
    GateStatement,
    Incident,
    Postmortem,
    PostmortemReview,
    RemediationAction,
    RemediationDecision,
    ReviewVerdict,
)
from incidents.services.gates.policy_facts import (
    find_configuration_snapshots,
)
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.gate_facts import (
    BundleFact,
    ChoiceFact,
    ItemFact,
    PostmortemFact,
    SnapshotFact,
    Statement,
)
from incidents.workflow.incident_states import (
    ItemKind,
    ItemState,
    RemediationKind,
)
from incidents.workflow.phases import Phase
from incidents.workflow.postmortem import PostmortemState

REPLAY_VIEWED_ACTION = "evidence.replay_viewed"
"""The audit action that the replay page records when a person opens it."""


def gather_bundles(
    incident: Incident, cycle: Cycle, statements: Iterable[GateStatement]
) -> tuple[BundleFact, ...]:
    """Return the bundles of a case, each with what its current report says."""
    explained = {
        statement.report_id: statement
        for statement in statements
        if statement.report_id
    }
    items = list(
        incident.evidence_items.filter(kind=EvidenceKind.BUNDLE).order_by("pk")
    )
    reports = find_current_reports(items)
    begun = _read_beginnings(incident, cycle)
    return tuple(
        _bundle_fact(
            item,
            reports.get(item.pk),
            explained,
            earlier_cycle=_earlier_cycle(begun, item),
        )
        for item in items
    )


def gather_snapshots(incident: Incident, cycle: Cycle) -> tuple[SnapshotFact, ...]:
    """Return the configuration snapshots of a case."""
    begun = _read_beginnings(incident, cycle)
    return tuple(
        SnapshotFact(
            name=item.original_name,
            earlier_cycle=_earlier_cycle(begun, item),
            evidence_id=item.pk,
            sha256_hex=item.sha256_hex,
        )
        for item in find_configuration_snapshots(incident)
    )


def find_current_reports(
    items: Iterable[EvidenceItem], *, until: dt.datetime | None = None
) -> dict[int, VerificationReport]:
    """Return the report of each item's newest request, by item id.

    An item that waits to be verified again has no current report, and neither has one
    whose verification could not be finished. With `until`, the reports are the ones
    that were current at that moment: what is past does not change.
    """
    requests = VerificationRequest.objects.filter(item__in=list(items))
    if until is not None:
        requests = requests.filter(requested_at__lte=until)
    newest = _newest_of_each(requests).select_related("report")
    return {
        request.item_id: request.report
        for request in newest
        if request.state == WorkState.DONE
        and hasattr(request, "report")
        and request.report.outcome != Outcome.UNFINISHED
        and (until is None or request.report.finished_at <= until)
    }


def find_current_report_keys(
    items: QuerySet[EvidenceItem],
) -> Iterator[tuple[int, int, str]]:
    """Yield case, report and outcome of what `find_current_reports` finds now."""
    newest = _newest_of_each(VerificationRequest.objects.filter(item__in=items))
    rows = newest.values_list(
        "item__incident_id", "report__pk", "report__outcome", "state"
    )
    for case, report, outcome, state in rows:
        if state == WorkState.DONE and report and outcome != Outcome.UNFINISHED:
            yield case, report, outcome


def _newest_of_each(
    requests: QuerySet[VerificationRequest],
) -> QuerySet[VerificationRequest]:
    """Keep the newest request of each item, by item.

    It decides, done or not: while a new verification runs, the report before it no
    longer speaks for the bytes.
    """
    return requests.order_by("item_id", "-id").distinct("item_id")


def find_replay_viewing(incident: Incident, cycle: Cycle) -> Statement | None:
    """Return who of those who work cases first looked at the replay in this cycle."""
    entry = (
        AuditEntry.objects.filter(
            works_cases("actor__"),
            stream=incident_stream(incident.pk),
            action=REPLAY_VIEWED_ACTION,
            recorded_at__gte=cycle.started_at,
        )
        .order_by("sequence")
        .first()
    )
    if entry is None:
        return None
    when = f"{entry.recorded_at:%Y-%m-%d %H:%M} UTC"
    return Statement(by=entry.actor_name, text=f"looked at it on {when}")


def works_cases(prefix: str = "") -> Q:
    """Match the users who hold the permission to work cases, by role or themselves."""
    return (
        Q(**{f"{prefix}is_superuser": True})
        | Q(**{f"{prefix}groups__permissions__codename": "work_incident"})
        | Q(**{f"{prefix}user_permissions__codename": "work_incident"})
    )


def gather_choices(items: Iterable[ChecklistItem]) -> tuple[ChoiceFact, ...]:
    """Return the playbook's remediations with what was decided of each."""
    asked = [item for item in items if item.kind == ItemKind.REMEDIATION]
    decided: dict[tuple[int, str], bool] = {}
    for decision in RemediationDecision.objects.filter(item__in=asked).order_by("id"):
        decided[decision.item_id, decision.choice_key] = decision.chosen
    return tuple(
        ChoiceFact(
            key=choice["key"],
            text=choice["text"],
            required=choice.get("required", False),
            chosen=decided.get((item.pk, choice["key"])),
        )
        for item in asked
        for choice in item.content.get("choices", ())
    )


def gather_postmortem(cycle: Cycle) -> PostmortemFact:
    """Return the postmortem of a cycle as it stands.

    A signature that was voided is still named, so that the gate can say what happened.
    """
    postmortem = Postmortem.objects.filter(cycle=cycle).first()
    if postmortem is None:
        return PostmortemFact()
    version = (
        postmortem.versions.select_related("submitted_by").order_by("-number").first()
    )
    if version is None:
        return PostmortemFact()
    signature = _newest_signature(postmortem)
    is_signed = postmortem.state == PostmortemState.SIGNED
    is_current = signature is not None and is_signed and signature.version == version
    archive = _find_archive(signature) if is_current else None
    return PostmortemFact(
        is_written=is_signed or postmortem.state == PostmortemState.SUBMITTED,
        author=name_of(version.submitted_by),
        signed_by=name_of(signature.reviewer) if signature else "",
        signature_is_current=is_current,
        artifacts_archived=archive is not None,
        archive_problem=_archive_problem(signature)
        if is_current and archive is None
        else "",
    )


def _archives_of(signature: PostmortemReview) -> QuerySet[CaseArchive]:
    """Return the case's archives since the signed files were stored."""
    return CaseArchive.objects.filter(
        incident__cycles=signature.version.postmortem.cycle_id,
        requested_at__gte=signature.archive.archived_at,
        redaction__isnull=True,
    )


def _find_archive(signature: PostmortemReview | None) -> CaseArchive | None:
    """Return an archive of the case that holds the signed files and passed."""
    if signature is None or not hasattr(signature, "archive"):
        return None
    return _archives_of(signature).filter(state=WorkState.DONE).first()


def _archive_problem(signature: PostmortemReview | None) -> str:
    """Return why the newest try to archive gave up; "" where it did not."""
    if signature is None:
        return ""
    newest: QueuedWork | None = signature.archivings.first()
    if hasattr(signature, "archive"):
        newest = _archives_of(signature).first()
    return newest.failure if newest is not None and newest.gave_up else ""


def newest_statements(cycle: Cycle) -> dict[tuple[str, int | None], GateStatement]:
    """Return the statement that counts for each condition, and each report."""
    rows = GateStatement.objects.filter(phase__cycle=cycle).select_related("stated_by")
    return {(row.condition_key, row.report_id): row for row in rows.order_by("id")}


def stated(
    statements: dict[tuple[str, int | None], GateStatement], key: ConditionKey
) -> Statement | None:
    row = statements.get((key, None))
    return _statement(row) if row else None


def _statement(row: GateStatement) -> Statement:
    return Statement(by=row.stated_by.get_username(), text=row.statement)


def _bundle_fact(
    item: EvidenceItem,
    report: VerificationReport | None,
    explained: dict[int, GateStatement],
    *,
    earlier_cycle: int | None,
) -> BundleFact:
    fact = BundleFact(
        name=item.original_name,
        earlier_cycle=earlier_cycle,
        evidence_id=item.pk,
        sha256_hex=item.sha256_hex,
    )
    if report is None:
        return fact
    row = explained.get(report.pk)
    return replace(
        fact,
        valid=report.is_passing,
        chain_valid=is_chain_valid(report),
        explanation=_statement(row) if row else None,
        report_id=report.pk,
    )


def _read_beginnings(incident: Incident, cycle: Cycle) -> list[Cycle]:
    """Return the cycles up to this one, newest first; a first cycle costs no query."""
    if cycle.number == 1:
        return [cycle]
    earlier = incident.cycles.filter(number__lt=cycle.number)
    return [cycle, *earlier.order_by("-number")]


def _earlier_cycle(begun: list[Cycle], item: EvidenceItem) -> int | None:
    """Return the cycle that an item came in where that is not the newest of these."""
    # A moment before the first cycle is one of the first: nothing is older than it.
    number = next(
        (c.number for c in begun if c.started_at <= item.received_at), begun[-1].number
    )
    return number if number < begun[0].number else None


def is_chain_valid(report: VerificationReport) -> bool | None:
    """Return whether the ledger's chain holds; None where the report has no chain."""
    step = report.steps.get("ledger_chain")
    if step is not None:
        return bool(step == "pass")
    valid = report.details.get("chain_valid")
    return valid if isinstance(valid, bool) else None


def item_fact(item: Any) -> ItemFact:
    return ItemFact(
        key=item.key,
        kind=ItemKind(item.kind),
        phase=Phase(item.phase),
        required=item.required,
        state=ItemState(item.state),
        text=item.text,
        is_taken_back=item.is_open and item.was_undone,
    )


def gather_actions(cycle: Cycle) -> tuple[RemediationKind, ...]:
    rows = RemediationAction.objects.filter(cycle=cycle)
    return tuple(RemediationKind(row.kind) for row in rows)


def _newest_signature(postmortem: Postmortem) -> PostmortemReview | None:
    return (
        PostmortemReview.objects.filter(
            version__postmortem=postmortem, verdict=ReviewVerdict.SIGNED
        )
        .select_related("version", "reviewer", "archive")
        .order_by("-id")
        .first()
    )
