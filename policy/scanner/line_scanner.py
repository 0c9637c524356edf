"""What the runtime's own scanner would have said: regular expressions, line by line.

Comments are stripped first; nothing is folded, followed or joined across lines. It is
kept this simple on purpose: it is the measure of what was missed, not a defence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policy.scanner.modules import FORBIDDEN_MODULES, UNCOVERED_BUILTINS
from policy.scanner.report_entries import Classification

MAX_LINE_CHARACTERS = 1_000_000
_QUOTED = r"['\"]([^'\"]+)['\"]"
_MODULES = (
    re.compile(r"\bfrom\s*" + _QUOTED),
    re.compile(r"\bimport\s*" + _QUOTED),
    re.compile(r"\bimport\s*\(\s*" + _QUOTED),
    re.compile(r"\brequire\s*\(\s*" + _QUOTED),
)
_CALLS = (
    (re.compile(r"\bprocess\s*\.\s*binding\s*\("), "process-binding", "forbidden"),
    (re.compile(r"\bprocess\s*\.\s*dlopen\s*\("), "process-dlopen", "forbidden"),
    (re.compile(r"\beval\s*\("), "code-from-text", "flagged"),
    (re.compile(r"\bnew\s+Function\s*\("), "code-from-text", "flagged"),
)
# Without one of these in a file no rule finds anything, comments taken out or not: each
# leaves room for a comment, and for all that counts as a blank, or may be part of one.
_BLANKS = rb"[\s\x1c-\x1f\x80-\xff]*"
_NAMED = rb"(?:/|['\"](?:node:)?(?:%b)['\"/])" % (
    "|".join(sorted(FORBIDDEN_MODULES | UNCOVERED_BUILTINS)).encode()
)
_TELLING = (
    re.compile(rb"from" + _BLANKS + _NAMED),
    re.compile(rb"import" + _BLANKS + rb"(?:\(" + _BLANKS + rb")?" + _NAMED),
    re.compile(rb"require" + _BLANKS + rb"(?:/|\(" + _BLANKS + _NAMED + rb")"),
    re.compile(
        rb"process" + _BLANKS + rb"(?:/|\." + _BLANKS + rb"(?:/|binding|dlopen))"
    ),
    re.compile(rb"eval" + _BLANKS + rb"[(/]"),
    re.compile(rb"new" + _BLANKS + rb"(?:/|Function)"),
)
# No rule finds anything in a line without one of these.
_WORDS = ("from", "import", "require", "process", "eval", "Function")
# A string or a comment, whichever begins first: a // inside a string is no comment. One
# that does not end is taken all the same: else each quote would be tried anew. Around
# these no group is repeated possessively: Python 3.11.2, which Debian 12 has, keeps
# what a try took that failed, and missed every comment.
_STRING_OR_COMMENT = re.compile(
    r"""\"(?:\\.|[^"\\\n])*+"?+|'(?:\\.|[^'\\\n])*+'?+|`(?:\\.|[^`\\])*+`?+"""
    r"""|(/\*.*?(?:\*/|\Z)|//[^\n]*+)""",
    re.DOTALL,
)


@dataclass(frozen=True)
class LineFinding:
    """What the line-based scanner says about a line (counted from 1)."""

    line: int
    rule: str
    classification: Classification
    excerpt: str

    def as_dict(self) -> dict[str, object]:
        """Return the finding as plain JSON values."""
        return {
            "line": self.line,
            "rule": self.rule,
            "classification": self.classification.value,
            "excerpt": self.excerpt,
        }


def strip_comments(text: str) -> str:
    """Blank out comments; line ends stay, so that lines keep their numbers."""
    if "//" not in text and "/*" not in text:
        return text

    kept: list[str] = []
    done = 0
    for match in _STRING_OR_COMMENT.finditer(text):
        comment = match[1]
        if comment is not None:
            blank = "\n".join(" " * len(line) for line in comment.split("\n"))
            kept += (text[done : match.start()], blank)
            done = match.end()
    return "".join((*kept, text[done:]))


def scan_lines(source: bytes) -> list[LineFinding]:
    """Return what the line-based scanner finds in a file."""
    if not any(pattern.search(source) for pattern in _TELLING):
        return []
    text = strip_comments(source.decode("utf-8", "replace"))
    found: list[LineFinding] = []
    number, counted = 1, 0
    for start, end in _lines_with_words(text):
        number += text.count("\n", counted, start)
        counted = start
        found.extend(_scan_line(number, text[start:end][:MAX_LINE_CHARACTERS]))
    return found


def _lines_with_words(text: str) -> list[tuple[int, int]]:
    """Return where each line begins and ends in which a rule may find anything."""
    lines: set[tuple[int, int]] = set()
    for word in _WORDS:
        at = text.find(word)
        while at >= 0:
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            lines.add((text.rfind("\n", 0, at) + 1, end))
            at = text.find(word, end)
    return sorted(lines)


def _scan_line(number: int, line: str) -> list[LineFinding]:
    """Return what the line rules find in one line, from 1."""
    found: list[LineFinding] = []
    for pattern in _MODULES:
        for match in pattern.finditer(line):
            name = match[1].removeprefix("node:").partition("/")[0]
            if name in FORBIDDEN_MODULES:
                found.append(_finding(number, "forbidden-module", "forbidden", match))
            elif name in UNCOVERED_BUILTINS:
                found.append(_finding(number, "uncovered-builtin", "flagged", match))
    for call, rule, word in _CALLS:
        for match in call.finditer(line):
            found.append(_finding(number, rule, word, match))
    return found


def _finding(number: int, rule: str, word: str, match: re.Match[str]) -> LineFinding:
    """Return a finding with at most 160 characters of its match."""
    return LineFinding(number, rule, Classification(word), match[0][:160])
