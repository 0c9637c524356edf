"""Regular expressions of the source, where Python's engine can run them safely."""

from __future__ import annotations

import re

from policy.scanner.builtins.arguments import Caller
from policy.scanner.limits import MAX_TEXT
from policy.scanner.semantics.coercion import (
    to_text,
)
from policy.scanner.semantics.values import (
    UNDEFINED,
    Array,
    Constant,
    Number,
    Pattern,
    Text,
    Value,
)

# Patterns that may take exponential time in Python's engine are not tried.
_RISKY = re.compile(r"[)\]}*+?][*+{]|\\[1-9]|\(\?<?[=!]")
_MAX_PATTERN = 200
_MAX_PATTERN_TEXT = 20_000


def compile_pattern(pattern: Pattern, text: str) -> re.Pattern[str] | None:
    """Return Python's form of a simple regular expression, or None.

    None as well where Python would find something else in the text.
    """
    source = pattern.source
    if not text.isascii() and ("\\" in source or "i" in pattern.flags):
        return None
    if ("." in source and "\r" in text) or ("$" in source and text.endswith("\n")):
        return None
    if len(source) > _MAX_PATTERN or len(_QUANTIFIER.findall(source)) > 2:
        return None
    # Python reads these as set operations to come, and warns.
    if any(sign in source for sign in ("[[", "--", "&&", "||", "~~")):
        return None
    if _RISKY.search(source.replace("]+", "]").replace("]*", "]")):
        return None
    # What these mean, Python has no flags for that mean just the same.
    if set(pattern.flags) - set("gi"):
        return None
    flags = (re.IGNORECASE if "i" in pattern.flags else 0) | _ascii(source)
    try:
        return re.compile(source.replace(r"\/", "/").replace("(?<", "(?P<"), flags)
    except (re.error, OverflowError, RecursionError):
        return None


def _ascii(source: str) -> int:
    """Return the flag by which \\w and \\d are what they are in JavaScript."""
    return re.ASCII if "\\" in source else 0


_QUANTIFIER = re.compile(r"(?<!\\)[*+{]")


def replace_in_text(
    text: str, name: str, arguments: list[Value], caller: Caller
) -> Value | None:
    """Return a text with a pattern replaced, by a text or by a function's results."""
    wanted, new = arguments
    via = frozenset({"string-rewrite"})
    if isinstance(wanted, Pattern):
        pattern = compile_pattern(wanted, text)
        everywhere = "g" in wanted.flags
    else:
        plain = to_text(wanted)
        pattern = None if plain is None else re.compile(re.escape(plain))
        everywhere = name == "replaceAll"
    if pattern is None or len(text) > _MAX_PATTERN_TEXT:
        return None
    replacement = new.text if isinstance(new, Text) else None
    if replacement is not None and _UNFOLLOWED.search(replacement):
        return None
    failed = False

    def substitute(match: re.Match[str]) -> str:
        nonlocal failed
        if replacement is not None:
            return _expand(replacement, match)
        groups: list[Value] = [Text(match[0])]
        groups += [*_groups(list(match.groups())).items, Number(match.start())]
        result = to_text(caller.apply(new, groups))
        failed = failed or result is None
        return result or ""

    pieces: list[str] = []
    size = position = 0
    for match in pattern.finditer(text):
        piece = text[position : match.start()] + substitute(match)
        position = match.end()
        pieces.append(piece)
        size += len(piece)
        if failed or size > MAX_TEXT:
            return None
        if not everywhere:
            break
    result = "".join(pieces) + text[position:]
    return None if len(result) > MAX_TEXT else Text(result, via=via)


# References to what is around a match, to two figures, and to names.
_UNFOLLOWED = re.compile(r"\$(?:[`'<0]|[1-9][0-9])")


def _expand(replacement: str, match: re.Match[str]) -> str:
    """Return a replacement with its `$` references resolved."""
    if "$" not in replacement:
        return replacement

    def group(reference: re.Match[str]) -> str:
        key = reference[1]
        if key in "$&":
            return "$" if key == "$" else match[0]
        number = int(key)
        if number > len(match.groups()):
            return reference[0]
        return match[number] or ""

    return re.sub(r"\$([$&]|[1-9])", group, replacement)


def match_pattern(
    subject: Value, wanted: Value, *, every: bool = False
) -> Value | None:
    """Return what a regular expression finds in a text."""
    text = to_text(subject)
    if text is None or len(text) > _MAX_PATTERN_TEXT or not isinstance(wanted, Pattern):
        return None
    pattern = compile_pattern(wanted, text)
    if pattern is None:
        return None
    via = frozenset({"string-rewrite"})
    if every:
        matches = pattern.finditer(text)
        return Array(tuple(_groups([m[0], *m.groups()]) for m in matches), via=via)
    if "g" in wanted.flags:
        if pattern.search(text) is None:
            return Constant(None)
        return Array(tuple(Text(m[0]) for m in pattern.finditer(text)), via=via)
    found = pattern.search(text)
    if found is None:
        return Constant(None)
    return Array(_groups([found[0], *found.groups()]).items, via=via)


def _groups(groups: list[str | None]) -> Array:
    """Return what a match found; undefined for a group that took no part."""
    return Array(tuple(UNDEFINED if group is None else Text(group) for group in groups))
