"""What a case turned out to be, and what it did: asked for when a case is closed.

The impact is told in the terms of NIST SP 800-61 revision 2, section 3.2.6: functional
impact, information impact and recoverability.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from incidents.workflow.errors import OutcomeError


class Resolution(StrEnum):
    """What the case turned out to be."""

    TRUE_POSITIVE = "true_positive"
    BENIGN = "benign"
    FALSE_POSITIVE = "false_positive"


class FunctionalImpact(StrEnum):
    """What people could no longer do."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class InformationImpact(StrEnum):
    """What became of information: read, taken or changed by somebody who may not."""

    NONE = "none"
    PRIVACY_BREACH = "privacy_breach"
    PROPRIETARY_BREACH = "proprietary_breach"
    INTEGRITY_LOSS = "integrity_loss"


class Recoverability(StrEnum):
    """What it takes to recover."""

    REGULAR = "regular"
    SUPPLEMENTED = "supplemented"
    EXTENDED = "extended"
    NOT_RECOVERABLE = "not_recoverable"


@dataclass(frozen=True)
class Outcome:
    """The answer to all of it; ``recoverability`` None where nobody could say."""

    resolution: Resolution
    functional_impact: FunctionalImpact
    information_impact: InformationImpact
    recoverability: Recoverability | None = None

    @property
    def words(self) -> str:
        """The outcome as one line for people."""
        parts = [
            f"{plain(self.resolution).capitalize()}",
            f"functional impact {plain(self.functional_impact)}",
            f"information impact {plain(self.information_impact)}",
        ]
        if self.recoverability is not None:
            parts.append(f"recoverability {plain(self.recoverability)}")
        return ", ".join(parts)


def plain(value: StrEnum) -> str:
    """Return a value in plain words."""
    return value.value.replace("_", " ")


def read_outcome(
    *,
    resolution: str,
    functional_impact: str,
    information_impact: str,
    recoverability: str = "",
) -> Outcome:
    """Return an outcome; raise OutcomeError that names all that is amiss."""
    given = {
        "resolution": (Resolution, resolution, True),
        "functional impact": (FunctionalImpact, functional_impact, True),
        "information impact": (InformationImpact, information_impact, True),
        "recoverability": (Recoverability, recoverability, False),
    }
    amiss = [
        f"{name}: {_expected(kind, value)}"
        for name, (kind, value, is_required) in given.items()
        if (value or is_required) and value not in list(kind)
    ]
    if amiss:
        raise OutcomeError(f"Closing a case asks for its outcome. {'; '.join(amiss)}")
    return Outcome(
        Resolution(resolution),
        FunctionalImpact(functional_impact),
        InformationImpact(information_impact),
        Recoverability(recoverability) if recoverability else None,
    )


def require_false_alarm(outcome: Outcome) -> None:
    """Raise OutcomeError for a true positive, which no false alarm can be."""
    if outcome.resolution is Resolution.TRUE_POSITIVE:
        raise OutcomeError(
            "A true positive is no false alarm: choose benign or false positive, or "
            "let the case run its course."
        )


def _expected(kind: type[StrEnum], value: str) -> str:
    """Describe which values can be chosen."""
    choices = ", ".join(plain(value) for value in kind)
    return f"{value[:40]!r} is none of {choices}" if value else f"choose {choices}"
