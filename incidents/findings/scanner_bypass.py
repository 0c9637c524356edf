"""INC-4: what did the scanner miss, and what did the code do once it ran?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from incidents.findings.case import Reading, SourceInput
from incidents.findings.finding import (
    Answer,
    Pointer,
    Question,
    conclude,
    counted,
    listed,
)
from incidents.findings.records import LEDGER, Record, call_text, distinct
from policy.rules.capabilities import Capability, find_capability

if TYPE_CHECKING:  # importing it for real would load the parsers with every page
    from policy.scanner.report_entries import Entry

CODE = "INC-4"
FORBIDDEN_USES = Question(
    CODE,
    "forbidden-uses",
    "examine-source",
    "Does the source use what is forbidden?",
)
MISSED = Question(
    CODE,
    "missed-by-line-scanner",
    "check-evasion",
    "Did the source get past the scanner that reads lines?",
)
EXECUTED_NOT_SHOWN = Question(
    CODE,
    "executed-not-shown",
    "review-scan-results",
    "Did it execute what its source does not show?",
)
SHOWN_NOT_EXECUTED = Question(
    CODE,
    "shown-not-executed",
    "review-scan-results",
    "What does its source show that it never executed?",
    is_incident=False,
)
QUESTIONS = (FORBIDDEN_USES, MISSED, EXECUTED_NOT_SHOWN, SHOWN_NOT_EXECUTED)
_NO_SOURCE = "the source of the extension is not at hand"
_ALERTS = "security_alerts"


def answer(reading: Reading) -> Iterator[Answer]:
    """Yield the answers to INC-4's questions."""
    source = reading.case.source
    gaps = list(_source_gaps(source))
    yield _forbidden_uses(source, gaps)
    yield _missed(source, gaps)
    yield from _against_ledger(reading, source)


def _source_gaps(source: SourceInput | None) -> Iterator[str]:
    """Yield why the scan of the source cannot answer in full."""
    if source is None:
        yield _NO_SOURCE
    elif source.report.refused is not None:
        yield f"{source.item} could not be scanned: {source.report.refused}"
    else:
        for file in source.report.files:
            if not file.is_complete:
                yield f"{file.path} of {source.item} was not fully analysed"


def _inputs(source: SourceInput | None) -> dict[str, str]:
    """Return item and SHA-256 of the source; empty without one."""
    return {} if source is None else {source.item: source.sha256}


def _place(source: SourceInput, index: int, entry: Entry) -> Pointer:
    """Point at where an entry of the scan stands in the source."""
    return Pointer(
        source.item,
        "source",
        index,
        more=(("file", entry.file), ("line", entry.line), ("column", entry.column)),
    )


def _forbidden_uses(source: SourceInput | None, gaps: list[str]) -> Answer:
    """Find what the source does that is forbidden."""
    entries = list(enumerate(source.report.entries)) if source else []
    forbidden = [(i, e) for i, e in entries if e.classification == "forbidden"]
    flagged = Counter(e.rule for _, e in entries if e.classification == "flagged")
    only = ", ".join(f"{rule} {count}" for rule, count in flagged.items())
    uses = counted(len(forbidden), "forbidden use")
    return conclude(
        FORBIDDEN_USES,
        found=f"{uses} in the source: {listed(_use_text(e) for _, e in forbidden)}."
        if forbidden
        else "",
        pointers=[_place(source, i, e) for i, e in forbidden] if source else (),
        clear="Nothing forbidden is in the source"
        + (f"; flagged: {only}." if only else "."),
        gaps=gaps,
        inputs=_inputs(source),
    )


def _use_text(entry: Entry) -> str:
    """Describe what is used, where, and why that is forbidden."""
    excerpt = " ".join(entry.excerpt.split())[:80]
    where = f"{entry.file} line {entry.line}"
    return f"{entry.rule} in {where}: {excerpt} ({entry.why.rstrip('.')})"


def _missed(source: SourceInput | None, gaps: list[str]) -> Answer:
    """Find what the runtime's own scanner would have missed."""
    misses = source.report.misses if source else []
    by_place = {
        (e.file, e.line, e.column, e.rule): i
        for i, e in enumerate(source.report.entries if source else ())
    }
    texts = []
    for miss in misses:
        entry = miss.entry
        form = f"{miss.family.replace('-', ' ')}: {miss.what}"
        techniques = [t.replace("-", " ") for t in entry.techniques]
        more = f", by {', '.join(techniques)}" if len(techniques) > 1 else ""
        texts.append(f"{_use_text(entry)}, in the form {form}{more}")
    return conclude(
        MISSED,
        found=f"The line scanner misses {counted(len(misses), 'place')}: "
        f"{listed(texts)}."
        if misses
        else "",
        pointers=[
            _place(
                source,
                by_place.get(
                    (m.entry.file, m.entry.line, m.entry.column, m.entry.rule), 0
                ),
                m.entry,
            )
            for m in misses
        ]
        if source
        else (),
        clear="A scanner that reads line by line finds all that is in the source.",
        gaps=gaps,
        inputs=_inputs(source),
    )


