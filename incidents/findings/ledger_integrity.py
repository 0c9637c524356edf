"""INC-3: where does the ledger break, by what, and how much of it holds?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from evidence.format.json_numbers import integer_of
from incidents.findings.agreement import find_contradictions
from incidents.findings.case import Reading
from incidents.findings.finding import (
    Answer,
    Pointer,
    Question,
    conclude,
    counted,
    listed,
)
from incidents.findings.records import LEDGER, Document, Record

CODE = "INC-3"
CHAIN_BREAK = Question(
    CODE, "chain-break", "identify-break-point", "Does the ledger's chain break?"
)
DIAGNOSIS = Question(
    CODE,
    "diagnosis",
    "corruption-or-tampering",
    "Was the ledger corrupted, or tampered with?",
)
AFTER_BREAK = Question(
    CODE,
    "decisions-after-break",
    "replay-to-break",
    "Which decisions can no longer be trusted?",
)
AGREEMENT = Question(
    CODE,
    "agreement",
    "run-ledger-verification",
    "Do the ledgers of this runtime contradict each other?",
)
QUESTIONS = (CHAIN_BREAK, DIAGNOSIS, AFTER_BREAK, AGREEMENT)
_MEANINGS = {
    "corruption": "one record went bad where it lay, and the links on both sides of it "
    "hold. Look for out-of-memory (OOM) events and serialization bugs",
    "tampering": "more than one record gone bad can explain. This is Critical: a full "
    "security audit is required",
}


def answer(reading: Reading) -> Iterator[Answer]:
    """Yield the answers to INC-3's questions."""
    documents = [
        document
        for document in reading.library.documents
        if document.entries is not None
    ]
    broken = [document for document in documents if document.has_broken_ledger]
    yield _chain_break(reading, documents, broken)
    yield _diagnosis(reading, broken)
    yield _after_break(reading, broken)
    if len(documents) > 1:
        yield _agreement(reading, documents)


def _gaps(reading: Reading) -> list[str]:
    """Return why the chain of a ledger cannot be proven."""
    gaps = [
        f"{document.item} has no ledger that can be read"
        for document in reading.library.documents
        if document.entries is None
    ]
    for document in reading.library.documents:
        redacted = (
            integer_of((document.ledger_report or {}).get("redacted_entries")) or 0
        )
        if redacted and not document.has_broken_ledger:
            entries = counted(redacted, "entry", "entries")
            gaps.append(
                f"the links of {document.item} hold, and the own hash of {entries} "
                "cannot be recomputed: params_hash is redacted"
            )
        if LEDGER in document.short_sections:
            gaps += [gap for gap in document.gaps(LEDGER) if "number of records" in gap]
    return gaps if reading.library.documents else ["no ledger is at hand"]


def _errors(document: Document) -> list[Mapping[str, Any]]:
    """Return the errors that the ledger's verification reported."""
    report = document.ledger_report or {}
    return [e for e in report.get("verification_errors") or () if isinstance(e, dict)]


def _chain_break(
    reading: Reading, documents: list[Document], broken: list[Document]
) -> Answer:
    """Find where the chain of a ledger no longer holds."""
    total = sum(len(document.entries or ()) for document in documents)
    return conclude(
        CHAIN_BREAK,
        found=f"{listed(_break_text(document) for document in broken)}."
        if broken
        else "",
        pointers=[p for document in broken for p in _error_pointers(document)],
        clear=f"The chain holds: {counted(total, 'entry', 'entries')}, no error.",
        gaps=_gaps(reading),
        inputs=reading.library.inputs(),
    )


def _break_text(document: Document) -> str:
    """Describe where a chain breaks, by which errors, and how much is trusted."""
    report, errors = document.ledger_report or {}, _errors(document)
    index = integer_of(report.get("break_index"))
    there = [str(e.get("code")) for e in errors if e.get("index") == index]
    sequence = next(
        (e.get("sequence") for e in errors if e.get("index") == index), None
    )
    place = f"index {index}" if sequence is None else f"sequence {sequence}"
    counts = Counter(str(error.get("code")) for error in errors)
    codes = ", ".join(f"{code} {n}" for code, n in counts.items())
    trusted = counted(document.trusted_prefix, "entry", "entries")
    return (
        f"The chain of {document.item} breaks at {place} "
        f"({', '.join(there) or codes}); {trusted} before it can be trusted; "
        f"{counted(len(errors), 'error')}: {codes}; diagnosis {report.get('diagnosis')}"
    )


def _error_pointers(document: Document) -> Iterator[Pointer]:
    """Yield the entry of each error; the ledger itself where an error names none."""
    entries = document.entries or ()
    for error in _errors(document):
        index = integer_of(error.get("index"))
        if index is None or index >= len(entries):
            yield Pointer(document.item, LEDGER)
        else:
            yield entries[index].pointer


def _diagnosis(reading: Reading, broken: list[Document]) -> Answer:
    """Describe what kind of damage each broken ledger shows."""
    texts = []
    for document in broken:
        word = str((document.ledger_report or {}).get("diagnosis"))
        texts.append(f"{document.item} shows {word}: {_MEANINGS.get(word, 'unknown')}")
    return conclude(
        DIAGNOSIS,
        found=f"{listed(texts)}." if texts else "",
        pointers=[p for document in broken for p in _error_pointers(document)],
        clear="The ledger is intact.",
        gaps=_gaps(reading),
        inputs=reading.library.inputs(),
    )


def _after_break(reading: Reading, broken: list[Document]) -> Answer:
    """Find the decisions that stand behind a break, which nobody can rely on."""
    untrusted = [
        e for document in broken for e in document.entries or () if not e.is_trusted
    ]
    by_document = {document.item: _after_text(document) for document in broken}
    return conclude(
        AFTER_BREAK,
        found=f"{listed(text for text in by_document.values() if text)}."
        if untrusted
        else "",
        pointers=[entry.pointer for entry in untrusted],
        clear="Every decision stands in a chain that holds.",
        gaps=_gaps(reading),
        inputs=reading.library.inputs(),
    )


def _after_text(document: Document) -> str:
    """Describe how many decisions stand behind the break, by outcome; "" for none."""
    after: list[Record] = [e for e in document.entries or () if not e.is_trusted]
    if not after:
        return ""
    outcomes = Counter(e.text("outcome") or "unreadable" for e in after)
    by_outcome = ", ".join(f"{n} {name}" for name, n in outcomes.most_common())
    first = after[0]
    place = (
        f"index {first.index}"
        if first.sequence is None
        else f"sequence {first.sequence}"
    )
    return (
        f"{counted(len(after), 'decision')} of {document.item} from {place} on must be "
        f"evaluated again: {by_outcome}"
    )


def _agreement(reading: Reading, documents: list[Document]) -> Answer:
    """Find what several ledgers of one runtime say differently."""
    result = find_contradictions(documents)
    return conclude(
        AGREEMENT,
        found=f"{listed(result.contradictions)}." if result.contradictions else "",
        pointers=result.pointers,
        clear=f"{len(documents)} ledgers agree: {listed(result.agreements)}.",
        gaps=result.gaps,
        inputs=reading.library.inputs(),
    )
