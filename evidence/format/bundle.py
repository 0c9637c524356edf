"""Verifying an incident evidence bundle: section 3 of docs/evidence-format.md.

All five steps always run. What the document says of itself is never taken at its
word: it is compared with what its records give.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from .canonical import canonical_plain, canonical_record, utf16_units
from .errors import DocumentRefused
from .filters import filter_names_extension
from .json_numbers import integer_of
from .leaks import HiddenMembers, find_spelled_out
from .ledger import require_entries
from .ledger_judge import LedgerJudge
from .names import BUNDLE_SCHEMA, RECORD_SECTIONS
from .pieces import ARRAYS, Piece, pieces_of
from .reading import json_type
from .redaction import flags_set
from .replay import ReplayComparison
from .reports import (
    IncidentEvidenceBundleReport,
    Leak,
    RuntimeRiskLedgerVerificationReport,
    Status,
    StepResult,
)
from .summary import Figures, compare_figures, sections_of

Progress = Callable[[float], None]


def verify_incident_evidence_bundle(
    document: dict[str, Any],
    *,
    source: dict[str, Any] | None = None,
    plain: bool = False,
    progress: Progress | None = None,
) -> IncidentEvidenceBundleReport:
    """Verify a bundle as read by `read_document`; refuse what is no bundle at all.

    `source` is the unredacted bundle it was built from. `plain` is the reader's word
    on the document's numbers. `progress` is called with the fraction of records done.
    """
    require_bundle(document)
    if source is not None:
        require_bundle(source)
    checks = _Checks(document, progress or (lambda fraction: None))
    recomputed = bundle_hash(document, plain=plain, hear=checks.hear)
    flags = flags_set(document["redaction"])
    leaks = (*checks.hidden.leaks(), *find_spelled_out(document, flags, source))
    report = checks.ledger_report()
    return IncidentEvidenceBundleReport(
        bundle_hash=document["bundle_hash"],
        recomputed_hash=recomputed,
        steps={
            "bundle_hash": _check_hash(document["bundle_hash"], recomputed),
            "ledger_chain": _check_chain(report),
            "summary_counts": _check_figures(document, checks, report),
            "schema": _check_schema(document["schema"]),
            "redaction": _check_redaction(flags, leaks, source is not None),
        },
        ledger=report,
        leaks=leaks,
    )


def require_bundle(document: dict[str, Any]) -> None:
    """Refuse a document that lacks a member of the bundle's table, or its type."""
    _require(document, "schema", {str}, "a string")
    _require(document, "generated_at_ms", {int, float}, "an integer")
    if integer_of(document["generated_at_ms"]) is None:
        raise DocumentRefused("wrong_type", "expected an integer", "$.generated_at_ms")
    for name in ("filter", "redaction", "risk_ledger"):
        _require(document, name, {dict}, "an object")
    for name in RECORD_SECTIONS:
        _require(document, name, set(ARRAYS), "an array")
    _require(document, "risk_replay", {dict, type(None)}, "an object or null")
    _require(document, "summary", {dict}, "an object")
    _require(document, "bundle_hash", {str}, "a string")
    require_entries(document["risk_ledger"], "$.risk_ledger")


# --- One walk through the records ------------------------------------------------

_ENTRIES = ("risk_ledger", "entries")
_STEPS = ("risk_replay", "steps")
# Objects whose members are written one by one, since their arrays may be long.
_OPENED = ((), _ENTRIES[:1], _STEPS[:1])

Hear = Callable[[tuple[str, ...], Piece], None]


class _Checks:
    """Everything that is asked of the records, answered in one walk through them."""

    def __init__(self, document: dict[str, Any], progress: Progress) -> None:
        self._document = document
        self._sections: dict[tuple[str, ...], str] = {
            (name,): name for name in RECORD_SECTIONS
        }
        self._sections[_ENTRIES] = "risk_ledger"
        self._progress = progress
        self._to_hear = sum(map(len, sections_of(document).values()))
        self._heard = 0
        filtered = filter_names_extension(document["filter"])
        self._judge = LedgerJudge(filtered_by_extension=filtered)
        self._report: RuntimeRiskLedgerVerificationReport | None = None
        self.figures = Figures()
        self.replay = ReplayComparison(document["risk_ledger"]["entries"])
        self.hidden = HiddenMembers(flags_set(document["redaction"]))

    def hear(self, place: tuple[str, ...], piece: Piece) -> None:
        """Look at some records. `place`: the names that lead to their array."""
        section = self._sections.get(place)
        if section is not None:
            self._heard += len(piece.records)
            self._progress(self._heard / self._to_hear)
            self.figures.hear(section, piece.records)
            self.hidden.hear(section, piece.records, piece.start)
        if place == _ENTRIES:
            self._judge.hear(piece)
            self.replay.hear_entries(piece)
        elif place == _STEPS:
            # In canonical order the replay comes after the ledger.
            self.replay.hear_steps(piece, self.ledger_report().trusted_prefix)

    def ledger_report(self) -> RuntimeRiskLedgerVerificationReport:
        """Return the report on the ledger, all of whose entries were heard."""
        if self._report is None:
            self._report = self._judge.conclude(self._document["risk_ledger"])
        return self._report


