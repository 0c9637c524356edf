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
# For one loop, whatever names it is followed for, where it comes to nothing.
MAX_VAIN_STEPS = MAX_SITE_STEPS
# For all loops of a file that build up names, where its size gives it no more; after
# that a loop may still be a short decoder.
MAX_LOOP_STEPS = MAX_SITE_STEPS
LOOP_STEPS_PER_BYTE = 4
LATE_LOOP_STEPS = 1_000
MAX_LATE_VAIN_STEPS = 2_000
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


@dataclass
class Loops:
    """The steps that a file's loops took: each is followed for every name in it.

    A loop that ends nowhere for the first of its names does so for the others as well.
    """

    # The file's size, in bytes.
    size: int = 0
    spent: int = 0
    nesting: int = 0
    # By the id of a loop's node: what it took before it was given up.
    vain: dict[int, int] = field(default_factory=dict)

    def room(self, loop: int) -> int:
        """Return the steps that a loop, by its id, may take; 0 to leave it alone."""
        vain = self.vain.get(loop, 0)
        if self.spent < max(MAX_LOOP_STEPS, self.size * LOOP_STEPS_PER_BYTE):
            return MAX_SITE_STEPS if vain < MAX_VAIN_STEPS else 0
        return LATE_LOOP_STEPS if vain < MAX_LATE_VAIN_STEPS else 0

    def leave(self, loop: int, steps: int, *, is_vain: bool) -> None:
        """Note the steps that following a loop took; those inside of another once."""
        self.nesting -= 1
        if self.nesting == 0:
            self.spent += steps
        if is_vain:
            self.vain[loop] = self.vain.get(loop, 0) + steps
