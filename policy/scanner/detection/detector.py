"""Visit every site of a program, and hold it against the rules."""

from __future__ import annotations

from collections.abc import Callable

from tree_sitter import Node

from policy.scanner.detection.calls import judge_call
from policy.scanner.detection.findings import (
    BINDINGS,
    FLAGGED,
    MAX_ENTRIES,
    SAFE,
    Detector,
    Findings,
)
from policy.scanner.detection.modules import (
    judge_export,
    judge_import,
    judge_named_module,
)
from policy.scanner.detection.names_at_hand import name_doubts
from policy.scanner.detection.pollution import judge_assignment, judge_pair
from policy.scanner.detection.quiet import Interest
from policy.scanner.detection.shapes import Shape, find_shapes
from policy.scanner.detection.showing import show_findings
from policy.scanner.families import (
    ASSEMBLIES,
)
from policy.scanner.folding import MAX_CODE_NESTING, Budget, Folder
from policy.scanner.limits import OverTimeError
from policy.scanner.parsing.program import build_program
from policy.scanner.parsing.scopes import (
    Scope,
    Site,
)
from policy.scanner.parsing.syntax import Syntax, error_nodes, parse
from policy.scanner.proof import Proof, prove
from policy.scanner.running import find_decoders
from policy.scanner.semantics.coercion import to_text
from policy.scanner.semantics.values import (
    PLAIN,
    Host,
    Via,
    options,
)

_SITES_BETWEEN_LOOKS = 64
# Dotted access to a global is as easy to read as the bare name.
_DOORS = frozenset(("process", "globalThis", "module", "require", "Reflect"))


def detect(
    syntax: Syntax, path: str, *, budget: Budget | None = None, nesting: int = 0
) -> Findings:
    """Return the entries for a parsed file; never raises for what it contains."""
    budget = budget or Budget()
    program = build_program(syntax.root, clock=budget.clock)
    folder = Folder(program, budget, nesting)
    detector = Detector(syntax, path, program, folder, _scan_nested)
    try:
        folder.decoders = find_decoders(syntax.root, syntax.source, budget.clock)
        proof = prove(syntax)
        _run(detector, Interest(syntax.source, proof, may_merge=detector.may_merge))
        add_doubts(detector, proof)
        name_doubts(detector, proof)
    except (OverTimeError, MemoryError):
        budget.exhausted = True
    findings = _conclude(detector)
    program.release()
    return findings


def _run(detector: Detector, interest: Interest) -> None:
    """Judge every site, escape, syntax error and shape of a file, up to the limit."""
    for index, site in enumerate(detector.program.sites):
        if index % _SITES_BETWEEN_LOOKS == 0:
            detector.folder.budget.clock.check()
        handler = _HANDLERS.get(site.kind)
        if handler is not None and interest.has(site.node, site.kind):
            _judge_site(detector, handler, site)
        if detector.is_full:
            break
    for site in detector.program.escapes:
        judge_escaping(detector, site)
    for node in error_nodes(detector.syntax):
        judge_syntax_error(detector, node)
    for shape in find_shapes(detector.syntax.source):
        judge_shape(detector, shape)


def add_doubts(detector: Detector, proof: Proof) -> None:
    """Flag what is not proved, and judge every load, unless worse is known."""
    known = {
        key[0]
        for key, entry in detector.entries.items()
        if entry.classification is not SAFE
    }
    for load in proof.loads:
        if load.node.start_byte not in known:
            for text in sorted(load.texts):
                judge_named_module(detector, load.node, text, load.how, PLAIN)
    for doubt in proof.doubts:
        start = doubt.node.start_byte
        detector.entries.pop((start, "covered-builtin", SAFE), None)
        if start not in known:
            pollutes = doubt.rule == "prototype-write"
            techniques = {"prototype-pollution" if pollutes else "unproved"}
            detector.add(doubt.node, doubt.rule, FLAGGED, doubt.why, techniques)


def _judge_site(detector: Detector, handler: _SiteHandler, site: Site) -> None:
    """Judge one site; the folder's depth limit keeps well inside Python's stack."""
    try:
        handler(detector, site.node, site.scope)
    except RecursionError:
        detector.folder.budget.cut_sites += 1
        detector.folder.reset()


