"""A decision and its reasons: refusing is an answer, not an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class RefusalKind(StrEnum):
    """What would have to be another: what was asked, who asks, or how things stand."""

    INPUT = "input"
    PERSON = "person"
    STATE = "state"


@dataclass(frozen=True)
class Refusal:
    """One unmet requirement: a stable code, and a sentence for the person."""

    code: str
    message: str
    kind: RefusalKind = RefusalKind.INPUT


Requirement = tuple[bool, str, str] | tuple[bool, str, str, RefusalKind]
"""Whether it is met, the code and the message where it is not, and the kind."""


@dataclass(frozen=True)
class Decision:
    """Whether something may be done; every unmet requirement where it may not."""

    refusals: tuple[Refusal, ...] = ()

    @property
    def allowed(self) -> bool:
        """Return whether nothing stands against it."""
        return not self.refusals

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the refusals, in the order of the requirements."""
        return tuple(refusal.code for refusal in self.refusals)


def decide(requirements: Iterable[Requirement]) -> Decision:
    """Collect the unmet requirements."""
    return Decision(tuple(Refusal(*each[1:]) for each in requirements if not each[0]))
