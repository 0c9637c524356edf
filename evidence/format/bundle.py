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
from .leaks import find_leaks
from .ledger import (
    require_entries,
    serialize_entries,
    verify_runtime_risk_ledger_artifact,
)
from .names import BUNDLE_SCHEMA, RECORD_SECTIONS
from .reading import json_type
from .redaction import flags_set
from .replay import differing_members
from .reports import (
    IncidentEvidenceBundleReport,
    Leak,
    RuntimeRiskLedgerVerificationReport,
    Status,
    StepResult,
)
from .summary import compare_figures, sections_of, summarise

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
    on the document's numbers. `progress` is called with the fraction done.
    """
    advance = progress or (lambda fraction: None)
    require_bundle(document)
    if source is not None:
        require_bundle(source)
    ledger = document["risk_ledger"]
    serialized = serialize_entries(ledger["entries"], plain=plain)
    advance(0.4)
    recomputed = bundle_hash(document, serialized, plain=plain)
    advance(0.6)
    report = verify_runtime_risk_ledger_artifact(
        ledger,
        filtered_by_extension=filter_names_extension(document["filter"]),
        serialized=serialized,
    )
    advance(0.8)
    figures = _check_figures(document, report)
    advance(0.9)
    flags = flags_set(document["redaction"])
    leaks = tuple(find_leaks(document, flags, source)) if flags else ()
    advance(1.0)
    return IncidentEvidenceBundleReport(
        bundle_hash=document["bundle_hash"],
        recomputed_hash=recomputed,
        steps={
            "bundle_hash": _check_hash(document["bundle_hash"], recomputed),
            "ledger_chain": _check_chain(report),
            "summary_counts": figures,
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
        _require(document, name, {list}, "an array")
    _require(document, "risk_replay", {dict, type(None)}, "an object or null")
    _require(document, "summary", {dict}, "an object")
    _require(document, "bundle_hash", {str}, "a string")
    require_entries(document["risk_ledger"], "$.risk_ledger")


def bundle_hash(
    document: dict[str, Any], serialized: list[bytes], *, plain: bool
) -> str:
    """Return H(bundle without bundle_hash), from entries serialised already."""
    digest = hashlib.sha256()
    for piece in _canonical_pieces(document, serialized, plain):
        digest.update(piece)
    return digest.hexdigest()


def _canonical_pieces(
    document: dict[str, Any], serialized: list[bytes], plain: bool
) -> Iterator[bytes]:
    """Yield the canonical form of the bundle without its hash, member by member."""
    opening = b"{"
    for name in sorted(document.keys() - {"bundle_hash"}, key=utf16_units):
        yield opening + canonical_record(name) + b":"
        opening = b","
        if name == "risk_ledger":
            yield from _ledger_pieces(document[name], serialized, plain)
        else:
            yield canonical_plain(document[name], plain=plain)
    yield b"}"


def _ledger_pieces(
    ledger: dict[str, Any], serialized: list[bytes], plain: bool
) -> Iterator[bytes]:
    """Yield the canonical form of the ledger around entries serialised already."""
    opening = b"{"
    for name in sorted(ledger, key=utf16_units):
        yield opening + canonical_record(name) + b":"
        opening = b","
        if name == "entries":
            yield b"[" + b",".join(serialized) + b"]"
        else:
            yield canonical_plain(ledger[name], plain=plain)
    yield b"}"


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
    document: dict[str, Any], report: RuntimeRiskLedgerVerificationReport
) -> StepResult:
    """Compare the summary and the replay with those the records give."""
    replay = document["risk_replay"]
    entries = document["risk_ledger"]["entries"]
    recomputed = summarise(sections_of(document), replay, report)
    figures = compare_figures(document["summary"], recomputed)
    wrong = [figure["name"] for figure in figures if not figure["ok"]]
    differing = [] if replay is None else differing_members(replay, entries, report)
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
