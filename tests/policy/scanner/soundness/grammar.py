"""Generate programs that come to something forbidden by ways that a reader loses.

A program holds something harmless, changes it into something forbidden by way of an
alias, a closure, a loop, a class …, and uses what it then holds. ways.txt holds the
ways; they go into one another, so that they multiply. A second kind of program is drawn
statement by statement, without a plan.

In ways.txt `@1` stands for the harmless expression, `@2` for the forbidden one, `@v` to
`@z` for fresh names; `=>` comes before the expression that in the end is the forbidden
one; `@{section}` draws a line of another section.
"""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

MODULES = ("vm", "net", "tls", "v8", "repl", "cluster", "dgram", "child_process")
HARMLESS = ("fs", "path", "os", "util", "./a", "url")
HOLDERS = (
    "variable",
    "scope",
    "object",
    "own methods",
    "array",
    "iteration",
    "class",
    "function",
    "text in pieces",
)
MAX_DEPTH = 3
_SECTION = re.compile(r"@\{([^}]+)\}")
_NAME = re.compile(r"@([v-z])")
_PLAIN = re.compile(r"'(\w+)'")


def _read_ways() -> dict[str, list[str]]:
    ways: dict[str, list[str]] = {}
    for part in Path(__file__).with_name("ways.txt").read_text().split("\n["):
        head, _, body = part.partition("]\n")
        ways[head.strip("[")] = body.rstrip("\n").split("\n")
    return ways


WAYS = _read_ways()
Held = tuple[str, str]


class Maker:
    """Makes one program of one seed; fresh names never clash."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.count = 0

    def way(self, section: str) -> str:
        """Return a line of a section, with lines of others and fresh names in it."""
        line = self.random.choice(WAYS[section])
        line = _SECTION.sub(lambda m: self.random.choice(WAYS[m[1]]), line)
        names: dict[str, str] = {}

        def fresh(match: re.Match[str]) -> str:
            if match[1] not in names:
                self.count += 1
                letter = self.random.choice("abcdefgklmopqstuvwxyz")
                names[match[1]] = f"{letter}{self.count}"
            return names[match[1]]

        return _NAME.sub(fresh, line)

    def text(self, text: str) -> str:
        """Return an expression for a text, in one of several spellings."""
        cut = self.random.randrange(len(text) + 1)
        spellings = [
            f"'{text}'",
            f'"{text}"',
            f"`{text}`",
            f"'{text[:cut]}'+'{text[cut:]}'",
            f"['{text[:cut]}','{text[cut:]}'].join('')",
            f"`${{'{text[:cut]}'}}{text[cut:]}`",
            f"'{text[::-1]}'.split('').reverse().join('')",
            f"('{text}')",
            "'" + "".join(f"\\x{ord(c):02x}" for c in text) + "'",
        ]
        return self.random.choices(spellings, [6, 1, 1, 2, 1, 1, 1, 1, 1])[0]


def held(m: Maker, one: str, other: str, depth: int = 0) -> Held:
    """Return statements, and an expression that after them is `other`."""
    before = ""
    if depth < MAX_DEPTH and m.random.random() < 0.3:
        before, other = held(m, one, other, depth + 1)
    section = m.random.choice(HOLDERS)
    plain = _PLAIN.fullmatch(other)
    if section == "text in pieces" and plain is None:
        section = "object"
    statements, _, read = m.way(section).rpartition(" => ")
    if plain is not None:
        statements, read = (_cut(m, part, plain[1]) for part in (statements, read))
    put = (_put(part, one, other) for part in (statements, read))
    statements, read = put
    if m.random.random() < 0.4:
        read = m.way("wrapping").replace("@2", read)
    return before + statements, read


def _cut(m: Maker, way: str, text: str) -> str:
    cut = len(text) // 2
    way = way.replace("@t", text).replace("@l", text[:cut])
    return way.replace("@r", text[cut:])


def _put(way: str, one: str, other: str) -> str:
    return way.replace("@1", one).replace("@2", other)


def load_a_module(m: Maker) -> str:
    """Hold the name of a module, and load it."""
    name = m.random.choice(MODULES)
    if m.random.random() < 0.2:
        name = "node:" + name
    harmless = m.text(m.random.choice(HARMLESS))
    statements, read = held(m, harmless, m.text(name))
    return framed(m, statements, m.way("use of a module").replace("@2", read))


def call_a_member(m: Maker) -> str:
    """Hold the name of a member of the runtime's, and call it."""
    kind = m.random.choice(("member", "code"))
    owner, one, other, argument = m.way(
        f"owner of {'a ' * (kind == 'member')}{kind}"
    ).split(" ", 3)
    statements, read = held(m, m.text(one), m.text(other))
    use = m.way("use of a member" if kind == "member" else "use of code")
    use = use.replace("@o", owner).replace("@a", argument)
    return framed(m, statements, use.replace("@2", read))


def hold_a_power(m: Maker) -> str:
    """Hold a capability itself, and use it."""
    one, other, use = m.way("power").split(" ", 2)
    statements, read = held(m, one, other)
    return framed(m, statements, use.replace("@2", read, 1))


def framed(m: Maker, statements: str, use: str) -> str:
    """Put statements and use into a frame, with something harmless beside them."""
    noise = m.way("noise")
    if "with(" in statements or "arguments[0]=" in statements:
        noise = noise.replace("'use strict';", "")
    body = statements + m.way("lateness").replace("@u", use)
    return noise + m.way("frame").replace("@u", body)


def say_anything(m: Maker) -> str:
    """Draw statements without a plan over four names, and load what is left."""
    lines = ["let a='fs',b='path';const o={k:'fs',l:['fs']},p={k:'os',l:['vm']};"]
    lines += [_statement(m, 0) for _ in range(m.random.randrange(2, 9))]
    return "\n".join([*lines, f"require({m.way('loose load')})"])


def _statement(m: Maker, depth: int) -> str:
    if depth > 1 or m.random.random() < 0.6:
        return m.way("loose statement")
    block = m.way("loose block")
    while "@u" in block:
        block = block.replace("@u", _statement(m, depth + 1), 1)
    return block


def make_program(seed: int) -> str:
    """Return the program of a seed: always the same."""
    m = Maker(seed)
    kinds = (load_a_module, call_a_member, hold_a_power, say_anything)
    return m.random.choices(kinds, [5, 3, 3, 3])[0](m)
