"""What shows a finding to a person: the source around it, and the way of its value."""

from __future__ import annotations

from dataclasses import replace

from tree_sitter import Node

from policy.scanner.detection.findings import SAFE, Detector, excerpt, visible
from policy.scanner.detection.steps import Place, find_steps
from policy.scanner.limits import OverTimeError
from policy.scanner.report_entries import Context, Step

# The way of a value costs a walk: the worst findings have it first.
MAX_TRACED = 200
# In bytes: two or three lines of ordinary source.
MAX_AROUND = 160
MAX_MARKED = 640


def show_findings(detector: Detector) -> None:
    """Add to each finding its source around it; to the worst, how its value came."""
    worst_first = sorted(
        (
            key
            for key, entry in detector.entries.items()
            if entry.classification != SAFE
        ),
        key=lambda key: (-key[2].rank, key[0]),
    )
    for number, key in enumerate(worst_first):
        node = detector.nodes[key]
        detector.entries[key] = replace(
            detector.entries[key],
            context=context_of(detector.syntax.source, node),
            steps=_steps(detector, node) if number < MAX_TRACED else (),
        )


def _steps(detector: Detector, node: Node) -> tuple[Step, ...]:
    """Return the way of a value; none where the file's time is over already."""
    try:
        detector.folder.budget.clock.check()
    except OverTimeError:
        return ()
    places = find_steps(detector.program, node)
    return tuple(_step(detector, place) for place in places)


def _step(detector: Detector, place: Place) -> Step:
    """Return a place as a report has it: line and column from 1, and its text."""
    line, column = detector.position(place.node)
    return Step(line, column, place.how, excerpt(place.node))


def context_of(source: bytes, node: Node) -> Context:
    """Return the source of a node and its surroundings, cut to what a page shows."""
    start, end = node.start_byte, node.end_byte
    marked = _text(source[start : min(end, start + MAX_MARKED)])
    if end - start > MAX_MARKED:
        # What follows would stand right behind a cut, as if it belonged there.
        return Context(_before(source, start), f"{marked}…", "")
    return Context(_before(source, start), marked, _after(source, end))


def _before(source: bytes, start: int) -> str:
    """Return the line before and the line up to a place; of a long one its end."""
    here = source.rfind(b"\n", 0, start) + 1
    above = source.rfind(b"\n", 0, max(0, here - 1)) + 1
    first = max(above, start - MAX_AROUND)
    return ("…" if first > above else "") + _text(source[first:start])


def _after(source: bytes, end: int) -> str:
    """Return the rest of a line and the next one; of a long one its start."""
    here = _line_end(source, end)
    below = _line_end(source, min(len(source), here + 1))
    last = min(below, end + MAX_AROUND)
    return _text(source[end:last]) + ("…" if last < below else "")


def _line_end(source: bytes, start: int) -> int:
    """Return where the line of a place ends, or the source."""
    found = source.find(b"\n", start)
    return len(source) if found < 0 else found


def _text(source: bytes) -> str:
    """Return bytes of the source as text whose every sign can be seen."""
    return visible(source.decode("utf-8", "replace"), keep="\n\t")
