"""What a record shows that the rules do not agree with, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.rules.runtime_history import RuntimeRecord, RuntimeState


class TrustFindingCode(StrEnum):
    """What a record shows; all but the last three are moves the rules refuse."""

    QUARANTINE_ESCAPE = "quarantine_escape"
    MOVE_DOES_NOT_EXIST = "move_does_not_exist"
    PROMOTION_UNDER_KILL_SWITCH = "promotion_under_kill_switch"
    PROMOTION_WITHOUT_AUDIT_METADATA = "promotion_without_audit_metadata"
    MOVE_WITHOUT_AUDIT_METADATA = "move_without_audit_metadata"
    ACTIVATION_WITHOUT_AUDIT_METADATA = "activation_without_audit_metadata"
    LIFT_WITHOUT_AUDIT_METADATA = "lift_without_audit_metadata"
    LIFT_WITHOUT_ACTIVATION = "lift_without_activation"
    LIFT_TOO_EARLY = "lift_too_early"
    FROM_STATE_MISMATCH = "from_state_mismatch"
    TIME_GOES_BACK = "time_goes_back"
    LOOKALIKE_NAME = "lookalike_name"


@dataclass(frozen=True)
class TrustFinding:
    """One thing that the rules do not agree with. `extension` None: all."""

    code: TrustFindingCode
    line: int
    at: datetime
    extension: str | None
    from_state: RuntimeState | None
    to_state: RuntimeState | None
    operator: str
    message: str

    @property
    def is_refused(self) -> bool:
        """Return whether the rules would have refused what the line records."""
        return self.code not in (
            TrustFindingCode.FROM_STATE_MISMATCH,
            TrustFindingCode.TIME_GOES_BACK,
            TrustFindingCode.LOOKALIKE_NAME,
        )


def make_finding(
    record: RuntimeRecord, code: TrustFindingCode, message: str
) -> TrustFinding:
    """Return a finding about a record."""
    return TrustFinding(
        code=code,
        line=record.line,
        at=record.at,
        extension=record.extension,
        from_state=record.from_state,
        to_state=record.to_state,
        operator=record.operator,
        message=message,
    )


def check_metadata(
    record: RuntimeRecord,
    code: TrustFindingCode,
    noun: str,
    *,
    acknowledgement: bool = False,
) -> list[TrustFinding]:
    """Return a finding that names what the audit needs and a record lacks."""
    missing = list_missing_metadata(record, acknowledgement=acknowledgement)
    if not missing:
        return []
    message = f"The {noun} lacks its {' and '.join(missing)}."
    return [make_finding(record, code, message)]


def list_missing_metadata(record: RuntimeRecord, *, acknowledgement: bool) -> list[str]:
    """Return the names of what a record lacks."""
    present = {"reason": bool(record.reason), "operator": bool(record.operator)}
    if acknowledgement:
        present["acknowledgement"] = record.acknowledged
    return [name for name, is_present in present.items() if not is_present]
