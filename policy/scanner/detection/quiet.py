"""Which places of a file are worth folding, once the file is proved harmless.

Folding costs ten times what proving does. Where nothing is doubted, nothing is loaded,
reached or evaluated but what is named, and only what the proof does not speak of is
looked at: prototypes, timers, commands, decoded texts.
"""

from __future__ import annotations

import re

from tree_sitter import Node

from policy.scanner.detection.merges import may_hold_merge
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
# Texts that somebody decodes or puts together: any call may be given them.
_DECODING = re.compile(
    rb"atob|fromCharCode|fromCodePoint|charCodeAt|\.reverse\(|['\"](?:hex|base64)['\"]"
    rb"|\\x[2-7]|\\u00[2-7]|\\u\{|unescape|decodeURI"
    rb"|['\"](?:child|worker|perf|dgr|node:)\w*['\"]\s*[+,]"
)
# The names of modules that are not simply let pass, however they are come by.
_NAMED = re.compile(
    rb"createRequire|getPrototypeOf|set(?:Timeout|Interval|Immediate)\b(?!\s*\()"
    rb"|binding|dlopen|_linkedBinding|['\"`](?:node:)?(?:timers|%b)['\"`/]"
    % "|".join(sorted(FORBIDDEN_MODULES | UNCOVERED_BUILTINS)).encode()
)
# A prototype of the runtime's under another name: any write may be one to it.
_PROTOTYPE_HELD = re.compile(
    rb"\.prototype\s*[;,)\n]|__proto__\s*[;,)\n]|__lookup[GS]etter__"
)
_LEFT = re.compile(rb"\[|proto|constructor|NODE_OPTIONS")
_LOUD = frozenset(("import_statement", "export_statement", "with_statement", "pair"))


class Interest:
    """Says of each place whether it is folded."""

    def __init__(self, source: bytes, proof: Proof) -> None:
        self.source = source
        loaded = [text for load in proof.loads for text in load.texts]
        is_proved = not proof.doubts and all(map(is_harmless_module, loaded))
        is_proved = is_proved and _NAMED.search(source) is None
        is_proved = is_proved and _PROTOTYPE_HELD.search(source) is None
        self.is_quiet = is_proved and _DECODING.search(source) is None
        self.may_merge = may_hold_merge(source)

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
        return _CALLEE.search(self.source[start : callee.end_byte]) is not None
