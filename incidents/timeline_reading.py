"""The timeline as it is read: what people and services wrote about the case, and what
the audit history tells of its evidence and its policy, in one order of events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import CharField, F, Q, QuerySet, Value

from evidence.audit.history import incident_stream
from evidence.audit.words import say_action
from evidence.lookalikes import quote_name
from evidence.models import AuditEntry
from incidents.models import Incident, IncidentPhase, TimelineEntry, TimelineKind

POLICY_NOUNS = (
    "bundle",
    "extension",
    "kill_switch",
    "policy_snapshot",
    "promotion",
    "quota",
    "rollback",
    "runtime_history",
    "scan",
    "trust",
)
WRITTEN, AUDITED = "entry", "audit"
Key = tuple[dt.datetime, int, str]


@dataclass(frozen=True)
class TimelineLine:
    """One line of the timeline, from either table.

    `entry` is the row that can be corrected; None for a line of the audit history,
    which has its action and what it left behind.
    """

    event_at: dt.datetime
    entered_at: dt.datetime
    kind: TimelineKind
    phase: str
    cycle_number: int
    author_name: str
    reference: str
    body: str
    entry: TimelineEntry | None = None
    action: str = ""
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def corrects(self) -> str:
        """The reference of the line that this one corrects, or ""."""
        corrected = self.entry.corrects_id if self.entry else None
        return str(corrected) if corrected else ""


class TimelineReader:
    """The lines of one case, filtered, counted, sliced and loaded as asked.

    Behaves as a sequence, so that a paginator can cut it: a page costs the same in a
    long case as in a short one.
    """

    def __init__(
        self,
        incident: Incident,
        *,
        kind: str = "",
        phase: str = "",
        newest_first: bool = False,
    ) -> None:
        self.incident = incident
        self.kind = kind
        self.phase = phase
        sign = "-" if newest_first else ""
        self._order = tuple(f"{sign}{name}" for name in ("event_at", "source", "pk"))

    def count(self) -> int:
        return self._entries().count() + self._audit().count()

    def count_before(self, entry_pk: int) -> int:
        """Return how many lines a newest-first reading has before a written entry."""
        entry = self._entries().filter(pk=entry_pk).first()
        if entry is None:
            return 0
        later = Q(event_at__gt=entry.event_at)
        same = Q(event_at=entry.event_at, pk__gt=entry.pk)
        # At one moment the history's lines come below what was written.
        return (
            self._entries().filter(later | same).count()
            + self._audit().filter(recorded_at__gt=entry.event_at).count()
        )

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, part: Any) -> Any:
        return self._load(list(self._keys()[part]))

    def __iter__(self) -> Iterator[TimelineLine]:
        return iter(self.all())

    def all(self) -> list[TimelineLine]:
        return self._load(list(self._keys()))

    def _entries(self) -> QuerySet[TimelineEntry]:
        rows = self.incident.timeline.order_by()
        if self.kind:
            rows = rows.filter(kind=self.kind)
        return rows.filter(phase=self.phase) if self.phase else rows

    def _audit(self) -> QuerySet[AuditEntry]:
        rows = AuditEntry.objects.filter(
            self._wanted_actions(), stream=incident_stream(self.incident.pk)
        ).order_by()
        return rows.filter(self._within_phase()) if self.phase else rows

    def _wanted_actions(self) -> Q:
        evidence = Q(action__startswith="evidence.")
        policy = Q(*(("action__startswith", f"{noun}.") for noun in POLICY_NOUNS))
        policy.connector = Q.OR
        if not self.kind:
            return evidence | policy
        wanted = {TimelineKind.EVIDENCE: evidence, TimelineKind.POLICY: policy}
        return wanted.get(TimelineKind(self.kind), Q(pk__in=()))

    def _within_phase(self) -> Q:
        """Match the times when the phase ran, in any cycle."""
        times = Q(pk__in=())
        for phase in _started_phases(self.incident):
            if phase.phase == self.phase:
                within = Q(recorded_at__gte=phase.started_at)
                if phase.completed_at:
                    within &= Q(recorded_at__lt=phase.completed_at)
                times |= within
        return times

    def _keys(self) -> QuerySet[TimelineEntry, Key]:
        written = self._entries().annotate(source=_constant(WRITTEN))
        audited = self._audit().annotate(
            event_at=F("recorded_at"), source=_constant(AUDITED)
        )
        names = ("event_at", "pk", "source")
        return (
            written.values_list(*names)
            .union(audited.values_list(*names), all=True)
            .order_by(*self._order)
        )

    def _load(self, keys: Sequence[Key]) -> list[TimelineLine]:
        written = {
            row.pk: _written_line(row)
            for row in TimelineEntry.objects.filter(pk__in=_keys_of(keys, WRITTEN))
            .select_related("cycle")
            .prefetch_related("corrections")
        }
        phases = _started_phases(self.incident)
        audited = {
            row.pk: _audit_line(row, phases)
            for row in AuditEntry.objects.filter(pk__in=_keys_of(keys, AUDITED))
        }
        lines = {WRITTEN: written, AUDITED: audited}
        return [lines[source][pk] for _, pk, source in keys]


def _constant(text: str) -> Value:
    return Value(text, output_field=CharField())


def _keys_of(keys: Iterable[Key], source: str) -> list[int]:
    return [pk for _, pk, key_source in keys if key_source == source]


def _started_phases(incident: Incident) -> list[IncidentPhase]:
    return [
        phase
        for cycle in incident.cycles.all()
        for phase in cycle.phases.all()
        if phase.started_at is not None
    ]


def _written_line(row: TimelineEntry) -> TimelineLine:
    return TimelineLine(
        event_at=row.event_at,
        entered_at=row.entered_at,
        kind=TimelineKind(row.kind),
        phase=row.phase,
        cycle_number=row.cycle.number,
        author_name=row.author_name,
        reference=str(row.pk),
        body=row.body,
        entry=row,
    )


def _audit_line(row: AuditEntry, phases: list[IncidentPhase]) -> TimelineLine:
    running = [
        phase
        for phase in phases
        if phase.started_at
        and phase.started_at <= row.recorded_at
        and (phase.completed_at is None or row.recorded_at < phase.completed_at)
    ]
    phase = running[-1] if running else None
    is_evidence = row.action.startswith("evidence.")
    return TimelineLine(
        event_at=row.recorded_at,
        entered_at=row.recorded_at,
        kind=TimelineKind.EVIDENCE if is_evidence else TimelineKind.POLICY,
        phase=phase.phase if phase else "",
        cycle_number=phase.cycle.number if phase else 1,
        author_name=row.actor_name,
        reference=f"{row.stream}/{row.sequence}",
        body=_audit_body(row),
        action=row.action,
        after=_after(row),
    )


def _after(row: AuditEntry) -> dict[str, Any]:
    return row.after if isinstance(row.after, dict) else {}


def _audit_body(row: AuditEntry) -> str:
    text = f"**{say_action(row.action)}**: {quote_name(row.object_label)}"
    after = _after(row)
    if case := after.get("case"):
        text += f", ordered in {case}"
    if after.get("approved_by"):
        return f"{text}\n\n{_two_persons(row.reason, after)}"
    return f"{text}\n\n{row.reason}" if row.reason else text


def _two_persons(reason: str, after: dict[str, Any]) -> str:
    """Return what one asked for and another approved, each under their own name."""
    lines = [f"{after.get('requested_by', 'Somebody')} asked: {reason}"]
    lines.append(f"{after['approved_by']} approved it.")
    if exception := after.get("exception"):
        lines.append(f"Exception, stated by {after['approved_by']}: {exception}")
    return "\n\n".join(lines)
