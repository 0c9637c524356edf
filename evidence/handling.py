"""Marks of handling: the four words of TLP 2.0, which say how far a copy may go.

https://www.first.org/tlp/ has the words. A mark is only ever the least that holds: what
draws on several things has the strictest of theirs.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property


class Tlp(StrEnum):
    """How far something may be passed on, from the most open to the strictest."""

    CLEAR = "clear"
    GREEN = "green"
    AMBER = "amber"
    RED = "red"

    @cached_property
    def rank(self) -> int:
        """Weight for comparing: higher is stricter."""
        return list(Tlp).index(self)

    @property
    def label(self) -> str:
        """The mark as TLP 2.0 has it written, without a space."""
        return f"TLP:{self.value.upper()}"

    @property
    def meaning(self) -> str:
        """Whom it may be passed on to, in words."""
        return MEANINGS[self]

    @property
    def in_file_name(self) -> str:
        """The mark as part of a file's name, where a colon would not do."""
        return self.label.replace(":", "-")


MEANINGS = {
    Tlp.RED: "to nobody: it is for those alone who were given it",
    Tlp.AMBER: "inside the organisation and to its clients, to who needs to know",
    Tlp.GREEN: "inside the community, and not in public",
    Tlp.CLEAR: "to anybody",
}
CASE_DEFAULT = Tlp.AMBER
"""Of a new case: what is found in it is for those who need it, until somebody says."""
LOOSENINGS = tuple((a, b) for a in Tlp for b in Tlp if b.rank < a.rank)
CHOICES = [(mark.value, mark.label) for mark in Tlp]


def strictest(*marks: Tlp | str) -> Tlp:
    """Return the strictest of these marks; CLEAR where there is none."""
    return max(map(Tlp, marks), key=lambda mark: mark.rank, default=Tlp.CLEAR)