def bundle_hash(
    document: dict[str, Any], *, plain: bool = False, hear: Hear | None = None
) -> str:
    """Return H(bundle without bundle_hash).

    `hear` is called with the pieces of arrays on the way, the ledger's before the
    replay's. `plain` is the reader's word on the document's numbers.
    """
    unsealed = {name: document[name] for name in document.keys() - {"bundle_hash"}}
    digest = hashlib.sha256()
    for part in _parts_of(unsealed, (), plain, hear or (lambda place, piece: None)):
        digest.update(part)
    return digest.hexdigest()


def _parts_of(
    value: Any, place: tuple[str, ...], plain: bool, hear: Hear
) -> Iterator[bytes]:
    """Yield the canonical form of what stands at a place, part by part."""
    mark = b""
    if type(value) is dict and place in _OPENED:
        yield b"{"
        for name in sorted(value, key=utf16_units):
            yield mark + canonical_record(name) + b":"
            yield from _parts_of(value[name], (*place, name), plain, hear)
            mark = b","
        yield b"}"
    elif type(value) in ARRAYS:
        yield b"["
        for piece in pieces_of(value, plain=plain):
            hear(place, piece)
            yield mark
            yield piece.canonical
            mark = b","
        yield b"]"
    else:
        yield canonical_plain(value, plain=plain)


def _require(
    document: dict[str, Any], name: str, kinds: set[type], expected: str
) -> None:
    """Raise DocumentRefused where a member is missing or of another type."""
    if name not in document:
        raise DocumentRefused(
            "missing_member", f"expected {expected}, got no such member", f"$.{name}"
        )
    value = document[name]
    if type(value) not in kinds:
        raise DocumentRefused(
            "wrong_type", f"expected {expected}, got {json_type(value)}", f"$.{name}"
        )


# --- The five steps --------------------------------------------------------------


def _status(passed: bool) -> Status:
    """Return the status of a step that was carried out."""
    return Status.PASS if passed else Status.FAIL


def _check_hash(stored: str, recomputed: str) -> StepResult:
    """Step 1: compare the stored hash with the recomputed one."""
    same = stored == recomputed
    message = "the bundle's hash is that of its content"
    if not same:
        message = "the bundle was changed after it was sealed: its hash does not match"
    details = {"stored": stored, "recomputed": recomputed}
    return StepResult(_status(same), message, details)


def _check_chain(report: RuntimeRiskLedgerVerificationReport) -> StepResult:
    """Step 2: pass where the ledger's report has no error."""
    faults = len(report.verification_errors)
    message = f"the chain of {report.entry_count} entries holds"
    if faults:
        message = f"{report.diagnosis.value}: faults in the ledger: {faults}"
    details = {
        "diagnosis": report.diagnosis.value,
        "error_count": faults,
        "gap_count": len(report.gaps),
        "verified_entries": report.verified_entries,
        "redacted_entries": report.redacted_entries,
        "trusted_prefix": report.trusted_prefix,
    }
    return StepResult(_status(report.chain_valid), message, details)


def _check_figures(
    document: dict[str, Any],
    checks: _Checks,
    report: RuntimeRiskLedgerVerificationReport,
) -> StepResult:
    """Step 3: compare the summary and the replay with those the records give."""
    replay = document["risk_replay"]
    recomputed = checks.figures.conclude(replay, report)
    figures = compare_figures(document["summary"], recomputed)
    wrong = [figure["name"] for figure in figures if not figure["ok"]]
    differing = [] if replay is None else checks.replay.conclude(replay, report)
    message = "every figure and the replay are those the records give"
    if wrong or differing:
        paths = [*wrong, *(f"risk_replay.{path}" for path in differing)]
        message = f"not what the records give: {', '.join(paths)}"
    details = {
        "figures": figures,
        "replay": {"present": replay is not None, "differs_at": differing},
    }
    return StepResult(_status(not wrong and not differing), message, details)


def _check_schema(schema: str) -> StepResult:
    """Step 4: compare the schema with the expected name."""
    same = schema == BUNDLE_SCHEMA
    message = "the schema is the expected one" if same else "the schema is another one"
    return StepResult(
        _status(same), message, {"stored": schema, "expected": BUNDLE_SCHEMA}
    )


def _check_redaction(
    flags: tuple[str, ...], leaks: tuple[Leak, ...], source_checked: bool
) -> StepResult:
    """Step 5: fail for any leak; not applicable where no flag is set.

    `source_checked` says whether strings were searched for the source's values.
    """
    details = {
        "flags": list(flags),
        "source_checked": source_checked,
        "leak_count": len(leaks),
    }
    if not flags:
        return StepResult(Status.NOT_APPLICABLE, "nothing is redacted", details)
    message = "every flagged member holds the placeholder, "
    message += (
        "and no replaced value of the source is left in any text"
        if source_checked
        else "text was not searched, as the source is not at hand"
    )
    if leaks:
        message = f"places that still give away what was to be hidden: {len(leaks)}"
    return StepResult(_status(not leaks), message, details)
