"""Recognise a recursive merge that follows `__proto__`."""

from __future__ import annotations

import re

from tree_sitter import Node

_GUARD = re.compile(
    rb"__proto__|hasOwn|Object\.create\(null\)|isPlainObject|['\"]constructor['\"]"
)
_KEYED_LOOP = re.compile(
    rb"for\s*\(\s*+(?:(?:const|let|var)\s++)?[\w$]+\s+in\b|Object\.(?:keys|entries)\("
    rb"|Reflect\.ownKeys\("
)
_KEYED_WRITE = re.compile(rb"[\w$]\s*\[\s*([\w$]+)\s*\]\s*=(?!=)")
MAX_MERGE_BYTES = 4000


def may_hold_merge(source: bytes) -> bool:
    """Return whether a file has what every merge has, at the price of a search."""
    return bool(_KEYED_LOOP.search(source) and _KEYED_WRITE.search(source))


def is_unsafe_merge(function: Node, callee: str) -> bool:
    """Return whether a function that calls `callee` is an unguarded merge of that name.

    It loops over the keys of one object, writes the same keys of another, calls
    itself for what is nested, and never asks what a key is called.
    """
    if function.end_byte - function.start_byte > MAX_MERGE_BYTES:
        return False
    text = function.text or b""
    name = callee.encode()
    if not _is_named(function, text, name):
        return False
    recursive = rb"\b" + re.escape(name) + rb"\s*\([^;]*?\[\s*[\w$]+\s*\]"
    return (
        _KEYED_LOOP.search(text) is not None
        and _KEYED_WRITE.search(text) is not None
        and re.search(recursive, text) is not None
        and _GUARD.search(text) is None
    )


def _is_named(function: Node, text: bytes, name: bytes) -> bool:
    """Return whether a function has a name, its own or that of its variable."""
    node = function.child_by_field_name("name")
    if node is not None:
        return node.text == name
    # An arrow or anonymous function: its name is the variable's that holds it.
    parent = function.parent
    holder = parent.child_by_field_name("name") if parent is not None else None
    return holder is not None and holder.text == name
