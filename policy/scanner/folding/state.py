"""The limits of folding, and the budget that files and the code in them share."""

from __future__ import annotations

from dataclasses import dataclass, field

from policy.scanner.limits import Clock

# Deep enough for people and for most obfuscators, shallow enough for Python's stack.
MAX_DEPTH = 60
# A step is one expression: some seconds at the very worst, for one file.
MAX_STEPS = 250_000
# For one site: an unrolled decoder of some thousand characters.
MAX_SITE_STEPS = 12_000
# How often a name in a cycle is folded anew before its value is taken as it is.
MAX_TRIES = 3
# Asking for the time costs as much as a step.
STEPS_BETWEEN_LOOKS = 2048


@dataclass
class Budget:
    """Steps left for a file, shared with the code it carries in strings."""

    steps: int = MAX_STEPS
    exhausted: bool = False
    # Sites given up because one expression alone took too many steps.
    cut_sites: int = 0
    clock: Clock = field(default_factory=Clock)

    def spend(self) -> bool:
        """Take a step; return False once none are left. Look at the clock at times."""
        self.steps -= 1
        if self.steps % STEPS_BETWEEN_LOOKS == 0:
            self.clock.check()
        if self.steps < 0:
            self.exhausted = True
        return not self.exhausted
