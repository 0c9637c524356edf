"""A decision and its reasons: refusing is an answer, not an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """One unmet requirement: a stable code, and a sentence for the person."""

    code: str
    message: str


@dataclass(frozen=True)
class Decision:
    """Whether something may be done; every unmet requirement where it may not."""

    refusals: tuple[Refusal, ...] = ()

    @property
    def allowed(self) -> bool:
        """True where nothing stands against it."""
        return not self.refusals

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the refusals, in the order of the requirements."""
        return tuple(refusal.code for refusal in self.refusals)


def decide(requirements: Iterable[tuple[bool, str, str]]) -> Decision:
    """Collect the unmet requirements among `(is_met, code, message)`."""
    return Decision(
        tuple(Refusal(code, message) for met, code, message in requirements if not met)
    )
