"""Build a program's scopes and sites: one walk over the tree, without recursion."""

from __future__ import annotations

from tree_sitter import Node

from policy.scanner.limits import Clock
from policy.scanner.parsing.kinds import (
    BLOCKS,
    LOOPS,
    SITES,
    TELLING_MEMBERS,
    TELLING_TEXTS,
    TYPE_ONLY,
)
from policy.scanner.parsing.patterns import names_of_pattern
from policy.scanner.parsing.scopes import (
    CHANGERS,
    CLASSES,
    FUNCTIONS,
    ITERATING,
    Binding,
    Program,
    Scope,
    Site,
    Write,
    name_of,
    unwrap,
)
from policy.scanner.parsing.syntax import MAX_NODES

_NODES_BETWEEN_LOOKS = 4096


def build_program(
    root: Node, limit: int = MAX_NODES, clock: Clock | None = None
) -> Program:
    """Walk the tree once; `is_complete` is false where the limit ended the walk."""
    return _Builder(root, limit, clock or Clock()).build()


class _Builder:
    def __init__(self, root: Node, limit: int, clock: Clock) -> None:
        self.clock = clock
        self.top = Scope(None, root, is_function=True)
        self.program = Program(self.top)
        self.limit = limit
        self.pending: list[tuple[str, Write]] = []
        self.hoisted: set[int] = set()
        text = root.text or b""
        # Only these say anything of a name by itself.
        self.may_escape = b"eval" in text or b"\\u" in text
        # Only these are looked at of members that are named with a dot.
        self.may_tell = any(word in text for word in TELLING_TEXTS)
        self.may_set_options = b"NODE_OPTIONS" in text

    def build(self) -> Program:
        """Return a file's program: scopes, writes, calls and sites, in one walk."""
        # Half of all nodes: they are counted, and no more.
        passed = _LEAVES - {"identifier"} if self.may_escape else _LEAVES
        top = self.top.node.named_children
        stack: list[tuple[Node, str, Scope, Node | None]] = [
            (child, child.type, self.top, None)
            for child in reversed(top)
            if child.type not in passed
        ]
        sites, nodes, look = self.program.sites, len(top), _NODES_BETWEEN_LOOKS
        while stack:
            node, kind, scope, loop = stack.pop()
            if nodes >= look:
                look = nodes + _NODES_BETWEEN_LOOKS
                self.clock.check()
            if nodes > self.limit:
                break
            inner = scope
            if kind == "member_expression":
                if self.may_tell and _tells(node):
                    sites.append(Site(node, scope, kind))
            elif kind in _ENTERED:
                inner = self.enter(node, kind, scope, loop)
                if kind in FUNCTIONS:
                    loop = self.callback_loop(node, loop)
                elif kind in LOOPS and loop is None:
                    loop = node
            children = node.named_children
            if not children:
                continue
            nodes += len(children)
            children.reverse()
            stack += [
                (child, its_kind, inner, loop)
                for child in children
                if (its_kind := child.type) not in passed
            ]
        self.program.nodes, self.program.is_complete = nodes, nodes <= self.limit
        self.settle()
        return self.program

    def callback_loop(self, function: Node, loop: Node | None) -> Node | None:
        """Return the `items.forEach(function)` that goes round a function's body."""
        site = self.program.callbacks.get(function.id)
        callee = site.node.child_by_field_name("function") if site else None
        name = callee.child_by_field_name("property") if callee is not None else None
        if site is None or name is None or name_of(name) not in ITERATING:
            return None
        if loop is None:
            self.program.scopes[site.node.id] = Scope(site.scope, site.node, False)
        return loop or site.node

    def enter(self, node: Node, kind: str, scope: Scope, loop: Node | None) -> Scope:
        """Record what a node declares or writes; return the scope of its children."""
        if kind == "identifier":
            if (node.text or b"") == b"eval" or b"\\" in (node.text or b""):
                self.program.escapes.append(Site(node, scope))
            return scope
        if kind in SITES and (kind != "pair" or self.is_telling_pair(node)):
            self.program.sites.append(Site(node, scope, kind))
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, node, scope, loop)
        if kind not in _SCOPED:
            return scope
        if kind in FUNCTIONS:
            return self.function(node, kind, scope)
        if kind in CLASSES:
            return self.klass(node, kind, scope)
        if kind in BLOCKS:
            inner = Scope(scope, node, is_function=False)
            self.program.scopes[node.id] = inner
            if kind == "for_in_statement":
                self.for_in(node, inner, loop)
            if kind == "catch_clause":
                parameter = node.child_by_field_name("parameter")
                if parameter is not None:
                    self.pattern(parameter, Write("opaque", None, inner), inner)
            return inner
        if kind == "with_statement":
            inner = Scope(scope, node, is_function=False)
            inner.with_object = node.child_by_field_name("object")
            self.program.has_with = True
            return inner
        return scope

    def is_telling_pair(self, node: Node) -> bool:
        """Return whether a pair is looked at: most keys are spelled out."""
        key = node.child_by_field_name("key")
        is_computed = key is not None and key.type == "computed_property_name"
        return is_computed or self.may_set_options

    def function(self, node: Node, kind: str, scope: Scope) -> Scope:
        """Return a function's new scope, with its name and parameters declared."""
        name = node.child_by_field_name("name")
        inner = Scope(scope, node, is_function=True)
        self.program.scopes[node.id] = inner
        if name is not None and name.type == "identifier":
            home = scope if kind.endswith("declaration") else inner
            write = Write("function", node, scope)
            home.declare(name_of(name)).writes.append(write)
        single = node.child_by_field_name("parameter")
        if single is not None:
            self.parameter(node, 0, single, inner)
        parameters = node.child_by_field_name("parameters")
        if parameters is not None:
            kinds = [c for c in parameters.named_children if c.type != "comment"]
            for index, parameter in enumerate(kinds):
                self.parameter(node, index, parameter, inner)
        return inner

    def parameter(self, function: Node, index: int, node: Node, scope: Scope) -> None:
        """Note a parameter's write; a rest parameter has a place below 0."""
        default = None
        if node.type in ("required_parameter", "optional_parameter"):
            default = node.child_by_field_name("value")
            node = node.child_by_field_name("pattern") or node
        if node.type == "assignment_pattern":
            default = node.child_by_field_name("right")
            node = node.child_by_field_name("left") or node
        extra = index
        if node.type == "rest_pattern":
            extra = -1 - index
            node = node.named_children[0] if node.named_children else node
        path = (("default", default),) if default is not None else ()
        self.pattern(node, Write("parameter", function, scope, path, extra), scope)

    def klass(self, node: Node, kind: str, scope: Scope) -> Scope:
        """Return a class's new scope, with its name declared."""
        name = node.child_by_field_name("name")
        inner = Scope(scope, node, is_function=False)
        inner.this_class = node
        self.program.scopes[node.id] = inner
        if name is not None:
            home = scope if kind.endswith("declaration") else inner
            write = Write("class", node, scope)
            home.declare(name_of(name)).writes.append(write)
        return inner

    def hoist(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note that a `var` declares for its whole function."""
        self.hoisted.update(child.id for child in node.named_children)

    def declarator(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note the value that a declaration gives a name."""
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        home = scope.function_scope() if node.id in self.hoisted else scope
        if name is None:
            return
        if value is None:
            if name.type == "identifier":
                home.declare(name_of(name))
            return
        self.pattern(name, Write("value", value, scope, loop=loop), home)

    def for_in(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note the items or keys that a loop gives its names."""
        left = node.child_by_field_name("left")
        right = node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is None:
            return
        kind = "keys" if operator is not None and operator.type == "in" else "items"
        keyword = node.child_by_field_name("kind")
        home = scope
        if keyword is not None and keyword.type == "var":
            home = scope.function_scope()
        self.pattern(left, Write(kind, right, scope, loop=loop or node), home)

    def assignment(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note an assignment to a name, a pattern or a member."""
        left = unwrap(node.child_by_field_name("left"))
        right = node.child_by_field_name("right")
        if left is None or right is None:
            return
        if left.type == "identifier":
            self.pending.append(
                (name_of(left), Write("value", right, scope, loop=loop))
            )
        elif left.type in ("object_pattern", "array_pattern"):
            self.pattern(left, Write("value", right, scope, loop=loop), None)
        else:
            self.member_write(node, left, right, scope, loop)

    def member_write(
        self,
        node: Node,
        left: Node,
        right: Node,
        scope: Scope,
        loop: Node | None,
    ) -> None:
        """Record `name.key = value` and, inside a class, `this.key = value`."""
        owner = unwrap(left.child_by_field_name("object"))
        if owner is None:
            return
        if owner.type == "identifier":
            write = Write("member", right, scope, extra=left, loop=loop)
            self.pending.append((name_of(owner), write))
        elif owner.type == "this":
            holder: Scope | None = scope
            while holder is not None and holder.this_class is None:
                holder = holder.parent
            if holder is not None and holder.this_class is not None:
                fields = self.program.class_fields
                site = Site(node, scope)
                fields.setdefault(holder.this_class.id, []).append(site)

    def augmented(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note an assignment such as `+=`."""
        left = unwrap(node.child_by_field_name("left"))
        if left is not None and left.type == "identifier":
            write = Write("augmented", node, scope, loop=loop)
            self.pending.append((name_of(left), write))

    def call(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note a call by its callee's name, and a function given to it."""
        callee = unwrap(node.child_by_field_name("function"))
        if callee is None:
            return
        arguments = node.child_by_field_name("arguments")
        given = arguments.named_children if arguments is not None else []
        first = next(
            (argument for argument in given if argument.type != "comment"), None
        )
        site, kind = self.program.sites[-1], callee.type
        if first is not None and first.type in FUNCTIONS:
            self.program.callbacks[first.id] = site
        if kind == "identifier":
            self.program.calls_by_name.setdefault(name_of(callee), []).append(site)
        elif kind in FUNCTIONS:
            self.program.calls_in_place[callee.id] = site
        elif kind == "member_expression":
            self.method_call(site, callee, scope, loop)

    def method_call(
        self, site: Site, callee: Node, scope: Scope, loop: Node | None
    ) -> None:
        """Note a call of a member, and whether it changes its owner."""
        node = site.node
        owner = unwrap(callee.child_by_field_name("object"))
        name = callee.child_by_field_name("property")
        if owner is None or name is None:
            return
        method = name_of(name)
        self.program.calls_by_member.setdefault(method, []).append(site)
        if owner.type in FUNCTIONS and method in ("call", "apply"):
            self.program.calls_in_place[owner.id] = site
        if owner.type == "identifier" and method in CHANGERS:
            write = Write("change", node, scope, extra=method, loop=loop)
            self.pending.append((name_of(owner), write))

    def imports(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note the names that an import declares."""
        source = node.child_by_field_name("source")
        for clause in node.named_children:
            if clause.type == "import_require_clause":
                source = clause.child_by_field_name("source")
            if clause.type not in ("import_clause", "import_require_clause"):
                continue
            for child in clause.named_children:
                self.import_names(child, Write("import", source, scope), scope)

    def import_names(self, node: Node, write: Write, scope: Scope) -> None:
        """Note one clause of an import: default, namespace or names."""
        if node.type == "identifier":
            write.extra = "default"
            scope.declare(name_of(node)).writes.append(write)
        elif node.type == "namespace_import" and node.named_children:
            write.extra = "*"
            scope.declare(name_of(node.named_children[0])).writes.append(write)
        elif node.type == "named_imports":
            for item in node.named_children:
                name = item.child_by_field_name("name")
                if name is None:
                    continue
                alias = item.child_by_field_name("alias") or name
                key = name_of(name)
                if name.type == "string":
                    key = key[1:-1]
                named = Write("import", write.node, scope, extra=key)
                scope.declare(name_of(alias)).writes.append(named)

    def methods(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note the names and owners of an object's or a class's methods."""
        for child in node.named_children:
            method: Node | None = child
            is_pair = child.type == "pair"
            if is_pair:
                method = child.child_by_field_name("value")
            kind = method.type if method is not None else ""
            if method is None or kind not in FUNCTIONS:
                continue
            key = child.child_by_field_name("key" if is_pair else "name")
            if key is not None:
                self.program.member_names[method.id] = name_of(key).strip("'\"")
            if kind != "arrow_function":
                self.program.method_owners[method.id] = Site(node, scope)

    def enum(self, node: Node, scope: Scope, loop: Node | None) -> None:
        """Note a TypeScript enum."""
        name = node.child_by_field_name("name")
        if name is not None:
            scope.declare(name_of(name)).writes.append(Write("enum", node, scope))

    def pattern(self, node: Node, write: Write, home: Scope | None) -> None:
        """Bind every name of a destructuring pattern; home None means assignment."""
        if node.type == "identifier":
            self.bind_name(name_of(node), write, home)
            return
        for name, path in names_of_pattern(node, write.path):
            bound = Write(write.kind, write.node, write.scope, path, write.extra)
            bound.loop = write.loop
            self.bind_name(name, bound, home)

    def bind_name(self, name: str, write: Write, home: Scope | None) -> None:
        """Note a write where it belongs; later, where the scope is not known yet."""
        if home is not None:
            home.declare(name).writes.append(write)
        else:
            self.pending.append((name, write))

    def settle(self) -> None:
        """Give assignments to the bindings they mean; unknown names become global."""
        for name, write in self.pending:
            scope: Scope | None = write.scope
            while scope is not None and name not in scope.bindings:
                scope = scope.parent
            if scope is None:
                self.top.declare(name).is_implicit = True
            (scope or self.top).declare(name).writes.append(write)
        for scope in [self.top, *self.program.scopes.values()]:
            for binding in scope.bindings.values():
                if len(binding.writes) > 1:
                    binding.writes.sort(key=_position)
                self.hold(binding)

    def hold(self, binding: Binding) -> None:
        """Note the functions that a name stands for."""
        for write in binding.writes:
            if write.kind not in ("function", "value") or write.path:
                continue
            if write.node is not None and write.node.type in FUNCTIONS:
                self.program.holders.setdefault(write.node.id, binding)


def _tells(member: Node) -> bool:
    """Return whether a member reaches the runtime's internals, or may by escapes."""
    name = member.child_by_field_name("property")
    written = (name.text or b"") if name is not None else b""
    return written in TELLING_MEMBERS or b"\\" in written


def _position(write: Write) -> int:
    """Return where a write takes effect, in bytes; functions come first, at -1."""
    # Functions are hoisted: they count as written first.
    if write.node is None or write.kind in ("function", "parameter"):
        return -1
    return write.node.start_byte


_HANDLERS = {
    "variable_declaration": _Builder.hoist,
    "variable_declarator": _Builder.declarator,
    "assignment_expression": _Builder.assignment,
    "augmented_assignment_expression": _Builder.augmented,
    "call_expression": _Builder.call,
    "import_statement": _Builder.imports,
    "enum_declaration": _Builder.enum,
    "object": _Builder.methods,
}
_SCOPED = FUNCTIONS | CLASSES | BLOCKS | {"with_statement"}
_ENTERED = SITES | _SCOPED | frozenset(_HANDLERS) | {"identifier"}
# Nothing in them is a binding or a site.
_LEAVES = TYPE_ONLY | {
    "identifier",
    "property_identifier",
    "shorthand_property_identifier",
    "string",
    "number",
    "regex",
    "true",
    "false",
    "null",
    "this",
    "import",
    "super",
    "undefined",
    "private_property_identifier",
    "statement_identifier",
    "shorthand_property_identifier_pattern",
    "empty_statement",
    "string_fragment",
    "escape_sequence",
}
