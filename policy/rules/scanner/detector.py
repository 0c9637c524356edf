"""Find what is forbidden or flagged in a parsed file.

Each site of the program (a call, an import, a member, an assignment) is folded, and
what it comes to is held against the rules. docs/scanner.md gives the reasons for
each classification.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tree_sitter import Node

from policy.rules.scanner.coercion import to_text
from policy.rules.scanner.entries import Classification, Entry
from policy.rules.scanner.families import (
    ASSEMBLIES,
    DECODINGS,
    DIRECT,
    ENCODINGS,
    FAMILIES,
    describe,
    order_techniques,
    primary_family,
)
from policy.rules.scanner.folding import MAX_CODE_NESTING, Budget, Folder, unpack_call
from policy.rules.scanner.hosts import CODE_MAKERS
from policy.rules.scanner.merges import is_unsafe_merge
from policy.rules.scanner.modules import (
    FORBIDDEN_MODULES,
    TELLING_NAMES,
    UNCOVERED_BUILTINS,
    builtin_name,
    is_native_addon,
    scheme_of,
)
from policy.rules.scanner.natives import decode_base64
from policy.rules.scanner.scopes import (
    FUNCTIONS,
    Program,
    Scope,
    Site,
    arguments_of,
    build_program,
    text_of,
    unwrap,
)
from policy.rules.scanner.syntax import Syntax, error_nodes, parse
from policy.rules.scanner.values import (
    UNKNOWN,
    Array,
    Code,
    Function,
    Host,
    Method,
    Object,
    Text,
    Value,
    Via,
    merge_via,
    options,
)

FORBIDDEN, FLAGGED, SAFE = (
    Classification.FORBIDDEN,
    Classification.FLAGGED,
    Classification.SAFE,
)
MAX_EXCERPT = 160
MAX_ENTRIES = 2_000
LOADERS = frozenset(("require", "import", "process.getBuiltinModule"))
_BINDINGS = frozenset(("process.binding", "process.dlopen", "process._linkedBinding"))
_TIMERS = frozenset(("setTimeout", "setInterval", "setImmediate", "execScript"))
_WORKERS = frozenset(("Worker", "SharedWorker"))
_UNREADABLE = frozenset(
    [
        "importScripts",
        "WebAssembly.instantiate",
        "WebAssembly.compile",
        "WebAssembly.Module",
        "WebAssembly.instantiateStreaming",
        "WebAssembly.compileStreaming",
    ]
)
_SET_PROTOTYPE = frozenset(("Object.setPrototypeOf", "Reflect.setPrototypeOf"))
_DEFINERS = frozenset(
    [
        "Object.defineProperty",
        "Reflect.defineProperty",
        "Object.defineProperties",
        "Object.assign",
        "Reflect.set",
    ]
)
_PROTOTYPES = frozenset(("Object.prototype", "?.__proto__", "?.prototype"))
# Old ways to the global object: text, but always the same and harmless.
HARMLESS_CODE = frozenset(
    ("", "this", "return this", "return this;", "return globalThis", "return  this")
)
_TELLING_WORDS = ("process", "require", "eval", "Function", "constructor", "import")
_RUNNERS = frozenset(
    ["exec", "execSync", "execFile", "execFileSync", "spawn", "spawnSync", "fork"]
)
_TELLING_MEMBERS = frozenset((b"binding", b"dlopen", b"_linkedBinding"))
# Dotted access to a global is as easy to read as the bare name.
_DOORS = frozenset(("process", "globalThis", "module", "require", "Reflect"))
_VISIBLE = frozenset(("global-object", "this-object"))


@dataclass
class Findings:
    """What a file's detection came to."""

    entries: list[Entry] = field(default_factory=list)
    is_complete: bool = True
    incomplete_because: str = ""


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


