"""Which places of a file are worth folding, once the file is proved harmless.

Folding costs ten times what proving does. Where nothing is doubted, nothing is loaded,
reached or evaluated but what is named, and only what the proof does not speak of is
looked at: prototypes, timers, commands, decoded texts.
"""

from __future__ import annotations

import re

from tree_sitter import Node

from policy.scanner.modules import (
    FORBIDDEN_MODULES,
    UNCOVERED_BUILTINS,
    is_harmless_module,
)
from policy.scanner.parsing.scopes import unwrap
from policy.scanner.proof import Proof

_CALLEE = re.compile(
    rb"(?:^|[^\w$])(?:require|import|eval|Function|process|module|constructor|assign"
    rb"|set(?:Timeout|Interval|Immediate|PrototypeOf)|execScript|define\w*|__\w+__"
    rb"|Reflect|parse|Worker|SharedWorker|WebAssembly|importScripts|createRequire"
    rb"|exec\w*|spawn\w*|fork)(?:\W*(?:call|apply|bind|set|\w*efine\w*))?\W*$|\["
)
# Texts that somebody decodes or puts together: any call may be given them. One after
# the other: a search that begins with a text is many times as fast as one for either.
_DECODING = tuple(
    re.compile(pattern)
    for pattern in (
        rb"atob",
        rb"from(?:CharCode|CodePoint)",
        rb"charCodeAt",
        rb"\.reverse\(",
        rb"hex['\"](?<=['\"]hex.)",
        rb"base64['\"](?<=['\"]base64.)",
        rb"\\(?:x[2-7]|u(?:00[2-7]|\{))",
        rb"unescape",
        rb"decodeURI",
    )
)
_TELLING_PIECE = re.compile(rb"['\"](?:child|worker|perf|dgr|node:)\w*['\"]\s*[+,]")
_TELLING_WORDS = (b"child", b"worker", b"perf", b"dgr", b"node:")
# The names of modules that are not simply let pass, however they are come by.
_NAMED = (
    re.compile(rb"createRequire"),
    re.compile(rb"getPrototypeOf"),
    re.compile(rb"set(?:Timeout|Interval|Immediate)\b(?!\s*\()"),
    re.compile(rb"binding"),
    re.compile(rb"dlopen"),
    re.compile(rb"_linkedBinding"),
    re.compile(
        rb"['\"`](?:node:)?(?:timers|%b)['\"`/]"
        % "|".join(sorted(FORBIDDEN_MODULES | UNCOVERED_BUILTINS)).encode()
    ),
)
# A prototype of the runtime's under another name: any write may be one to it.
_PROTOTYPE_HELD = re.compile(
    rb"\.prototype\s*[;,)\n]|__proto__\s*[;,)\n]|__lookup[GS]etter__"
)
_LEFT = re.compile(rb"\[|proto|constructor|NODE_OPTIONS")
_LOUD = frozenset(("import_statement", "export_statement", "with_statement", "pair"))


class Interest:
    """Says of each place whether it is folded."""

    def __init__(self, source: bytes, proof: Proof, *, may_merge: bool) -> None:
        self.source = source
        loaded = [text for load in proof.loads for text in load.texts]
        is_proved = not proof.doubts and all(map(is_harmless_module, loaded))
        is_proved = is_proved and not any(p.search(source) for p in _NAMED)
        is_proved = is_proved and _PROTOTYPE_HELD.search(source) is None
        self.is_quiet = is_proved and not _may_decode(source)
        self._telling: dict[bytes, bool] = {}
        self.may_merge = may_merge

    def has(self, node: Node, kind: str) -> bool:
        """Return whether a place, a node of a kind, may hold a finding."""
        if not self.is_quiet or kind in _LOUD:
            return True
        if kind.endswith("assignment_expression"):
            left = node.child_by_field_name("left")
            return left is not None and _LEFT.search(left.text or b"") is not None
        if kind not in ("call_expression", "new_expression"):
            return False
        callee = node.child_by_field_name("function")
        callee = unwrap(callee or node.child_by_field_name("constructor"))
        if callee is None:
            return False
        if callee.type == "identifier" and self.may_merge:
            return True
        # The end of it is what is called; a chain may be as long as the file.
        start = max(callee.start_byte, callee.end_byte - 200)
        return self._is_telling(self.source[start : callee.end_byte])

    def _is_telling(self, callee: bytes) -> bool:
        """Return whether a callee is called something that counts; looked up once."""
        known = self._telling.get(callee)
        if known is None:
            known = self._telling[callee] = _CALLEE.search(callee) is not None
        return known


def _may_decode(source: bytes) -> bool:
    """Return whether a file has anything by which texts are decoded or assembled."""
    if any(pattern.search(source) for pattern in _DECODING):
        return True
    has_word = any(word in source for word in _TELLING_WORDS)
    return has_word and _TELLING_PIECE.search(source) is not None
