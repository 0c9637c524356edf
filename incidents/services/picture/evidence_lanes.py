"""Lanes of what the evidence records: calls, risk, commands, secrets, alerts, quotas.

Of each bundle and ledger its current report is drawn from, as the verification left
it: no document is read again, however long it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import BigIntegerField, ExpressionWrapper, F, Max, Value

from evidence.models import (
    VERIFIABLE_KINDS,
    EvidenceItem,
    Outcome,
    ReplayStep,
    Tombstone,
    TombstoneKind,
    VerificationReport,
)
from incidents.models import Incident
from incidents.picture.model import (
    BINS,
    Lane,
    Mark,
    Shade,
    Target,
    Window,
    find_gaps,
)
from incidents.services.gates.gathering import find_current_reports
from incidents.services.picture.binning import (
    AFTER,
    BEFORE,
    OTHER,
    Bin,
    bin_rows,
    epoch_ms,
    marks_of,
    one_of,
    outside,
)
from policy.models import QuotaBreach

OUTCOMES = ("executed", "blocked", "failed")
ACTIONS = ("harden", "deny", "terminate")
ITEMS_MAX = 50
"""More bundles than a picture can tell apart; the newest are drawn."""
_STEP_BITS = 2**32
"""A report's number and a step's place make one key: the least is the first record."""
NO_RECORD = "No record: what happened here is not known"
LEDGER_LANES = ("executed", "blocked", "risk", "actions")
SECTIONS = {
    "evidence-alerts": ("security_alerts", "Alerts in the evidence", "alert"),
    "mediation": ("exec_mediation", "Commands mediated", "mediation"),
    "secrets": ("secret_broker", "Secrets asked for", "secret"),
}
"""By lane: the section of a bundle, its title, and the kind of its states."""
SECTION_LANES = (*SECTIONS, "quotas")
EVIDENCE_LANES = (*LEDGER_LANES, *SECTION_LANES)


@dataclass(frozen=True)
class Source:
    """An evidence item with its current report, and what stretch it tells of."""

    item: EvidenceItem
    report: VerificationReport

    @property
    def plot(self) -> Mapping[str, Any]:
        return self.report.overview.get("plot") or {}

    @property
    def ledger_span(self) -> tuple[int, int] | None:
        """The first and the last entry's moment; None where there is none."""
        if not self.plot:
            return None
        return self.plot["first_ts_ms"], self.plot["last_ts_ms"]

    def section(self, name: str) -> Mapping[str, Any] | None:
        """Return what the verification kept of a section; None: it kept nothing."""
        found: Mapping[str, Any] | None = (
            self.report.overview.get("records") or {}
        ).get(name)
        return found

    def span(self) -> tuple[int, int] | None:
        """Return the stretch that all of its records lie in; None without any."""
        spans = [self.ledger_span] + [
            _span_of(self.section(name)) for name, *_ in SECTIONS.values()
        ]
        known = [span for span in spans if span is not None]
        if not known:
            return None
        return min(start for start, _ in known), max(end for _, end in known)


def read_sources(incident: Incident) -> tuple[list[Source], list[str]]:
    """Return what can be drawn from, and notes on what cannot; three queries."""
    rows = incident.evidence_items.arrived().filter(kind__in=VERIFIABLE_KINDS)
    items = list(rows.order_by("-pk")[: ITEMS_MAX + 1])
    notes = []
    if len(items) > ITEMS_MAX:
        items = items[:ITEMS_MAX]
        notes.append(f"Only the newest {ITEMS_MAX} bundles and ledgers are drawn.")
    reports = find_current_reports(items)
    sources = []
    for item in items:
        report = reports.get(item.pk)
        if report is None or not report.overview:
            notes.append(
                f"{item.original_name} has no verification report that can be drawn "
                "from: what it records is not shown."
            )
            continue
        sources.append(Source(item, report))
    notes += _say_pruned(sources)
    notes += [said for source in sources if (said := _say_filter(source))]
    return sources, notes


def _say_pruned(sources: Sequence[Source]) -> list[str]:
    """Return a note for each replay that was pruned: its calls cannot be drawn."""
    stones = Tombstone.objects.filter(
        kind=TombstoneKind.REPLAY, row_key__in=[source.report.pk for source in sources]
    )
    pruned = {stone.row_key: stone for stone in stones}
    return [
        f"The replay of {source.item.original_name} was pruned, and is in archive "
        f"{stone.archive_id}: its calls are not drawn."
        for source in sources
        if (stone := pruned.get(source.report.pk))
    ]