class _Detector:
    def __init__(
        self, syntax: Syntax, path: str, program: Program, folder: Folder
    ) -> None:
        self.syntax, self.path = syntax, path
        self.program, self.folder = program, folder
        self.entries: dict[tuple[int, str, Classification], Entry] = {}
        self.callees: set[int] = set()

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

    def add(
        self,
        node: Node,
        rule: str,
        classification: Classification,
        why: str,
        via: Iterable[str] = (),
    ) -> None:
        """Record an entry; of several for one place and rule, the worst stays."""
        key = (node.start_byte, rule, classification)
        if key in self.entries:
            return
        techniques = order_techniques(set(via))
        family = FAMILIES[primary_family(techniques)]
        hidden = describe(techniques)
        line, column = self.position(node)
        self.entries[key] = Entry(
            file=self.path,
            line=line,
            column=column,
            rule=rule,
            classification=classification,
            excerpt=excerpt(node),
            why=f"{why} ({hidden})." if hidden else f"{why}.",
            family=family.name,
            techniques=techniques,
            suggested_pattern=family.suggested_pattern,
            regression_test_idea=family.regression_test_idea,
            end_line=node.end_point.row + 1,
        )

    def position(self, node: Node) -> tuple[int, int]:
        row, column_bytes = node.start_point
        start = node.start_byte - column_bytes
        prefix = self.syntax.source[start : node.start_byte]
        return row + 1, len(prefix.decode("utf-8", "replace")) + 1

    # Imports and exports

    def import_statement(self, node: Node, scope: Scope) -> None:
        source = node.child_by_field_name("source")
        for clause in node.named_children:
            if clause.type == "import_require_clause":
                source = clause.child_by_field_name("source")
        if source is None or self.is_type_only(node):
            return
        self.module(node, self.folder.fold(source, scope), "import")

    def export_statement(self, node: Node, scope: Scope) -> None:
        source = node.child_by_field_name("source")
        if source is not None and not self.is_type_only(node):
            self.module(node, self.folder.fold(source, scope), "re-export")

    @staticmethod
    def is_type_only(node: Node) -> bool:
        """Tell `import type …` and `export type …`, which leave nothing to run."""
        return any(child.type in ("type", "typeof") for child in node.children[:3])

    def module(
        self, node: Node, value: Value, how: str, via: Via = frozenset()
    ) -> None:
        """Judge the module that an import, export or loader call names."""
        for option in options(value):
            text = to_text(option) if isinstance(option, (Text, Array)) else None
            techniques = option.via | via
            if text is None:
                self.dynamic(node, option, how, via)
            else:
                self.named_module(node, text, how, techniques)

    def dynamic(self, node: Node, value: Value, how: str, via: Via) -> None:
        is_unknown = type(value) is Value or isinstance(value, (Host, Method))
        if not is_unknown and not value.textual:
            return
        self.add(
            node,
            "dynamic-module",
            FLAGGED,
            f"The module of this {how} is known only when it runs",
            {"dynamic-module"} | (value.via & ENCODINGS) | (via - _VISIBLE),
        )

    def named_module(self, node: Node, text: str, how: str, via: Via) -> None:
        name = builtin_name(text)
        if name in FORBIDDEN_MODULES:
            why = f"This {how} loads the forbidden module {name}"
            self.add(node, "forbidden-module", FORBIDDEN, why, via)
        elif is_native_addon(text):
            why = f"This {how} loads compiled code, as process.dlopen does"
            self.add(node, "native-addon", FORBIDDEN, why, via | {"native-addon"})
        elif scheme_of(text) == "data":
            self.data_url(node, text, via)
        elif scheme_of(text) in ("http", "https", "blob"):
            why = f"This {how} loads code from a {scheme_of(text)} URL"
            self.add(node, "remote-module", FLAGGED, why, via)
        elif name is not None:
            self.builtin(node, name, how, via)
        elif via & ENCODINGS:
            why = f"The name of the module of this {how} is hidden"
            self.add(node, "hidden-module-name", FLAGGED, why, via)

    def builtin(self, node: Node, name: str, how: str, via: Via) -> None:
        if name in UNCOVERED_BUILTINS:
            why = f"This {how} loads the Node built-in {name}, which no rewrite covers"
            self.add(node, "uncovered-builtin", FLAGGED, why, via)
        elif via & ASSEMBLIES:
            why = f"The name of the built-in {name} is hidden in this {how}"
            self.add(node, "hidden-module-name", FLAGGED, why, via)
        else:
            why = f"This {how} loads the Node built-in {name}, which a rewrite covers"
            self.add(node, "covered-builtin", SAFE, why, via)

    def data_url(self, node: Node, text: str, via: Via) -> None:
        why = "Code is loaded from a data URL, where no scanner of files sees it"
        self.add(node, "data-url", FORBIDDEN, why, via | {"data-url"})
        head, _, body = text.partition(",")
        if head.rstrip().endswith(";base64"):
            code = decode_base64(body).decode("utf-8", "replace")
        else:
            code = urllib.parse.unquote(body)
        self.nested(node, code, via | {"data-url"})

    # Calls

    def call(self, node: Node, scope: Scope) -> None:
        callee = node.child_by_field_name("function")
        if callee is None:
            callee = node.child_by_field_name("constructor")
        inner = unwrap(callee)
        if inner is None:
            return
        self.callees.add(inner.id)
        if inner.type == "sequence_expression" and inner.named_children:
            self.callees.add(inner.named_children[-1].id)
        target = self.folder.callee(node, scope)
        for option in options(target):
            self.called(node, scope, option)
        if inner.type in FUNCTIONS:
            return
        self.merge_call(node, scope)

    def called(self, node: Node, scope: Scope, target: Value) -> None:
        if type(target) is Value:
            self.unknown_call(node, scope, target)
            return
        if isinstance(target, Function):
            self.callback_arguments(node, target, self.folder.arguments(node, scope))
            return
        if not isinstance(target, (Host, Method, Code)) and not self.is_bound(target):
            return
        arguments = self.folder.arguments(node, scope)
        target, arguments = unpack_call(target, arguments)
        if isinstance(target, Host):
            self.host_call(node, target, arguments)
        elif isinstance(target, Method):
            self.method_call(node, target, arguments)

    @staticmethod
    def is_bound(value: Value) -> bool:
        return type(value).__name__ == "Bound"

    def host_call(self, node: Node, target: Host, arguments: list[Value]) -> None:
        name, via = target.name, target.via
        first = arguments[0] if arguments else None
        if name in LOADERS:
            how = "dynamic import" if name == "import" else "require"
            via = via | {"loader-object"} if name.startswith("process") else via
            if first is not None:
                self.module(node, first, how, via)
        elif name in _BINDINGS:
            why = f"{name} reaches the runtime's own internals"
            self.add(node, name.replace(".", "-").replace("_", ""), FORBIDDEN, why, via)
        elif name == "eval":
            self.code(node, "eval", arguments[:1], via)
        elif name in CODE_MAKERS:
            self.code(node, name, arguments, via)
        elif name in _TIMERS and first is not None:
            self.timer(node, name, first, via)
        elif name in _WORKERS:
            self.worker(node, arguments, via)
        elif name in _UNREADABLE:
            why = f"{name} runs code that the scanner cannot read"
            self.add(node, "unreadable-code", FLAGGED, why, via | {"unreadable-code"})
        elif name == "createRequire":
            why = "createRequire makes a loader that imports do not show"
            self.add(node, "create-require", FLAGGED, why, via | {"create-require"})
        else:
            self.prototype_call(node, name, arguments, via)
        self.callback_arguments(node, target, arguments)

    def code(self, node: Node, name: str, arguments: list[Value], via: Via) -> None:
        """Judge a call that makes code of text."""
        hidden = via - _VISIBLE
        payload = arguments[-1] if arguments else Text("")
        made = merge_via(payload) if arguments else frozenset()
        text = to_text(payload) if not isinstance(payload, Host) else None
        constant = [to_text(argument) for argument in arguments]
        if text is not None and text.strip() in HARMLESS_CODE and not made & ENCODINGS:
            why = f"{name} of text that only finds the global object"
            self.add(node, "harmless-code", FLAGGED, why, via)
            return
        assembled = self.is_disguised(node, name, text, made)
        if name == "Function" and is_spelled_out(node):
            hidden = hidden - {"reflective-call"}
        if name not in ("eval", "Function"):
            hidden = hidden | {"constructor-chain"}
        if hidden or assembled:
            why = f"{name} makes code of text in a disguise"
            self.add(node, "hidden-code", FORBIDDEN, why, hidden | made)
        else:
            why = f"{name} makes code of text"
            self.add(node, "code-from-text", FLAGGED, why, via)
        for code in constant:
            if code:
                self.nested(node, code, hidden | made | {"code-in-text"})

    @staticmethod
    def is_disguised(node: Node, name: str, text: str | None, made: Via) -> bool:
        """Tell whether the code that a call makes was put together to be unreadable.

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

    def timer(self, node: Node, name: str, first: Value, via: Via) -> None:
        for option in options(first):
            if isinstance(option, Host) and option.name == "eval":
                why = f"{name} is given eval to run"
                self.add(node, "escaping-eval", FORBIDDEN, why, {"escaping-eval"} | via)
            if not isinstance(option, Text) and not option.textual:
                continue
            why = f"{name} of text is eval later"
            techniques = via | option.via | {"string-timer"}
            self.add(node, "string-timer", FORBIDDEN, why, techniques)
            if isinstance(option, Text):
                self.nested(node, option.text, techniques)

    def worker(self, node: Node, arguments: list[Value], via: Via) -> None:
        first = arguments[0] if arguments else UNKNOWN
        second = arguments[1] if len(arguments) > 1 else UNKNOWN
        text = to_text(first) or ""
        from_text = (
            "blob-worker" in self.worker_via(first)
            or scheme_of(text) in ("data", "blob")
            or (isinstance(second, Object) and "eval" in second.members)
        )
        techniques = via | first.via
        if from_text:
            why = "A worker runs code made from text"
            self.add(node, "blob-worker", FORBIDDEN, why, techniques | {"blob-worker"})
            if scheme_of(text) == "data":
                self.data_url(node, text, techniques)
        else:
            why = "A worker runs outside of this source's view"
            self.add(node, "worker", FLAGGED, why, techniques)

    @staticmethod
    def worker_via(value: Value) -> Via:
        return merge_via(value)

    def method_call(self, node: Node, target: Method, arguments: list[Value]) -> None:
        """Judge a call of a method, by its name where its owner is unknown."""
        name = target.name
        if name == "require" and arguments:
            text = to_text(arguments[0])
            if text is not None and builtin_name(text) in FORBIDDEN_MODULES:
                techniques = arguments[0].via | target.via | {"loader-object"}
                self.named_module(node, text, "require", techniques)
        elif name in _RUNNERS and arguments:
            first = arguments[0]
            if merge_via(first) & ENCODINGS and isinstance(first, Text):
                why = f"A decoded text is handed to {name}"
                self.add(node, "decoded-command", FLAGGED, why, merge_via(first))
        elif name in ("__defineGetter__", "__defineSetter__", "__lookupGetter__"):
            self.prototype_call(node, name, [target.owner, *arguments], target.via)
        elif name in ("constructor",) and "constructor-chain" in target.via:
            self.code(node, "Function", arguments, target.via)
        self.telling_arguments(node, arguments)
        self.callback_arguments(node, target, arguments)

    def callback_arguments(
        self, node: Node, target: Value, arguments: list[Value]
    ) -> None:
        """Judge eval, Function or require handed on to be called elsewhere."""
        for argument in arguments:
            for option in options(argument):
                if not isinstance(option, Host):
                    continue
                if option.name == "eval":
                    why = "eval is handed on as a value, to be called out of sight"
                    techniques = option.via | {"escaping-eval"}
                    self.add(node, "escaping-eval", FORBIDDEN, why, techniques)
                elif option.name == "require" and not isinstance(target, Host):
                    why = "require is handed on as a value, to be called out of sight"
                    techniques = option.via | {"dynamic-module"}
                    self.add(node, "escaping-require", FLAGGED, why, techniques)
                if isinstance(target, Method) and target.name in _CALLBACK_METHODS:
                    self.called_back(node, target.owner, option)

    def called_back(self, node: Node, owner: Value, callback: Host) -> None:
        """Judge `names.map(require)` and its like, item by item."""
        if (
            callback.name not in LOADERS
            and callback.name not in CODE_MAKERS | _BINDINGS
        ):
            return
        items = owner.items if isinstance(owner, Array) else (owner,)
        for item in items[:64]:
            given = replace(callback, via=callback.via | {"alias"})
            self.host_call(node, given, [item])

    def unknown_call(self, node: Node, scope: Scope, target: Value) -> None:
        """Judge a call of something unknown by what it is given."""
        callee = unwrap(node.child_by_field_name("function"))
        if callee is None:
            return
        arguments = arguments_of(node)
        if not arguments:
            return
        name = text_of(callee) if callee.type == "identifier" else ""
        values = self.folder.arguments(node, scope)
        if name.lower().endswith("require") and "webpack" not in name:
            text = to_text(values[0])
            if text is not None and builtin_name(text) in FORBIDDEN_MODULES:
                techniques = values[0].via | {"alias"}
                self.named_module(node, text, "require", techniques)
        self.telling_arguments(node, values)
        self.callback_arguments(node, target, values)

    def telling_arguments(self, node: Node, arguments: list[Value]) -> None:
        """Flag a hidden name of a forbidden module that goes to an unknown function."""
        for argument in arguments:
            if not isinstance(argument, Text) or not argument.via & ASSEMBLIES:
                continue
            name = builtin_name(argument.text)
            is_telling = name in TELLING_NAMES or argument.text.startswith("node:")
            if name in FORBIDDEN_MODULES and is_telling:
                why = f"The name of the forbidden module {name} is hidden here"
                self.add(node, "hidden-module-name", FLAGGED, why, argument.via)

    # Prototype pollution

    def prototype_call(
        self, node: Node, name: str, arguments: list[Value], via: Via
    ) -> None:
        first = arguments[0] if arguments else UNKNOWN
        pollution = via | {"prototype-pollution"}
        if name in _SET_PROTOTYPE:
            why = f"{name} changes what an object inherits"
            self.add(node, "set-prototype", FLAGGED, why, pollution)
        elif name in _DEFINERS or name.startswith("__define"):
            key = to_text(arguments[1]) if len(arguments) > 1 else None
            on_prototype = isinstance(first, Host) and first.name in _PROTOTYPES
            if on_prototype or key == "__proto__":
                why = f"{name} writes to a prototype that everything inherits"
                hidden = merge_via(*arguments[:2]) & ASSEMBLIES
                classification = FORBIDDEN if hidden else FLAGGED
                self.add(
                    node, "prototype-write", classification, why, pollution | hidden
                )
        elif name == "JSON.parse":
            result = self.folder.apply(Host("JSON.parse"), arguments)
            if has_prototype_key(result):
                why = "This JSON carries __proto__, which an unguarded merge follows"
                self.add(node, "prototype-json", FLAGGED, why, pollution)

    def assignment(self, node: Node, scope: Scope) -> None:
        left = unwrap(node.child_by_field_name("left"))
        keys: list[tuple[str | None, Via]] = []
        target = left
        while target is not None and target.type in (
            "member_expression",
            "subscript_expression",
        ):
            key, via = self.folder.member_key(target, scope)
            keys.append((key, frozenset(via)))
            target = unwrap(target.child_by_field_name("object"))
        if not keys or left is None:
            return
        names = [key for key, _ in reversed(keys)]
        hidden = frozenset().union(*(via for _, via in keys)) & ASSEMBLIES
        owner = self.folder.fold(left.child_by_field_name("object"), scope)
        if not self.writes_prototype(names, owner, target):
            return
        classification = FORBIDDEN if hidden else FLAGGED
        why = "A write to a prototype that everything inherits"
        techniques = hidden | {"prototype-pollution"}
        self.add(node, "prototype-write", classification, why, techniques)

    @staticmethod
    def writes_prototype(
        names: list[str | None], owner: Value, base: Node | None
    ) -> bool:
        if "__proto__" in names:
            return True
        if any(
            isinstance(option, Host) and option.name in _PROTOTYPES
            for option in options(owner)
        ):
            return True
        pairs = pairwise(names)
        return ("constructor", "prototype") in pairs and len(names) > 2

    def pair(self, node: Node, scope: Scope) -> None:
        """Flag `["__proto__"]: …` with a computed key, which makes an own member."""
        key = node.child_by_field_name("key")
        if key is None or key.type != "computed_property_name":
            return
        name, via = self.folder.property_key(key, scope)
        if name == "__proto__":
            hidden = frozenset(via) & ASSEMBLIES
            why = "An own member named __proto__, which an unguarded merge follows"
            classification = FORBIDDEN if hidden else FLAGGED
            techniques = hidden | {"prototype-pollution"}
            self.add(node, "prototype-key", classification, why, techniques)

    def merge_call(self, node: Node, scope: Scope) -> None:
        """Flag a function that merges recursively without a guard, at its own call."""
        callee = unwrap(node.child_by_field_name("function"))
        if callee is None or callee.type != "identifier":
            return
        name = text_of(callee)
        holder: Scope | None = scope
        while holder is not None:
            if holder.node.type in FUNCTIONS and is_unsafe_merge(holder.node, name):
                why = f"{name} merges recursively and follows __proto__"
                techniques = {"prototype-pollution"}
                self.add(holder.node, "unsafe-merge", FLAGGED, why, techniques)
                return
            holder = holder.parent

    # Names and members outside of calls

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
            if isinstance(option, Host) and option.name in _BINDINGS:
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


def is_spelled_out(call: Node) -> bool:
    """Tell `Function.apply(…)`, which hides nothing, from what reaches it otherwise."""
    callee = unwrap(call.child_by_field_name("function"))
    if callee is None or callee.type != "member_expression":
        return False
    owner = callee.child_by_field_name("object")
    return owner is not None and owner.text == b"Function"


def has_prototype_key(value: Value, depth: int = 0) -> bool:
    """Tell whether a value from JSON has a member that pollutes when merged."""
    if depth > 20:
        return False
    if isinstance(value, Array):
        return any(has_prototype_key(item, depth + 1) for item in value.items)
    if not isinstance(value, Object):
        return False
    if "__proto__" in value.members:
        return True
    inner = value.members.get("constructor")
    if isinstance(inner, Object) and "prototype" in inner.members:
        return True
    return any(has_prototype_key(v, depth + 1) for v in value.members.values())


def excerpt(node: Node) -> str:
    """Return a node's text on one line, cut to MAX_EXCERPT characters."""
    raw = (node.text or b"")[: MAX_EXCERPT * 4].decode("utf-8", "replace")
    flat = " ".join(raw.split())
    flat = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in flat)
    return flat if len(flat) <= MAX_EXCERPT else flat[: MAX_EXCERPT - 1] + "…"


_CALLBACK_METHODS = frozenset(
    [
        "map",
        "forEach",
        "then",
        "filter",
        "reduce",
        "some",
        "every",
        "find",
        "flatMap",
        "replace",
        "catch",
        "on",
        "once",
        "addEventListener",
    ]
)
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
__all__ = ["DIRECT", "Findings", "detect"]
