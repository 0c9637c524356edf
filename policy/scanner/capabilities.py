"""Which capabilities a source shows to somebody who reads it line by line.

Comments are left out and nothing is folded, so that what is hidden is not shown: it is
what the extension admits to, to be held against what it did. A capability counts as
shown where a line has the runtime's call for it (`pi.exec(…)`), one of its names as a
text, or Node's own way to the same. Generous on purpose: what is not shown then is
nowhere to be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from policy.rules.capabilities import (
    BUILT_IN_TOOLS,
    DIRECT_METHODS,
    FS_OPERATIONS,
    Capability,
)
from policy.scanner.archive import SourceFile
from policy.scanner.line_scanner import MAX_LINE_CHARACTERS, strip_comments
from policy.scanner.parsing.syntax import language_of, to_utf8

# What the object is called that an extension is handed.
_HOST = r"\b(?:pi|host|ctx|api|agent|runtime|context|extension)\s*(?:\?\.|\.)\s*"
_PLAIN = {
    Capability.EXEC: r"\bchild_process\b|\bspawn(?:Sync)?\s*\(|\bexecFile(?:Sync)?\s*\("
    r"|\bexecSync\s*\(|(?<![.\w])exec\s*\(",
    Capability.ENV: r"\bprocess\s*(?:\?\.|\.)\s*env\b|\bprocess\s*\[\s*['\"]env['\"]"
    r"|\bgetenv\b|\bDeno\s*\.\s*env\b",
    Capability.HTTP: r"\bfetch\s*\(|\bXMLHttpRequest\b|\bWebSocket\b"
    r"|['\"](?:node:)?https?['\"]|['\"](?:axios|undici|node-fetch|got)['\"]",
    Capability.SESSION: r"\bsession(?:Manager)?\s*(?:\?\.|\.)|\bappendEntry\s*\("
    r"|\bsendMessage\s*\(",
    Capability.UI: r"(?:\?\.|\.)\s*ui\b|\bui\s*(?:\?\.|\.)",
    Capability.EVENTS: r"(?:\?\.|\.)\s*(?:on|once|emit|events)\s*(?:\(|\?\.|\.)"
    r"|\bEventEmitter\b",
    Capability.LOG: r"\bconsole\s*\.|(?:\?\.|\.)\s*log\s*\(",
    Capability.READ: r"\b(?:readFile|readdir|createReadStream|lstat|stat|readlink)"
    r"(?:Sync)?\s*\(|\bfs\s*(?:\?\.|\.)\s*(?:read|list|readdir|stat|open)\b",
    Capability.WRITE: r"\b(?:writeFile|appendFile|mkdir|mkdtemp|unlink|rmdir|rename"
    r"|copyFile|createWriteStream|truncate)(?:Sync)?\s*\("
    r"|\bfs\s*(?:\?\.|\.)\s*(?:write|mkdir|delete|remove|rm)\w*",
    Capability.TOOL: r"\bcallTool\s*\(",
}
_TEXT = re.compile(r"""['"`]([A-Za-z_]{1,40})['"`]""")
# One word may be an operation and a tool: both are then shown.
_WORDS: dict[str, set[Capability]] = {}
for _names in (FS_OPERATIONS, BUILT_IN_TOOLS, DIRECT_METHODS):
    for _name, _capability in _names.items():
        _WORDS.setdefault(_name, set()).add(_capability)


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int


@dataclass(frozen=True)
class ShownCapabilities:
    """Where each capability is first shown; one that is missing is not shown.

    ``words`` are the words of the source: names it may be known by stand there.
    """

    places: Mapping[Capability, Place] = field(default_factory=dict)
    words: frozenset[str] = frozenset()


def find_shown_capabilities(files: Iterable[SourceFile]) -> ShownCapabilities:
    """Return the capabilities that the files of a source show."""
    places: dict[Capability, Place] = {}
    words: set[str] = set()
    for file in files:
        data = to_utf8(file.data)
        if language_of(file.path, data) is None and b"\x00" in data:
            continue
        text = data.decode("utf-8", "replace")
        words.update(re.findall(r"[A-Za-z0-9_][\w.-]{2,}", text))
        for number, line in enumerate(strip_comments(text).split("\n"), start=1):
            for capability in _shown_by(line[:MAX_LINE_CHARACTERS]):
                places.setdefault(capability, Place(file.path, number))
    return ShownCapabilities(places, frozenset(words))


def _shown_by(line: str) -> Iterable[Capability]:
    """Yield the capabilities that a line of source shows by its words."""
    for capability, pattern in _PATTERNS.items():
        if pattern.search(line):
            yield capability
    for word in _TEXT.findall(line):
        yield from _WORDS.get(word.lower(), ())
    tool = _TOOL.search(line)
    if tool and tool[1].lower() not in BUILT_IN_TOOLS:
        yield Capability.TOOL


_TOOL = re.compile(_HOST + r"tool\s*\(\s*['\"`]([^'\"`]*)['\"`]")
_PATTERNS = {
    capability: re.compile(
        f"{_HOST}{capability.value}\\b|{_PLAIN[capability]}"
        if capability is not Capability.TOOL
        else _PLAIN[capability]
    )
    for capability in _PLAIN
}
