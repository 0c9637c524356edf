"""What verification found: values that callers show, store and act on.

`as_dict()` gives the members that docs/evidence-format.md names, and beside them what
a reader is helped by: messages and the details of each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Diagnosis(StrEnum):
    """What the faults of a ledger together point to."""

    INTACT = "intact"
    CORRUPTION = "corruption"
    TAMPERING = "tampering"


class ErrorCode(StrEnum):
    """What can be wrong with a ledger, in the order in which it is reported."""

    SCHEMA_MISMATCH = "schema_mismatch"
    MALFORMED_ENTRY = "malformed_entry"
    DUPLICATE_ENTRY = "duplicate_entry"
    SEQUENCE_OUT_OF_ORDER = "sequence_out_of_order"
    MISSING_ENTRIES = "missing_entries"
    PREV_HASH_MISMATCH = "prev_hash_mismatch"
    HASH_MISMATCH = "hash_mismatch"
    ENTRY_COUNT_MISMATCH = "entry_count_mismatch"
    HEAD_HASH_MISMATCH = "head_hash_mismatch"
    TAIL_HASH_MISMATCH = "tail_hash_mismatch"


CODE_RANK = {code: rank for rank, code in enumerate(ErrorCode)}
ENTRY_LEVEL_CODES = frozenset(
    {
        ErrorCode.MALFORMED_ENTRY,
        ErrorCode.DUPLICATE_ENTRY,
        ErrorCode.SEQUENCE_OUT_OF_ORDER,
        ErrorCode.MISSING_ENTRIES,
        ErrorCode.PREV_HASH_MISMATCH,
        ErrorCode.HASH_MISMATCH,
    }
)


class Status(StrEnum):
    """The outcome of one of the five steps."""

    PASS = "pass"  # noqa: S105 - the outcome of a step
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"


class LeakKind(StrEnum):
    """How a place gives away what was to be hidden."""

    NOT_REDACTED = "not_redacted"
    RAW_VALUE = "raw_value"
    NAME_SPELLED = "name_spelled"


@dataclass(frozen=True, slots=True)
class VerificationError:
    """One fault of a ledger. `sequence` is the entry's own, None where it has none."""

    index: int
    sequence: int | float | None
    code: ErrorCode
    message: str

    @property
    def order(self) -> tuple[int, int]:
        """Return the sort key: by index, then in the order of the format's table."""
        return self.index, CODE_RANK[self.code]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "index": self.index,
            "sequence": self.sequence,
            "code": self.code.value,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the sequence that the bundle's filter explains."""

    after_sequence: int
    before_sequence: int

    def as_dict(self) -> dict[str, int]:
        """Return the report as plain JSON values."""
        return {
            "after_sequence": self.after_sequence,
            "before_sequence": self.before_sequence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRiskLedgerVerificationReport:
    """What verifying a ledger found; section 2 of docs/evidence-format.md."""

    entry_count: int
    verified_entries: int
    redacted_entries: int
    gaps: tuple[Gap, ...]
    verification_errors: tuple[VerificationError, ...]
    break_index: int | None
    diagnosis: Diagnosis

    @property
    def chain_valid(self) -> bool:
        """Return whether no error was found."""
        return not self.verification_errors

    @property
    def valid(self) -> bool:
        """Return whether no step failed."""
        return self.chain_valid

    @property
    def trusted_prefix(self) -> int:
        """Return how many entries stand before the break; all where there is none."""
        return self.entry_count if self.break_index is None else self.break_index

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "chain_valid": self.chain_valid,
            "entry_count": self.entry_count,
            "verified_entries": self.verified_entries,
            "redacted_entries": self.redacted_entries,
            "gaps": [gap.as_dict() for gap in self.gaps],
            "verification_errors": [
                error.as_dict() for error in self.verification_errors
            ],
            "break_index": self.break_index,
            "trusted_prefix": self.trusted_prefix,
            "diagnosis": self.diagnosis.value,
        }


@dataclass(frozen=True, slots=True)
class Leak:
    """A value that redaction should have hidden, by the place where it still stands."""

    path: str
    kind: LeakKind

    def as_dict(self) -> dict[str, str]:
        """Return the report as plain JSON values."""
        return {"path": self.path, "kind": self.kind.value}


@dataclass(frozen=True, slots=True)
class StepResult:
    """The outcome of one of the five steps. `details` holds JSON values only."""

    status: Status
    message: str
    details: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"status": self.status.value, "message": self.message, **self.details}


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvidenceBundleReport:
    """What verifying a bundle found; section 3 of docs/evidence-format.md."""

    bundle_hash: str
    recomputed_hash: str
    steps: dict[str, StepResult]
    ledger: RuntimeRiskLedgerVerificationReport
    leaks: tuple[Leak, ...]

    @property
    def valid(self) -> bool:
        """Return whether no step failed."""
        return all(step.status is not Status.FAIL for step in self.steps.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "valid": self.valid,
            "bundle_hash": self.bundle_hash,
            "recomputed_hash": self.recomputed_hash,
            "steps": {name: step.status.value for name, step in self.steps.items()},
            "details": {name: step.as_dict() for name, step in self.steps.items()},
            "ledger": self.ledger.as_dict(),
            "leaks": [leak.as_dict() for leak in self.leaks],
        }
