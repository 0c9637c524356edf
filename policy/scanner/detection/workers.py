"""Workers: what a worker is made of, and whether that can be seen."""

from __future__ import annotations

from tree_sitter import Node

from policy.scanner.detection.findings import FLAGGED, FORBIDDEN, Detector
from policy.scanner.detection.modules import judge_data_url
from policy.scanner.families import ENCODINGS
from policy.scanner.modules import scheme_of
from policy.scanner.parsing.program import build_program
from policy.scanner.parsing.scopes import arguments_of, find_binding, text_of
from policy.scanner.parsing.syntax import parse
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.literals import unescape
from policy.scanner.semantics.values import (
    UNKNOWN,
    Blob,
    Constant,
    Object,
    Value,
    Via,
    merge_via,
    options,
)

# What a browser gives a worker to call; of these, importScripts is flagged by itself.
_CALLED = frozenset(
    [
        "addEventListener",
        "atob",
        "Array",
        "BigInt",
        "Boolean",
        "btoa",
        "cancelAnimationFrame",
        "clearInterval",
        "clearTimeout",
        "close",
        "createImageBitmap",
        "decodeURIComponent",
        "encodeURIComponent",
        "Error",
        "fetch",
        "importScripts",
        "isFinite",
        "isNaN",
        "Number",
        "Object",
        "parseFloat",
        "parseInt",
        "postMessage",
        "queueMicrotask",
        "removeEventListener",
        "requestAnimationFrame",
        "String",
        "structuredClone",
        "Symbol",
    ]
)
_LOADER = "importScripts"
_OF_LOADING = {"unreadable-code"}
_NO_ADDRESS = (Constant(None), Constant(...))


def judge_worker(
    detector: Detector, node: Node, arguments: list[Value], via: Via
) -> None:
    """Judge a new worker by where its code comes from: a file, a URL, or text."""
    first = arguments[0] if arguments else UNKNOWN
    second = arguments[1] if len(arguments) > 1 else UNKNOWN
    text = to_text(first) or _address(node)
    made = merge_via(first)
    is_text = scheme_of(text) in ("data", "blob")
    is_text = is_text or (isinstance(second, Object) and "eval" in second.members)
    techniques = via | first.via
    if not is_text and "blob-worker" in made and not (made | via) & ENCODINGS:
        is_plain = _judge_blobs(detector, node, first, techniques | {"blob-worker"})
        if is_plain:
            return
    if is_text or "blob-worker" in made:
        why = "A worker runs code made from text"
        detector.add(node, "blob-worker", FORBIDDEN, why, techniques | {"blob-worker"})
        if scheme_of(text) == "data":
            judge_data_url(detector, node, text, techniques)
    else:
        why = "A worker runs outside of this source's view"
        detector.add(node, "worker", FLAGGED, why, techniques)


def _judge_blobs(
    detector: Detector, node: Node, address: Value, techniques: Via
) -> bool:
    """Flag a worker all of whose texts stand in the source and are seen to be harmless.

    Return whether that is so: they are read with the source.
    """
    blobs = [o for o in options(address) if o not in _NO_ADDRESS]
    texts = [blob.text for blob in blobs if isinstance(blob, Blob)]
    if len(texts) < len(blobs) or not all(map(_calls_what_is_known, texts)):
        return False
    known = set(detector.entries)
    for text in texts:
        detector.nested(node, text, techniques)
    rules = {rule for _, rule, _ in set(detector.entries) - known}
    if not texts or detector.is_full or not rules <= _OF_LOADING:
        return False
    why = "A worker runs code from a text that stands in the source"
    detector.add(node, "blob-worker", FLAGGED, why, techniques)
    return True


def _calls_what_is_known(code: str) -> bool:
    """Return whether a worker's code calls nothing but its own and the browser's.

    What it may have from importScripts is in doubt, and flagged for that.
    """
    syntax = parse(code.encode("utf-8", "replace"), "javascript")
    program = build_program(syntax.root)
    if syntax.root.has_error or not program.is_complete:
        return False
    free = {
        name
        for name, sites in program.calls_by_name.items()
        if any(find_binding(name, site.scope) is None for site in sites)
    }
    return free <= _CALLED or _LOADER in free


def _address(call: Node) -> str:
    """Return the text of `new URL(text)`, where a worker is given one."""
    given = arguments_of(call)[:1]
    if not given or given[0].type != "new_expression":
        return ""
    made = given[0].child_by_field_name("constructor")
    texts = arguments_of(given[0])[:1]
    if made is None or text_of(made) != "URL" or not texts:
        return ""
    return unescape(text_of(texts[0])[1:-1]) if texts[0].type == "string" else ""
