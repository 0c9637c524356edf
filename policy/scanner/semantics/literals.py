"""Read literals as JavaScript does: strings with their escapes, names, numbers."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}"
    r"|([0-3]?[0-7]{1,2})|(\r\n|[\n\r\u2028\u2029])|(.))",
    re.DOTALL,
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_MAX_CODE_POINT = 0x10FFFF


def unescape(text: str) -> str:
    """Resolve the escape sequences of a string or template."""
    if "\\" not in text:
        return text
    return join_surrogates(_ESCAPE.sub(_resolve, text))


def _resolve(match: re.Match[str]) -> str:
    """Return the character that one escape stands for."""
    code = match[1] or match[2] or match[3]
    if code is not None:
        return chr(min(int(code, 16), _MAX_CODE_POINT))
    if match[4] is not None:
        return chr(int(match[4], 8))
    if match[5] is not None:
        return ""
    return _SIMPLE.get(match[6], match[6])


def join_surrogates(text: str) -> str:
    """Combine surrogate pairs; replace what has no partner."""
    if text.isascii() or not any(
        "\ud800" <= character <= "\udfff" for character in text
    ):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def uses_coded_escapes(text: str) -> bool:
    """Return whether letters are written as codes, beyond what text needs."""
    return any(
        (code := match[1] or match[2] or match[3] or match[4]) is not None
        and _is_plain_letter(chr(min(int(code, 8 if match[4] else 16), 0x10FFFF)))
        for match in _ESCAPE.finditer(text)
    )


def _is_plain_letter(character: str) -> bool:
    """Return whether a character needs no escape to be read."""
    return character.isascii() and (character.isalnum() or character in "_:$/()'\"")


def parse_number(text: str) -> float | None:
    """Return the value of a numeric literal, or None."""
    text = text.replace("_", "").removesuffix("n").lower()
    try:
        if text[:2] in ("0x", "0o", "0b"):
            return float(int(text, 0))
        if len(text) > 1 and text.startswith("0") and text.isdigit():
            return float(int(text, 8 if not set(text) & {"8", "9"} else 10))
        return float(text)
    except (ValueError, OverflowError):
        return None
