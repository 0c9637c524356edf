"""What a scan says about one place in a source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Classification(StrEnum):
    """The scanner's three words, as the runtime's own scanner has them."""

    FORBIDDEN = "forbidden"
    FLAGGED = "flagged"
    SAFE = "safe"

    @property
    def rank(self) -> int:
        """Return how bad it is: safe 0, flagged 1, forbidden 2."""
        return _RANKS[self]


_RANKS = {
    Classification.SAFE: 0,
    Classification.FLAGGED: 1,
    Classification.FORBIDDEN: 2,
}


@dataclass(frozen=True)
class Step:
    """One place on the way by which a value came about; positions count from 1."""

    line: int
    column: int
    how: str
    excerpt: str


@dataclass(frozen=True)
class Context:
    """The source around a finding, cut: what comes before, the place, what follows."""

    before: str = ""
    marked: str = ""
    after: str = ""


@dataclass(frozen=True)
class Entry:
    """One finding; line and column count from 1, the column in characters."""

    file: str
    line: int
    column: int
    rule: str
    classification: Classification
    excerpt: str
    why: str
    family: str
    techniques: tuple[str, ...]
    suggested_pattern: str
    regression_test_idea: str
    # The last line of the expression: the line-based scanner reads them one by one.
    end_line: int
    context: Context = Context()
    # In the order of the source; empty where the place itself spells all of it out.
    steps: tuple[Step, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return the entry as plain JSON values."""
        return {
            **asdict(self),
            "classification": self.classification.value,
            "techniques": list(self.techniques),
            "steps": [asdict(step) for step in self.steps],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Entry:
        """Return the entry that `as_dict` wrote."""
        return cls(
            **{
                **document,
                "classification": Classification(document["classification"]),
                "techniques": tuple(document["techniques"]),
                "context": Context(**document["context"]),
                "steps": tuple(Step(**step) for step in document["steps"]),
            }
        )


def worst(classifications: Iterable[Classification]) -> Classification:
    """Return the worst of the classifications; safe if there is none."""
    return max(classifications, key=lambda c: c.rank, default=Classification.SAFE)