def _conclude(detector: Detector) -> Findings:
    """Return the entries by position, and why the analysis is incomplete, if it is."""
    reason = ""
    if not detector.program.is_complete:
        reason = "it has more nodes than are walked"
    elif detector.folder.budget.exhausted:
        reason = "it takes more steps, time or memory than are spent on a file"
    elif detector.folder.budget.cut_sites:
        reason = "some expressions take more steps to fold than are spent on one"
    elif detector.is_full:
        reason = f"it has more than {MAX_ENTRIES} findings"
    show_findings(detector)
    ordered = sorted(
        detector.entries.values(), key=lambda e: (e.line, e.column, e.rule)
    )
    return Findings(ordered, not reason, reason, tuple(sorted(detector.loads)))


def _scan_nested(detector: Detector, node: Node, code: str, via: Via) -> None:
    """Scan code that a string carries, and report it at the place that runs it."""
    if detector.folder.nesting >= MAX_CODE_NESTING:
        return
    syntax = parse(code.encode("utf-8", "replace"), "javascript")
    inner = detect(
        syntax,
        detector.path,
        budget=detector.folder.budget,
        nesting=detector.folder.nesting + 1,
    )
    detector.loads.update(inner.loads)
    for entry in inner.entries:
        if entry.classification is SAFE or entry.rule == "syntax-error":
            continue
        why = f"In the code that it runs: {entry.why.rstrip('.')}"
        techniques = via | set(entry.techniques)
        detector.add(node, entry.rule, entry.classification, why, techniques)


def judge_member(detector: Detector, node: Node, scope: Scope) -> None:
    """Flag the runtime's internals taken as a value: the call is out of sight."""
    if node.id in detector.callees:
        if node.type == "subscript_expression":
            judge_unknown_key(detector, node, scope)
        return
    if node.type == "subscript_expression":
        judge_unknown_key(detector, node, scope)
    value = detector.folder.fold(node, scope)
    for option in options(value):
        if isinstance(option, Host) and option.name in BINDINGS:
            hidden = option.via & (ASSEMBLIES | {"computed-member"})
            why = f"{option.name} is taken as a value"
            detector.add(node, "internals-as-value", FLAGGED, why, hidden)


def judge_unknown_key(detector: Detector, node: Node, scope: Scope) -> None:
    """Flag a member of the runtime's own objects that only running would name."""
    owner = detector.folder.fold(node.child_by_field_name("object"), scope)
    names = {o.name for o in options(owner) if isinstance(o, Host)} & _DOORS
    if not names or detector.folder.member_key(node, scope)[0] is not None:
        return
    index = detector.folder.fold(node.child_by_field_name("index"), scope)
    if all(to_text(option) is not None for option in options(index)):
        return
    why = f"Which member of {min(names)} this is is known only when it runs"
    techniques = {"dynamic-member"} | index.via
    detector.add(node, "dynamic-member", FLAGGED, why, techniques)


def judge_with(detector: Detector, node: Node, scope: Scope) -> None:
    """Flag a `with` statement: the names in it depend on an object."""
    why = "with makes names depend on an object: they cannot be told by reading"
    detector.add(node, "with-statement", FLAGGED, why, {"with-statement"})


def judge_escaping(detector: Detector, site: Site) -> None:
    """Flag eval as a value, outside of calls and arguments."""
    if site.node.id in detector.callees:
        return
    value = detector.folder.fold(site.node, site.scope)
    if isinstance(value, Host) and value.name == "eval":
        why = "eval is taken as a value"
        detector.add(site.node, "eval-as-value", FLAGGED, why, value.via)


def judge_shape(detector: Detector, shape: Shape) -> None:
    """Flag a stretch of source that looks as obfuscators write it."""
    root = detector.syntax.root
    node = root.descendant_for_byte_range(shape.start, shape.start + 1) or root
    why = f"This is obfuscated code: {shape.what}"
    detector.add(node, "obfuscated-code", FLAGGED, why, {"obfuscated-code"})


def judge_syntax_error(detector: Detector, node: Node) -> None:
    """Flag what the grammar cannot read."""
    why = "The grammar cannot read this, so that what it does is not known"
    detector.add(node, "syntax-error", FLAGGED, why, {"unreadable-code"})


_SiteHandler = Callable[[Detector, Node, Scope], None]
_HANDLERS: dict[str, _SiteHandler] = {
    "import_statement": judge_import,
    "export_statement": judge_export,
    "call_expression": judge_call,
    "new_expression": judge_call,
    "member_expression": judge_member,
    "subscript_expression": judge_member,
    "assignment_expression": judge_assignment,
    "augmented_assignment_expression": judge_assignment,
    "pair": judge_pair,
    "with_statement": judge_with,
}
