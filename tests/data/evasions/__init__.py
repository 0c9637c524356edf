"""The corpus of evasions: one `.samples` file per family, read by `load_samples`.

A sample begins with a line `//@ forbidden` or `//@ flagged` (what the scanner has to
say at least) and may name a suffix (`suffix=.ts`). Everything up to the next such line
is its source. Nothing of it is ever run.

`held_out/` holds families that were written after the detector was finished, so that
its rate there is not a rate on what it was built from. They stay as they were written.
`later/` holds families that were written later, looked at once before what they
showed was mended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
HELD_OUT = FOLDER / "held_out"
LATER = FOLDER / "later"
BENIGN = FOLDER / "benign"
_HEAD = re.compile(r"^//@ (forbidden|flagged|safe)(?: suffix=(\.\w+))?\n", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """One source and the least that has to be said of it."""

    family: str
    number: int
    expected: str
    suffix: str
    source: bytes

    @property
    def name(self) -> str:
        """Return a name for test reports."""
        return f"{self.family}-{self.number:02d}"


def load_samples(folder: Path = FOLDER) -> list[Sample]:
    """Return the samples of every family in a folder, in order."""
    samples: list[Sample] = []
    for path in sorted(folder.glob("*.samples")):
        text = path.read_text(encoding="utf-8")
        heads = list(_HEAD.finditer(text))
        ends = [head.start() for head in heads[1:]] + [len(text)]
        for number, (head, end) in enumerate(zip(heads, ends, strict=True), start=1):
            source = text[head.end() : end].encode("utf-8")
            suffix = head[2] or ".js"
            samples.append(Sample(path.stem, number, head[1], suffix, source))
    return samples
