"""Recognise the output of obfuscators by what it looks like, whatever it does.

Nobody writes such code by hand, and no minifier makes it: names that are numbers,
programs of six signs, programs of signs alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Shorter than this, any code may look like anything.
_LEAST_SIGNS = 150
_SIX_SIGNS = re.compile(rb"[\[\]()!+\s]{%d,}" % _LEAST_SIGNS)
# One mark for each of the six and for blanks: a run of them is found as a text is.
_MARKS = bytes(byte in b"[]()!+ \t\n\r\f\v" for byte in range(256))
_RUN = b"\x01" * _LEAST_SIGNS
_HEX_NAME = re.compile(rb"(?<![\w$])_0x[0-9a-f]{2,8}(?![\w$])")
_LEAST_NAMES = 4
_PACKER = re.compile(
    rb"eval\s*\(\s*function\s*\(\s*p\s*,\s*a\s*,\s*c\s*,\s*k\s*,\s*[er]\s*,?"
)
# $=~[];$={___:++$,$$$$:(![]+"")[$], … and its kin, under any name.
_JJ = re.compile(
    rb"(?<![$_\w])([$_\w]{1,12})\s*=\s*~\s*\[\s*\]\s*;\s*\1\s*=\s*\{\s*[$_]{2,}\s*:"
)
_NAME = rb"[A-Za-z_$][\w$]*"
_PUSH = rb"\[['\"](?:push|\\x70\\x75\\x73\\x68)['\"]\]"
# names['push'](names['shift']()): nobody but an obfuscator writes it with brackets.
_TURNED = re.compile(rb"(%b)%b\(\1\[['\"]" % (_NAME, _PUSH))
# names = function () { return texts; }; return names();
_ARRAY_ANEW = re.compile(
    rb"=\s*function\s*\(\)\s*\{\s*return\s+%b;?\s*\}[;,]?\s*return\s+(%b)\(\)"
    % (_NAME, _NAME)
)
_CHECKSUM = re.compile(
    rb"(%b)\.push\(\1\.shift\(\)\);?\s*\}\s*catch\s*(?:\(%b\))?\s*\{\s*"
    rb"\1\.push\(\1\.shift\(\)\)" % (_NAME, _NAME)
)
# What is looked for in its stead: it begins with a sign, not with any name.
_JJ_SIGN = re.compile(rb"~\s*\[\s*\]")
_CHECKSUM_SIGN = re.compile(rb"\.shift\(\)\);?\s*\}\s*catch")
_PUSH_SIGN = re.compile(_PUSH)
_FACE = re.compile("ﾟ(?:ωﾟﾉ|Θﾟ|ｰﾟ|Дﾟ)".encode())
# The first sign of each stands alone: a search that begins with a text is fast.
_CODED = re.compile(
    rb"\\(?:x|u00)[2-7][0-9a-fA-F](?:\\x[2-7][0-9a-fA-F]|\\u00[2-7][0-9a-fA-F]){23,}"
)
# Letters, and signs of plain text among them, in codes: not what tables of signs hold.
_CODED_LETTER = rb"\\(?:x|u00)(?:4[1-9a-fA-F]|5[0-9aA]|6[1-9a-fA-F]|7[0-9aA])"
_CODED_WORD = re.compile(rb"%b(?:%b)+" % (_CODED_LETTER, _CODED_LETTER))
_LEAST_CODED_WORDS = 4
_LEAST_CODED_BYTES = 24 * 4
_CODED_SIGN = re.compile(rb"\\(?:x|u00)")
_WORD = re.compile(rb"[A-Za-z]{2,}")


@dataclass(frozen=True)
class Shape:
    """A place in a file that an obfuscator wrote, in bytes from its beginning."""

    start: int
    end: int
    what: str


def find_shapes(source: bytes) -> list[Shape]:
    """Return the obfuscators that a source looks like the work of."""
    return [shape for finder in _FINDERS for shape in finder(source)]


def _six_signs(source: bytes) -> Iterator[Shape]:
    """Yield the first program written in the six signs of JSFuck."""
    if _RUN not in source.translate(_MARKS):
        return
    for match in _SIX_SIGNS.finditer(source):
        text = b"".join(match[0].split())
        # Brackets of deep data have no `!` between them.
        if len(text) >= _LEAST_SIGNS and text.count(b"+") * 10 > len(text):
            yield Shape(*match.span(), "a program of the six signs []()!+ (JSFuck)")
            return


def _hex_names(source: bytes) -> Iterator[Shape]:
    """Yield the first of many names that are numbers in disguise."""
    names = set()
    first = None
    if b"_0x" not in source:
        return
    for match in _HEX_NAME.finditer(source):
        first = first or match
        names.add(match[0])
        if len(names) >= _LEAST_NAMES:
            what = "names that are numbers (javascript-obfuscator)"
            yield Shape(*first.span(), what)
            return


def _by_pattern(
    pattern: re.Pattern[bytes], what: str, sign: re.Pattern[bytes], least: int = 1
) -> Finder:
    """Return a finder of a pattern that occurs at least `least` times.

    It occurs nowhere but with the sign, which is found in less time.
    """

    def find(source: bytes) -> Iterator[Shape]:
        if sign.search(source) is None:
            return
        matches = pattern.finditer(source)
        first = next(matches, None)
        count = 1 + sum(1 for _, _ in zip(matches, range(least), strict=False))
        if first is not None and count >= least:
            yield Shape(*first.span(), what)

    return find


def _signs_alone(source: bytes) -> Iterator[Shape]:
    """Find a program that has hardly a word in it."""
    if len(source) < _LEAST_SIGNS:
        return
    start = source[:20_000]
    signs = sum(start.count(sign) for sign in (b"$", b"_", b"+", b"[", b"]", b"\\"))
    if signs <= len(start) * 0.45:
        return
    letters = sum(len(word) for word in _WORD.findall(start))
    if letters < len(start) * 0.2:
        yield Shape(0, min(len(source), 160), "a program of signs alone (JJEncode)")


def _turned(source: bytes) -> Iterator[Shape]:
    """Find an array that is turned round, as nobody but an obfuscator writes it."""
    for sign, pattern in ((_PUSH_SIGN, _TURNED), (_CHECKSUM_SIGN, _CHECKSUM)):
        match = pattern.search(source) if sign.search(source) is not None else None
        if match is not None:
            what = "an array of texts that is turned round (javascript-obfuscator)"
            yield Shape(*match.span(), what)
            return


def _array_anew(source: bytes) -> Iterator[Shape]:
    """Find a function that puts another in its own place, and calls that."""
    for match in _ARRAY_ANEW.finditer(source):
        before = source[max(match.start() - 80, 0) : match.start()].rstrip()
        if re.search(rb"(?:^|[^\w$.])%b$" % re.escape(match[1]), before):
            yield Shape(*match.span(), "texts that are kept in an array of their own")
            return


def _coded_words(source: bytes) -> Iterator[Shape]:
    """Find words that are spelled in codes, where there are many."""
    if _CODED_SIGN.search(source) is None:
        return
    words = list(_CODED_WORD.finditer(source))
    size = sum(len(word[0]) for word in words)
    if len(words) >= _LEAST_CODED_WORDS and size >= _LEAST_CODED_BYTES:
        yield Shape(*words[0].span(), "texts that are spelled in codes throughout")


Finder = Callable[[bytes], Iterator[Shape]]
_FINDERS: tuple[Finder, ...] = (
    _six_signs,
    _hex_names,
    _by_pattern(_PACKER, "code that unpacks itself (packer)", re.compile(rb"eval")),
    _by_pattern(_JJ, "a program of signs alone (JJEncode)", _JJ_SIGN),
    _by_pattern(_FACE, "a program of faces (AAEncode)", _FACE),
    _turned,
    _array_anew,
    _coded_words,
    _by_pattern(_CODED, "texts that are spelled in codes throughout", _CODED_SIGN),
    _signs_alone,
)