# --- Against what was executed ------------------------------------------------------


def _against_ledger(reading: Reading, source: SourceInput | None) -> Iterator[Answer]:
    """Hold what the source shows against what the extension did."""
    library = reading.library
    gaps = [*_source_gaps(source), *library.gaps(LEDGER)]
    owners = _owners(reading, source)
    if source is not None and owners is None:
        gaps.append(f"which extension {source.item} is the source of")
    executed = [
        entry
        for entry in library.trusted(LEDGER)
        if entry.text("outcome") == "executed" and entry.extension in (owners or ())
    ]
    shown = source.shown.places if source else {}
    can_tell = source is not None and source.report.refused is None
    hidden = [
        (entry, capability)
        for entry in executed
        if can_tell
        and (capability := find_capability(entry.text("capability"))) is not None
        and capability not in shown
    ]
    inputs = library.inputs(*_inputs(source).items())
    yield conclude(
        EXECUTED_NOT_SHOWN,
        found=_hidden_text(hidden) if hidden else "",
        pointers=[entry.pointer for entry, _ in hidden],
        clear=f"{counted(len(executed), 'executed call')} of {_named(owners)} read: "
        "the source shows each of their capabilities.",
        gaps=gaps,
        inputs=inputs,
    )
    yield _shown_not_executed(source, executed, gaps, inputs)


def _hidden_text(hidden: list[tuple[Record, Capability]]) -> str:
    """Describe which capabilities were used that the source does not show."""
    counts = Counter(
        (entry.extension, capability.value)
        for entry, capability in _distinct_pairs(hidden)
    )
    by_capability = listed(
        f"{extension} executed {capability} {counted(count, 'time')}"
        for (extension, capability), count in counts.items()
    )
    calls = listed(call_text(entry) for entry, _ in hidden)
    return f"{by_capability}, which the source does not show: {calls}."


def _distinct_pairs(
    hidden: list[tuple[Record, Capability]],
) -> list[tuple[Record, Capability]]:
    """Return the pairs without repeats of one event."""
    kept = {id(record) for record in distinct(entry for entry, _ in hidden)}
    return [pair for pair in hidden if id(pair[0]) in kept]


def _shown_not_executed(
    source: SourceInput | None,
    executed: list[Record],
    gaps: list[str],
    inputs: dict[str, str],
) -> Answer:
    """Find capabilities that the source shows and no call used."""
    used = {find_capability(entry.text("capability")) for entry in executed}
    unused = [
        f"{capability.value} ({place.file} line {place.line})"
        for capability, place in (source.shown.places if source else {}).items()
        if capability not in used
    ]
    return conclude(
        SHOWN_NOT_EXECUTED,
        clear=f"Shown in the source and never executed: {listed(unused)}."
        if unused
        else "Each capability that the source shows was executed.",
        gaps=gaps,
        inputs=inputs,
    )


def _named(owners: frozenset[str] | None) -> str:
    """Name the extensions that the source may be of."""
    return ", ".join(sorted(owners or ())) or "no extension"


def _owners(reading: Reading, source: SourceInput | None) -> frozenset[str] | None:
    """Return the extensions that a source is of; None where nothing says which.

    Told by the case, by the bundle's filter, by a name that stands in the source or is
    its file's, by an alert of the scanner; or there is one extension only.
    """
    if source is None:
        return None
    if source.extension_ids:
        return source.extension_ids
    present = {e.extension for e in reading.library.trusted(LEDGER) if e.text("method")}
    hints = (
        _filtered(reading),
        {name for name in present if name in source.shown.words},
        {name for name in present if name.lower() in source.item.lower()},
        {
            alert.extension
            for alert in reading.library.trusted(_ALERTS)
            if alert.text("category") == "scanner_bypass"
        },
        present if len(present) == 1 else set(),
    )
    return next(
        (frozenset(names & present) for names in hints if names & present), None
    )


def _filtered(reading: Reading) -> set[str]:
    """Return the extensions that documents were filtered by."""
    filters = [document.members.get("filter") for document in reading.library.documents]
    names = [
        applied.get("extension_id") for applied in filters if isinstance(applied, dict)
    ]
    return {name for name in names if isinstance(name, str)}
