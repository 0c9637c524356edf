"""Imports, exports and loads of modules."""

from __future__ import annotations

import urllib.parse

from tree_sitter import Node

from policy.scanner.builtins.decoders import decode_base64
from policy.scanner.detection.findings import (
    FLAGGED,
    FORBIDDEN,
    SAFE,
    VISIBLE,
    Detector,
)
from policy.scanner.families import (
    ASSEMBLIES,
    ENCODINGS,
)
from policy.scanner.modules import (
    FORBIDDEN_MODULES,
    UNCOVERED_BUILTINS,
    builtin_name,
    is_native_addon,
    is_outside,
    scheme_of,
)
from policy.scanner.parsing.scopes import (
    Scope,
)
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.values import (
    Array,
    Host,
    Method,
    Text,
    Value,
    Via,
    options,
)


def is_type_only(node: Node) -> bool:
    """Tell `import type …` and `export type …`, which leave nothing to run."""
    return any(child.type in ("type", "typeof") for child in node.children[:3])


def judge_import(detector: Detector, node: Node, scope: Scope) -> None:
    """Judge the module of an import statement that leaves something to run."""
    source = node.child_by_field_name("source")
    for clause in node.named_children:
        if clause.type == "import_require_clause":
            source = clause.child_by_field_name("source")
    if source is None or is_type_only(node):
        return
    judge_module(detector, node, detector.folder.fold(source, scope), "import")


def judge_export(detector: Detector, node: Node, scope: Scope) -> None:
    """Judge the module of an `export … from` that leaves something to run."""
    source = node.child_by_field_name("source")
    if source is not None and not is_type_only(node):
        judge_module(detector, node, detector.folder.fold(source, scope), "re-export")


def judge_module(
    detector: Detector, node: Node, value: Value, how: str, via: Via = frozenset()
) -> None:
    """Judge the module that an import, export or loader call names."""
    for option in options(value):
        text = to_text(option) if isinstance(option, (Text, Array)) else None
        techniques = option.via | via
        if text is None:
            judge_dynamic(detector, node, option, how, via)
        else:
            judge_named_module(detector, node, text, how, techniques)


def judge_dynamic(
    detector: Detector, node: Node, value: Value, how: str, via: Via
) -> None:
    """Flag a module whose name is known only at run time."""
    is_unknown = type(value) is Value or isinstance(value, (Host, Method))
    if not is_unknown and not value.textual:
        return
    detector.add(
        node,
        "dynamic-module",
        FLAGGED,
        f"The module of this {how} is known only when it runs",
        {"dynamic-module"} | (value.via & ENCODINGS) | (via - VISIBLE),
    )


def judge_named_module(
    detector: Detector, node: Node, text: str, how: str, via: Via
) -> None:
    """Judge a module by its name: built-in, compiled, a URL, or a file."""
    name = builtin_name(text)
    if text.startswith("."):
        detector.loads.add(text)
    if name in FORBIDDEN_MODULES:
        why = f"This {how} loads the forbidden module {name}"
        detector.add(node, "forbidden-module", FORBIDDEN, why, via)
    elif is_native_addon(text):
        why = f"This {how} loads compiled code, as process.dlopen does"
        detector.add(node, "native-addon", FORBIDDEN, why, via | {"native-addon"})
    elif scheme_of(text) == "data":
        judge_data_url(detector, node, text, via)
    elif scheme_of(text) in ("http", "https", "blob"):
        why = f"This {how} loads code from a {scheme_of(text)} URL"
        detector.add(node, "remote-module", FLAGGED, why, via)
    elif is_outside(text):
        why = f"This {how} runs a file that is no part of this source"
        detector.add(node, "outside-module", FLAGGED, why, via | {"dynamic-module"})
    elif name is not None:
        judge_builtin(detector, node, name, how, via)
    elif via & ENCODINGS:
        why = f"The name of the module of this {how} is hidden"
        detector.add(node, "hidden-module-name", FLAGGED, why, via)


def judge_builtin(
    detector: Detector, node: Node, name: str, how: str, via: Via
) -> None:
    """Judge a Node built-in by whether a rewrite covers it, and by how it is named."""
    if name in UNCOVERED_BUILTINS:
        why = f"This {how} loads the Node built-in {name}, which no rewrite covers"
        detector.add(node, "uncovered-builtin", FLAGGED, why, via)
    elif via & ASSEMBLIES:
        why = f"The name of the built-in {name} is hidden in this {how}"
        detector.add(node, "hidden-module-name", FLAGGED, why, via)
    else:
        why = f"This {how} loads the Node built-in {name}, which a rewrite covers"
        detector.add(node, "covered-builtin", SAFE, why, via)


def judge_data_url(detector: Detector, node: Node, text: str, via: Via) -> None:
    """Flag code in a data URL, and judge that code as well."""
    why = "Code is loaded from a data URL, where no scanner of files sees it"
    detector.add(node, "data-url", FORBIDDEN, why, via | {"data-url"})
    head, _, body = text.partition(",")
    if head.rstrip().endswith(";base64"):
        code = decode_base64(body).decode("utf-8", "replace")
    else:
        code = urllib.parse.unquote(body)
    detector.nested(node, code, via | {"data-url"})
