"""How large a value may grow, and how much of the processor a file may cost.

The one place where time counts: hostile input costs a parser more than its length says,
and steps alone do not bound that. It is time of the processor, not of the clock on the
wall, so that a busy machine changes no answer that is anywhere near ordinary.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

# A source of 1 MB takes about a second; nothing benign was seen to take five.
# What one value may come to, in letters and in items; beyond it is unknown.
MAX_TEXT = 256 * 1024
MAX_ITEMS = 20_000
FILE_SECONDS = 7.0
# Of those, for parsing with all grammars that are tried.
PARSE_SECONDS = 2.5
# Of those, for proving: each use of a name costs as much as it is deep.
PROOF_SECONDS = 2.5
# Finding out what an archive's manifests and imports name; most take a hundredth.
PACKAGING_SECONDS = 10.0
# Twenty thousand files of an ordinary archive take less.
ARCHIVE_SECONDS = 300.0


class OverTimeError(Exception):
    """A file that costs more than it may."""


@dataclass
class Clock:
    """Counts a file's time of the processor, from when it is made."""

    seconds: float = FILE_SECONDS
    started: float = field(default_factory=time.thread_time)

    def spent(self) -> float:
        """Return the seconds spent since the clock was made."""
        return time.thread_time() - self.started

    def is_over(self) -> bool:
        """Return whether more seconds were spent than the clock has."""
        return self.spent() > self.seconds

    def check(self) -> None:
        """Raise OverTimeError once the time is spent."""
        if self.is_over():
            raise OverTimeError
