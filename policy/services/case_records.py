"""What findings ask of our own records: trust, kill switches and scans."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from evidence.models import EvidenceItem
from policy.models import (
    KillSwitch,
    KillSwitchLift,
    ScanEntry,
    ScanReport,
    TrustTransition,
)
from policy.models.kill_switches import KillSwitchQuerySet
from policy.rules.stops import Stop, StopKind
from policy.rules.trust import TrustState
from policy.rules.trust_replay import TrustFinding, TrustFindingCode
from policy.scanner.comparison import Miss
from policy.scanner.errors import SourceRefusedError
from policy.scanner.report import FileReport, SourceReport
from policy.scanner.report_entries import Classification, Entry
from policy.services.concerned_cases import remediate_reached_at


@dataclass(frozen=True)
class OwnRecord:
    """What our own rows say: when calls had to be blocked, what was amiss.

    `doubts` are what they leave open: orders that may have taken effect or not.
    """

    stops: tuple[Stop, ...]
    moves: tuple[TrustFinding, ...]
    doubts: tuple[str, ...] = ()


def own_record(incident: Any) -> OwnRecord:
    """Return the stops of the case's extensions, and our lifts that came too early.

    A kill switch counts from the moment at which it is confirmed to have taken effect,
    since an order alone stops nothing, and so does the quarantine that the order put
    down. A quarantine of its own counts from its move. `line` is the row's number:
    there is no file.
    """
    stops = [*_quarantines(incident), *_confirmed_kills(incident)]
    stops.sort(key=lambda stop: (stop.started_at, stop.line))
    doubts = tuple(_unconfirmed_kills(incident))
    return OwnRecord(tuple(stops), tuple(early_lifts(incident)), doubts)


def _quarantines(incident: Any) -> Iterator[Stop]:
    moves = TrustTransition.everything.filter(
        extension__in=incident.extensions.all()
    ).select_related("extension", "kill_switch__confirmation")
    began: dict[str, TrustTransition] = {}
    for move in moves.order_by("id"):
        name = move.extension.extension_id
        if move.to_state == TrustState.QUARANTINED:
            began[name] = move
        elif name in began:
            yield from _quarantine(began.pop(name), move.moved_at)
    for move in began.values():
        yield from _quarantine(move, None)


def _quarantine(move: TrustTransition, ended_at: dt.datetime | None) -> Iterator[Stop]:
    """Yield the time of a quarantine; none where it is not known to have begun."""
    started_at = _effective_at(move)
    if started_at is None or (ended_at is not None and ended_at <= started_at):
        return
    name = move.extension.extension_id
    yield Stop(StopKind.QUARANTINE, name, started_at, ended_at, move.pk)


def _effective_at(move: TrustTransition) -> dt.datetime | None:
    """Return when a quarantine took effect; None: its order was never confirmed."""
    if move.kill_switch is None:
        return move.moved_at
    confirmation = getattr(move.kill_switch, "confirmation", None)
    if confirmation is None:
        return None
    # An extension noted later is held from then on, whenever the order took effect.
    return max(move.moved_at, confirmation.effective_at)


def _confirmed_kills(incident: Any) -> Iterator[Stop]:
    switches = _switches_of(incident).filter(confirmation__isnull=False)
    for switch in switches.with_people().order_by("pk"):
        lift = getattr(switch, "lift", None)
        yield Stop(
            StopKind.KILL_SWITCH,
            switch.extension.extension_id if switch.extension else None,
            switch.confirmation.effective_at,
            lift.lifted_at if lift is not None else None,
            switch.pk,
        )


def _unconfirmed_kills(incident: Any) -> Iterator[str]:
    """Yield a sentence for each order that nobody knows the effect of."""
    for switch in _switches_of(incident).unconfirmed().with_people().order_by("pk"):
        about = switch.extension.extension_id if switch.extension else "all extensions"
        yield (
            f"the kill switch for {about} was ordered at "
            f"{switch.ordered_at:%Y-%m-%d %H:%M:%S} UTC and is not confirmed: whether "
            "calls had to be blocked since is not known"
        )


def _switches_of(incident: Any) -> KillSwitchQuerySet:
    about = Q(extension__isnull=True) | Q(extension__in=incident.extensions.all())
    return KillSwitch.everything.filter(about)


def early_lifts(incident: Any) -> list[TrustFinding]:
    """Return our own lifts that came before the case reached REMEDIATE.

    Each was let through by a reviewer's stated exception, and is a finding all the
    same. `line` is the kill switch's number: there is no file.
    """
    reached_at = remediate_reached_at(incident)
    lifts = KillSwitchLift.everything.filter(
        kill_switch__incident=incident
    ).select_related("kill_switch__extension", "approved_by")
    return [
        _early_lift(lift)
        for lift in lifts.order_by("id")
        if reached_at is None or lift.lifted_at < reached_at
    ]


def newest_scan(item: EvidenceItem) -> SourceReport | None:
    """Return what the newest scan of a source found; None where none is finished.

    Read back from the rows that were stored: what it says of files that have no entry,
    and of the line-based scanner's own findings, is left out.
    """
    report = ScanReport.objects.filter(item=item).order_by("-id").first()
    if report is None:
        return None
    name = item.original_name
    if report.refusal_code:
        refused = SourceRefusedError(report.refusal_code, report.refusal)
        return SourceReport(name, refused=refused)
    rows = [(row, _entry_of(row)) for row in report.entries.order_by("position")]
    stored = FileReport(
        path=name,
        size_bytes=item.size_bytes,
        language=None,
        classification=Classification(report.classification),
        entries=tuple(entry for _, entry in rows),
        line_findings=(),
        misses=tuple(
            _miss_of(row, entry) for row, entry in rows if row.is_missed_by_line_scanner
        ),
        is_complete=not report.details.get("counts", {}).get("incomplete_files"),
    )
    return SourceReport(name, files=(stored,))


def _entry_of(row: ScanEntry) -> Entry:
    return Entry(
        file=row.file,
        line=row.line,
        column=row.column,
        rule=row.rule,
        classification=Classification(row.classification),
        excerpt=row.excerpt,
        why=row.why,
        family=row.family,
        techniques=tuple(row.techniques),
        suggested_pattern=row.suggested_pattern,
        regression_test_idea=row.regression_test_idea,
        end_line=row.line,
    )


def _miss_of(row: ScanEntry, entry: Entry) -> Miss:
    return Miss(
        entry=entry,
        line_scanner_said=Classification(row.line_scanner_said),
        family=row.family,
        what=row.form,
        suggested_pattern=row.suggested_pattern,
        regression_test_idea=row.regression_test_idea,
    )


def _early_lift(lift: KillSwitchLift) -> TrustFinding:
    switch = lift.kill_switch
    return TrustFinding(
        code=TrustFindingCode.LIFT_TOO_EARLY,
        line=switch.pk,
        at=lift.lifted_at,
        extension=switch.extension.extension_id if switch.extension else None,
        from_state=None,
        to_state=None,
        operator=lift.approved_by.get_username(),
        message=f"Kill switch {switch.pk} was lifted here before the case reached "
        f"REMEDIATE; the reviewer's exception: {lift.exception or 'none'}.",
    )


def records_keys(extensions: Mapping[int, Collection[int]]) -> dict[int, list[Any]]:
    """Return, of each case, the keys of the rows that its records and scans are of.

    `extensions` are those of each case, by id. As many queries for one as for many.
    """
    every = {pk for known in extensions.values() for pk in known}
    scans = _grouped(
        ScanReport.objects.filter(item__incident__in=list(extensions)),
        "item__incident",
    )
    moves = _grouped(
        TrustTransition.everything.filter(extension__in=every), "extension"
    )
    about = Q(extension__isnull=True) | Q(extension__in=every)
    switches = KillSwitch.everything.filter(about)
    ordered = _grouped(switches, "extension")
    confirmed = _grouped(switches.filter(confirmation__isnull=False), "extension")
    lifted = _grouped(switches.filter(lift__isnull=False), "extension")
    return {
        case: [
            sorted(scans[case]),
            sorted(pk for extension in known for pk in moves[extension]),
            sorted(pk for extension in {None, *known} for pk in ordered[extension]),
            sorted(pk for extension in {None, *known} for pk in confirmed[extension]),
            sorted(pk for extension in {None, *known} for pk in lifted[extension]),
        ]
        for case, known in extensions.items()
    }


def _grouped(rows: QuerySet[Any], field: str) -> defaultdict[int | None, list[int]]:
    """Return the rows' keys by what a field of theirs points at."""
    found: defaultdict[int | None, list[int]] = defaultdict(list)
    for owner, pk in rows.order_by().values_list(field, "pk"):
        found[owner].append(pk)
    return found
