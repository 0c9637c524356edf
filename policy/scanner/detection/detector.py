"""Visit every site of a program, and hold it against the rules."""

from __future__ import annotations

from collections.abc import Callable

from tree_sitter import Node

from policy.scanner.coercion import to_text
from policy.scanner.detection.calls import CallRules
from policy.scanner.detection.findings import (
    BINDINGS,
    FLAGGED,
    MAX_ENTRIES,
    SAFE,
    Findings,
)
from policy.scanner.families import (
    ASSEMBLIES,
)
from policy.scanner.folding import MAX_CODE_NESTING, Budget, Folder
from policy.scanner.program import build_program
from policy.scanner.scopes import (
    Scope,
    Site,
)
from policy.scanner.syntax import Syntax, error_nodes, parse
from policy.scanner.values import (
    Host,
    Via,
    options,
)

_TELLING_MEMBERS = frozenset((b"binding", b"dlopen", b"_linkedBinding"))
# Dotted access to a global is as easy to read as the bare name.
_DOORS = frozenset(("process", "globalThis", "module", "require", "Reflect"))


def detect(
    syntax: Syntax, path: str, *, budget: Budget | None = None, nesting: int = 0
) -> Findings:
    """Return the entries for a parsed file; never raises for what it contains."""
    program = build_program(syntax.root)
    budget = budget or Budget()
    folder = Folder(program, budget, nesting)
    detector = _Detector(syntax, path, program, folder)
    detector.run()
    return detector.findings()


class _Detector(CallRules):
    """All rules together, and the walk over the sites."""

    def run(self) -> None:
        for site in self.program.sites:
            handler = _HANDLERS.get(site.node.type)
            if handler is not None:
                self.judge(handler, site)
            if len(self.entries) >= MAX_ENTRIES:
                break
        for site in self.program.escapes:
            self.escaping(site)
        for node in error_nodes(self.syntax):
            self.syntax_error(node)

    def judge(self, handler: _SiteHandler, site: Site) -> None:
        """Judge one site; the folder's depth limit keeps well inside Python's stack."""
        try:
            handler(self, site.node, site.scope)
        except RecursionError:
            self.folder.budget.cut_sites += 1
            self.folder.reset()

    def findings(self) -> Findings:
        reason = ""
        if not self.program.is_complete:
            reason = "it has more nodes than are walked"
        elif self.folder.budget.exhausted:
            reason = "its expressions take more steps to fold than are spent"
        elif self.folder.budget.cut_sites:
            reason = "some expressions take more steps to fold than are spent on one"
        elif len(self.entries) >= MAX_ENTRIES:
            reason = f"it has more than {MAX_ENTRIES} findings"
        ordered = sorted(
            self.entries.values(), key=lambda e: (e.line, e.column, e.rule)
        )
        return Findings(ordered, not reason, reason)

    def nested(self, node: Node, code: str, via: Via) -> None:
        """Scan code that a string carries, and report it at the place that runs it."""
        if self.folder.nesting >= MAX_CODE_NESTING:
            return
        syntax = parse(code.encode("utf-8", "replace"), "javascript")
        inner = detect(
            syntax,
            self.path,
            budget=self.folder.budget,
            nesting=self.folder.nesting + 1,
        )
        for entry in inner.entries:
            if entry.classification is SAFE or entry.rule == "syntax-error":
                continue
            why = f"In the code that it runs: {entry.why.rstrip('.')}"
            techniques = via | set(entry.techniques)
            self.add(node, entry.rule, entry.classification, why, techniques)

    def member(self, node: Node, scope: Scope) -> None:
        """Flag the runtime's internals taken as a value: the call is out of sight."""
        if node.id in self.callees:
            if node.type == "subscript_expression":
                self.unknown_key(node, scope)
            return
        if node.type == "member_expression":
            name = node.child_by_field_name("property")
            written = (name.text or b"") if name is not None else b""
            if written not in _TELLING_MEMBERS and b"\\" not in written:
                return
        if node.type == "subscript_expression":
            self.unknown_key(node, scope)
        value = self.folder.fold(node, scope)
        for option in options(value):
            if isinstance(option, Host) and option.name in BINDINGS:
                hidden = option.via & (ASSEMBLIES | {"computed-member"})
                why = f"{option.name} is taken as a value"
                self.add(node, "internals-as-value", FLAGGED, why, hidden)

    def unknown_key(self, node: Node, scope: Scope) -> None:
        """Flag a member of the runtime's own objects that only running would name."""
        owner = self.folder.fold(node.child_by_field_name("object"), scope)
        names = {o.name for o in options(owner) if isinstance(o, Host)} & _DOORS
        if not names or self.folder.member_key(node, scope)[0] is not None:
            return
        index = self.folder.fold(node.child_by_field_name("index"), scope)
        if all(to_text(option) is not None for option in options(index)):
            return
        why = f"Which member of {min(names)} this is is known only when it runs"
        techniques = {"dynamic-member"} | index.via
        self.add(node, "dynamic-member", FLAGGED, why, techniques)

    def with_statement(self, node: Node, scope: Scope) -> None:
        why = "with makes names depend on an object: they cannot be told by reading"
        self.add(node, "with-statement", FLAGGED, why, {"with-statement"})

    def escaping(self, site: Site) -> None:
        """Flag eval as a value, outside of calls and arguments."""
        if site.node.id in self.callees:
            return
        value = self.folder.fold(site.node, site.scope)
        if isinstance(value, Host) and value.name == "eval":
            why = "eval is taken as a value"
            self.add(site.node, "eval-as-value", FLAGGED, why, value.via)

    def syntax_error(self, node: Node) -> None:
        why = "The grammar cannot read this, so that what it does is not known"
        self.add(node, "syntax-error", FLAGGED, why, {"unreadable-code"})


_SiteHandler = Callable[[_Detector, Node, Scope], None]
_HANDLERS: dict[str, _SiteHandler] = {
    "import_statement": _Detector.import_statement,
    "export_statement": _Detector.export_statement,
    "call_expression": _Detector.call,
    "new_expression": _Detector.call,
    "member_expression": _Detector.member,
    "subscript_expression": _Detector.member,
    "assignment_expression": _Detector.assignment,
    "augmented_assignment_expression": _Detector.assignment,
    "pair": _Detector.pair,
    "with_statement": _Detector.with_statement,
}