def ledger_lanes(sources: Sequence[Source], window: Window) -> Iterator[Lane]:
    """Yield calls by outcome, the highest risk score, and what was done about it."""
    items = {source.report.pk: source.item.pk for source in sources}
    spans = [source.ledger_span for source in sources]
    gaps = tuple(find_gaps(window, [span for span in spans if span], NO_RECORD))
    steps = ReplayStep.objects.filter(report__in=items, ts_ms__isnull=False)
    key = ExpressionWrapper(
        F("report_id") * _STEP_BITS + F("index"), output_field=BigIntegerField()
    )
    moment = F("ts_ms")
    calls = bin_rows(
        steps, window, moment=moment, word=one_of("outcome", OUTCOMES), key=key
    )
    actions = bin_rows(
        steps.filter(selected_action__in=ACTIONS),
        window,
        moment=moment,
        word=one_of("selected_action", ACTIONS),
        key=key,
    )

    def target(found: Bin) -> Target:
        report, index = divmod(found.first_pk, _STEP_BITS)
        return Target("step", items[report], index)

    def say(found: Bin) -> dict[str, Any]:
        word = "of another outcome" if found.word == OTHER else found.word
        words = _counted(found.count, "call") + f" {word}"
        return {"words": words, "target": target(found)}

    def say_action(found: Bin) -> dict[str, Any]:
        words = f"{found.word}: " + _counted(found.count, "decision")
        return {"words": words, "target": target(found)}

    executed = [found for found in calls if found.word == "executed"]
    rest = [found for found in calls if found.word != "executed"]
    for lane, title, some in (
        ("executed", "Hostcalls executed", executed),
        ("blocked", "Hostcalls not executed", rest),
    ):
        yield Lane(lane, title, marks_of(some, "call", say), gaps=gaps, **outside(some))
    yield Lane("risk", "Risk score", gaps=gaps, line=_risk_line(steps, window))
    yield Lane(
        "actions",
        "Actions of the runtime",
        marks_of(actions, "act", say_action),
        gaps=gaps,
        **outside(actions),
    )


