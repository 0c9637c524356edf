"""The console blocks of the documents: what a reader is asked to type, in its order.

A block is fenced as `console`. A line that begins with `$ ` is a command, and so are
the lines after it while one ends in a backslash; the other lines are what it prints,
where `…` stands for anything. A comment `<!-- not run here: reason -->` before a block
says why it is not run beside a local run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent>\s*)```(?P<language>\S*)\s*$")
NOT_RUN = re.compile(r"<!--\s*not run here:\s*(?P<reason>.*?)\s*-->")
PROMPT = "$ "


@dataclass
class Command:
    """One command, and the lines that the document says it prints."""

    text: str
    prints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A fenced block; `reason` says why it is not run, where one is given."""

    document: str
    line: int
    language: str
    lines: tuple[str, ...]
    reason: str | None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    def commands(self) -> list[Command]:
        """Return the block's commands. Raise ValueError for a line before the first."""
        found: list[Command] = []
        for line in self.lines:
            if line.startswith(PROMPT):
                found.append(Command(line.removeprefix(PROMPT)))
            elif not found:
                raise ValueError(f"{self}: a console block begins with `{PROMPT}`")
            elif found[-1].text.endswith("\\") and not found[-1].prints:
                found[-1].text += f"\n{line}"
            else:
                found[-1].prints.append(line)
        return found


def find_documents() -> list[str]:
    """Return the documents by name: README first, and the others as it names them."""
    papers = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    names = sorted(path.relative_to(ROOT).as_posix() for path in papers)
    readme = (ROOT / "README.md").read_text()
    places = {name: readme.find(f"({name})") for name in names}
    unnamed = len(readme)

    def order(name: str) -> tuple[bool, int, str]:
        place = places[name] if places[name] >= 0 else unnamed
        return name != "README.md", place, name

    return sorted(names, key=order)


def read_blocks(name: str) -> list[Block]:
    """Return the fenced blocks of a document, in their order."""
    return parse_blocks(name, (ROOT / name).read_text())


def parse_blocks(name: str, text: str) -> list[Block]:
    """Return the fenced blocks of a document's text."""
    blocks: list[Block] = []
    inside: list[str] | None = None
    start, language, indent = 0, "", ""
    said = ""
    for number, line in enumerate(text.splitlines(), start=1):
        match = FENCE.match(line)
        if inside is None and match:
            start, language, indent = number, match["language"], match["indent"]
            inside = []
        elif inside is not None and match and not match["language"]:
            reason = NOT_RUN.search(said)
            told = reason["reason"] if reason else None
            blocks.append(Block(name, start, language, tuple(inside), told))
            inside, said = None, ""
        elif inside is not None:
            inside.append(line.removeprefix(indent))
        elif line.strip():
            said = line
    return blocks


def is_said(expected: list[str], output: str) -> bool:
    """Tell whether the output has the expected lines, in their order."""
    pattern = ".*".join(
        re.escape(line.strip()).replace("…", ".*") for line in expected if line.strip()
    )
    return re.search(pattern, output, re.DOTALL) is not None
