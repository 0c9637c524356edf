"""Code made from text: eval, Function, timers."""

from __future__ import annotations

import re

from tree_sitter import Node

from policy.scanner.detection.findings import (
    FLAGGED,
    FORBIDDEN,
    VISIBLE,
    Detector,
)
from policy.scanner.families import (
    ASSEMBLIES,
    DECODINGS,
    ENCODINGS,
)
from policy.scanner.parsing.scopes import text_of, unwrap
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.values import (
    Host,
    Text,
    Value,
    Via,
    merge_via,
    options,
)

# Old ways to the global object: text, but always the same and harmless.
HARMLESS_CODE = frozenset(
    ("", "this", "return this", "return this;", "return globalThis", "return  this")
)
# What javascript-obfuscator puts into every program that it defends.
_FINDS_GLOBAL = re.compile(
    r"""return ?\(function\(\) ?\{\}\.constructor\(["']return this["']\)\( ?\)\);?"""
)
_TELLING_WORDS = ("process", "require", "eval", "Function", "constructor", "import")


def judge_code(
    detector: Detector, node: Node, name: str, arguments: list[Value], via: Via
) -> None:
    """Judge a call that makes code of text."""
    hidden = via - VISIBLE
    payload = arguments[-1] if arguments else Text("")
    made = merge_via(payload) if arguments else frozenset()
    text = to_text(payload) if not isinstance(payload, Host) else None
    constant = [to_text(argument) for argument in arguments]
    if text is not None and is_harmless(text.strip(), made):
        why = f"{name} of text that only finds the global object"
        detector.add(node, "harmless-code", FLAGGED, why, via)
        return
    assembled = is_disguised(node, name, text, made)
    if is_spelled_out(node, name):
        hidden = frozenset()
    if name == "eval" and node.child_by_field_name("optional_chain") is not None:
        # eval?.(…) is indirect, and nobody writes it for any other end.
        hidden = hidden | {"indirect-eval"}
    if name not in ("eval", "Function"):
        hidden = hidden | {"constructor-chain"}
    if hidden or assembled:
        why = f"{name} makes code of text in a disguise"
        detector.add(node, "hidden-code", FORBIDDEN, why, hidden | made)
    else:
        why = f"{name} makes code of text"
        detector.add(node, "code-from-text", FLAGGED, why, via)
    for code in constant:
        if code:
            detector.nested(node, code, hidden | made | {"code-in-text"})


def is_harmless(text: str, made: Via) -> bool:
    """Return whether code only finds the global object, and is not decoded for it.

    An obfuscator's own text is harmless by whatever way it is fetched.
    """
    if _FINDS_GLOBAL.fullmatch(text):
        return True
    return text in HARMLESS_CODE and not made & ENCODINGS


def is_disguised(node: Node, name: str, text: str | None, made: Via) -> bool:
    """Return whether the code that a call makes was put together to be unreadable.

    Template engines build code from many readable pieces for `new Function`;
    nobody does so for eval, or in the middle of a telling word.
    """
    if made & DECODINGS:
        return True
    if text is None or not made & ASSEMBLIES:
        return False
    written = text_of(node)
    split = (word in text and word not in written for word in _TELLING_WORDS)
    return name == "eval" or any(split)


def judge_timer(
    detector: Detector, node: Node, name: str, first: Value, via: Via
) -> None:
    """Judge a timer's first argument: text is run as code, and so is eval."""
    for option in options(first):
        if isinstance(option, Host) and option.name == "eval":
            why = f"{name} is given eval to run"
            detector.add(node, "escaping-eval", FORBIDDEN, why, {"escaping-eval"} | via)
        if not isinstance(option, Text) and not option.textual:
            continue
        why = f"{name} of text is eval later"
        techniques = via | option.via | {"string-timer"}
        detector.add(node, "string-timer", FORBIDDEN, why, techniques)
        if isinstance(option, Text):
            detector.nested(node, option.text, techniques)


def is_spelled_out(call: Node, name: str) -> bool:
    """Return whether the callee is called what it is, however it came by that name.

    `Function.apply(…)` and `$Function(…)` hide nothing; `eval.call(…)` has no use but
    to be indirect.
    """
    callee = unwrap(call.child_by_field_name("function"))
    if callee is None:
        callee = unwrap(call.child_by_field_name("constructor"))
    if callee is not None and callee.type == "member_expression":
        parts = text_of(callee).split(".")
        return name == "Function" and parts in (
            ["Function", "apply"],
            ["Function", "call"],
        )
    if callee is None or callee.type != "identifier":
        return False
    return text_of(callee).strip("$_") == name