def _risk_line(steps: Any, window: Window) -> tuple[tuple[int, float], ...]:
    """Return the highest score of each stretch, at its middle."""
    width = max(1, window.length_ms // BINS + 1)
    rows = (
        steps.filter(
            ts_ms__gte=window.from_ms,
            ts_ms__lte=window.to_ms,
            risk_score__isnull=False,
        )
        .order_by()
        .annotate(stretch=(F("ts_ms") - window.from_ms) / width)
        .values("stretch")
        .annotate(peak=Max("risk_score"))
        .order_by("stretch")
    )
    return tuple(
        (
            min(window.to_ms, window.from_ms + row["stretch"] * width + width // 2),
            min(1.0, max(0.0, row["peak"])),
        )
        for row in rows
    )


def section_lanes(sources: Sequence[Source], window: Window) -> Iterator[Lane]:
    """Yield a lane for each section whose times the verification kept."""
    for key, (section, title, kind) in SECTIONS.items():
        kept = [(source, source.section(section)) for source in sources]
        found = [
            bin
            for source, times in kept
            if times is not None
            for bin in _section_bins(source, times, window)
        ]
        # A bundle tells of a section for as long as it tells of anything: no record in
        # it then is known to be none.
        known = [
            span
            for source, times in kept
            if times is not None and (span := source.span()) is not None
        ]
        merged = _merge(found)
        yield Lane(
            key,
            title,
            tuple(
                _section_mark(bin, item, section, kind)
                for bin, item in merged
                if bin.is_inside
            ),
            gaps=tuple(find_gaps(window, known, NO_RECORD)),
            note=" ".join(
                _not_kept(source)
                for source, times in kept
                if times is None and source.report.document_kind == "bundle"
            ),
            **outside(bin for bin, _ in merged),
        )


def _section_bins(
    source: Source, times: Mapping[str, Any], window: Window
) -> Iterator[tuple[Bin, int]]:
    """Yield what was kept of a section's records, each in its stretch of the window."""
    for word, first, last, index, count in times["marks"]:
        stretch = BEFORE if last < window.from_ms else AFTER
        if last >= window.from_ms and first <= window.to_ms:
            inside = max(first, window.from_ms) - window.from_ms
            stretch = 1 + inside * BINS // (window.length_ms + 1)
        first = max(first, window.from_ms) if 0 < stretch < AFTER else first
        yield Bin(stretch, word, count, first, last, index), source.item.pk


def _merge(found: Iterable[tuple[Bin, int]]) -> list[tuple[Bin, int]]:
    """Return one bin for each stretch and word, with the item of its first record."""
    merged: dict[tuple[int, str], tuple[Bin, int]] = {}
    for bin, item in found:
        place = (bin.bin, bin.word)
        if place not in merged:
            merged[place] = (bin, item)
            continue
        other, first_item = merged[place]
        least, its_item = min(
            (other, first_item), (bin, item), key=lambda pair: pair[0].first_ms
        )
        merged[place] = (
            replace(
                least,
                count=other.count + bin.count,
                last_ms=max(other.last_ms, bin.last_ms),
            ),
            its_item,
        )
    return [merged[place] for place in sorted(merged)]


def _section_mark(bin: Bin, item: int, section: str, kind: str) -> Mark:
    name = section.replace("_", " ")
    return Mark(
        at_ms=bin.first_ms,
        last_ms=bin.last_ms,
        state=bin.word,
        kind=kind,
        words=f"{bin.word}: {_counted(bin.count, 'record')} of {name}",
        count=bin.count,
        target=Target("evidence", item, bin.first_pk),
    )


def quota_lane(incident: Incident, sources: Sequence[Source], window: Window) -> Lane:
    """Return the breaches of quotas that the case's evidence records; one query."""
    items = [source.item.pk for source in sources]
    rows = QuotaBreach.objects.filter(item__in=items)
    bins = bin_rows(
        rows, window, moment=epoch_ms("breached_at"), word=Value("breached")
    )
    spans = [span for source in sources if (span := source.span()) is not None]

    def say(found: Bin) -> dict[str, Any]:
        return {
            "words": _counted(found.count, "breach", "breaches"),
            "target": Target("quota breach", found.first_pk),
        }

    return Lane(
        "quotas",
        "Quota breaches",
        marks_of(bins, "quota", say),
        gaps=tuple(find_gaps(window, spans, NO_RECORD)),
        **outside(bins),
    )


def untrusted(sources: Sequence[Source]) -> Iterator[Shade]:
    """Yield what cannot be trusted: all after a break, and what no hash stands for.

    Sections have no chain: the bundle's hash stands for them, and no further than its
    ledger holds.
    """
    for source in sources:
        if source.report.outcome != Outcome.FAILED:
            continue
        name, begins = source.item.original_name, source.plot.get("break_ts_ms")
        span = source.span()
        if begins is not None and span is not None:
            words = f"Untrusted: {name} breaks at entry {source.report.break_index}"
            yield Shade(begins, max(begins, span[1]), words, EVIDENCE_LANES)
        if span is None or (begins is not None and not _has_wrong_hash(source)):
            continue
        lanes = EVIDENCE_LANES if begins is None else SECTION_LANES
        yield Shade(*span, f"Untrusted: {name} failed its verification", lanes)


def _has_wrong_hash(source: Source) -> bool:
    return bool(source.report.steps.get("bundle_hash") == "fail")


def _say_filter(source: Source) -> str:
    """Return what a bundle left out by its own filter; "" where it left out nothing."""
    kept = source.report.overview.get("filter")
    limits = (
        [f"{name} {limit}" for name, limit in sorted(kept.items()) if limit]
        if isinstance(kept, dict)
        else []
    )
    if not limits:
        return ""
    return (
        f"{source.item.original_name} holds only what its filter let through "
        f"({', '.join(limits)[:200]}): what that left out is not known."
    )


def _span_of(times: Mapping[str, Any] | None) -> tuple[int, int] | None:
    if not times or times.get("first_ts_ms") is None:
        return None
    return times["first_ts_ms"], times["last_ts_ms"]


def _not_kept(source: Source) -> str:
    return (
        f"{source.item.original_name} was verified before these times were kept: "
        "verify it again to see them."
    )


def _counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
