"""Find every use of a name in a parsed file, and what each use is bound to.

Names are looked up on demand: the text says where a name may stand, the tree what
stands there. Shadowing is certain or not taken for shadowing: a use that may mean the
runtime's own name counts as one that does.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from tree_sitter import Node

from policy.scanner.limits import Clock, OverTimeError
from policy.scanner.parsing.scopes import CLASSES, FUNCTIONS
from policy.scanner.proof.words import Words

# One name: a minified bundle says `e` some ten thousand times; nobody says require so.
MAX_USES = 4_000
_LOOKS_BETWEEN = 64
# Nobody nests so deep; each use costs as much as it is deep.
MAX_DEPTH = 600
VALUE_IDENTIFIERS = frozenset(
    [
        "identifier",
        "shorthand_property_identifier",
        "shorthand_property_identifier_pattern",
    ]
)
_BLOCKS = frozenset(
    [
        "statement_block",
        "program",
        "for_statement",
        "for_in_statement",
        "switch_body",
        "class_static_block",
    ]
)
_SCOPES = (
    _BLOCKS
    | FUNCTIONS
    | CLASSES
    | {"catch_clause", "internal_module", "module", "expression_statement"}
)
_PATTERNS = frozenset(("object_pattern", "array_pattern", "rest_pattern"))
_DEFAULTS = frozenset(("assignment_pattern", "object_assignment_pattern"))
_PARAMETERS = frozenset(("required_parameter", "optional_parameter"))
_IMPORTS = frozenset(("import_clause", "namespace_import", "import_require_clause"))
# Nothing of these may be left when the file runs: no name is hidden by them.
_ERASED = frozenset(("erased", "other"))
_BRANCHES = frozenset(("if_statement", "else_clause"))
_OTHER_NAMED = frozenset(("enum_declaration", "module", "internal_module"))
_DECLARING = (
    _PATTERNS
    | _DEFAULTS
    | _PARAMETERS
    | _IMPORTS
    | _OTHER_NAMED
    | FUNCTIONS
    | CLASSES
    | {"pair_pattern", "formal_parameters", "variable_declarator", "for_in_statement"}
    | {"catch_clause", "import_specifier"}
)
# What node's wrapper gives every module: a `var` at the top keeps its value.
WRAPPER_NAMES = frozenset(("require", "module", "exports", "arguments"))


class TooManyUsesError(Exception):
    """A name is used more often than is followed."""


class Use:
    """A node, and the nodes above it, the root first: looked up once asked for."""

    __slots__ = ("_path", "_source", "declared", "is_value", "node")

    def __init__(
        self, node: Node, path: tuple[Node, ...] | Source, *, is_value: bool = False
    ) -> None:
        self.node = node
        self.is_value = is_value
        """Of a token: whether it names a variable."""
        self.declared: Declaration | bool | None = False
        """What it declares, once that is known: False until then."""
        if isinstance(path, Source):
            self._source: Source | None = path
            self._path: tuple[Node, ...] = ()
        else:
            self._source, self._path = None, path

    @property
    def path(self) -> tuple[Node, ...]:
        """Return the nodes above; raise OverTimeError where they are too many."""
        if self._source is not None:
            self._path, self._source = self._source.path_of(self.node), None
        return self._path

    @property
    def parent(self) -> Node:
        """Return the node right above."""
        return self.path[-1]

    def up(self) -> Use:
        """Return the parent as a use."""
        return Use(self.path[-1], self.path[:-1])


@dataclass(frozen=True, eq=False)
class Declaration:
    """Where a name is declared: how, and the node in which it holds."""

    kind: str
    scope: Node
    use: Use
    # The declarator, function, clause … that declares it.
    holder: Node
    is_pattern: bool


class Source:
    """A parsed file, asked by name."""

    def __init__(self, root: Node, data: bytes, clock: Clock) -> None:
        self.root, self.data, self.clock = root, data, clock
        self._words = Words(data)
        self._tokens: dict[str, dict[int, Use | None]] = {}
        self._looks = 0
        # The way to the last place asked for: the next one mostly begins alike.
        self._last_path: list[Node] = []
        self._last_spans: list[tuple[int, int]] = []
        self._declared: dict[tuple[str, int], list[Declaration]] = {}
        self._own: dict[tuple[str, int], list[Declaration]] = {}

    def look(self) -> None:
        """Raise OverTimeError once the time is spent; asking costs: not each time."""
        self._looks += 1
        if self._looks % _LOOKS_BETWEEN == 0:
            self.clock.check()

    def path_of(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes above a node, the root first."""
        self.look()
        path, spans = self._last_path, self._last_spans
        self._keep_above(*node.byte_range)
        current: Node | None = (
            path[-1].child_with_descendant(node) if path else self.root
        )
        while current is not None and current.id != node.id:
            path.append(current)
            spans.append(current.byte_range)
            if len(path) > MAX_DEPTH:
                raise OverTimeError
            current = current.child_with_descendant(node)
        return tuple(path)

    def _keep_above(self, start: int, end: int) -> None:
        """Keep of the last way what is surely above: what holds more than a range."""
        spans = self._last_spans
        kept = len(spans) if start < end else 0
        while kept:
            first, last = spans[kept - 1]
            if first <= start and end <= last and last - first > end - start:
                break
            kept -= 1
        del spans[kept:], self._last_path[kept:]

    def tokens(self, name: str, within: Node | None = None) -> list[Use]:
        """Return every node whose text is just this name, whatever it is."""
        return [use for use in self._tokens_of(name, within) if use is not None]

    def _tokens_of(self, name: str, within: Node | None) -> list[Use | None]:
        """Return what stands at each place of a name; None for what is no node."""
        places = self._words.places(name)
        if within is not None and places:
            first = bisect_left(places, within.start_byte)
            places = places[first : bisect_left(places, within.end_byte)]
        if len(places) > MAX_USES:
            raise TooManyUsesError(name)
        known = self._tokens.get(name)
        if known is None:
            known = self._tokens[name] = {}
        found = []
        size = len(name.encode())
        for place in places:
            if place in known:
                found.append(known[place])
            else:
                use = known[place] = self._token(place, size)
                found.append(use)
        return found

    def _token(self, place: int, size: int) -> Use | None:
        """Return the name at a place as a use; None inside text or a comment."""
        self.look()
        span = (place, place + size)
        node = self.root.descendant_for_byte_range(*span)
        if node is None or node.byte_range != span:
            return None
        kind = node.type
        if kind == "comment":
            return None
        return Use(node, self, is_value=kind in VALUE_IDENTIFIERS)

    def uses(self, name: str, within: Node | None = None) -> list[Use]:
        """Return the uses of a name as a variable, its declarations included."""
        return [
            use
            for use in self._tokens_of(name, within)
            if use is not None and use.is_value
        ]

    def declarations(self, name: str, within: Node | None = None) -> list[Declaration]:
        """Return every declaration of a name."""
        within = within or self.root
        key = (name, within.id)
        found = self._declared.get(key)
        if found is None:
            found = self._declared[key] = []
            for use in self._tokens_of(name, within):
                # Most are known already to declare nothing: the first to ask for.
                if use is None or use.declared is None or not use.is_value:
                    continue
                declared = _known_declaration(use)
                if declared is not None:
                    found.append(declared)
        return found

    def resolve(self, use: Use, name: str) -> list[Declaration]:
        """Return the declarations that a use surely means; none for a free name."""
        below: Node = use.node
        for scope in reversed(use.path):
            key = (name, scope.id)
            found = self._own.get(key)
            if found is None and scope.type in _SCOPES:
                found = self._own[key] = self._declared_in(name, scope)
            # The name of a method stands beside its parameters, not among them.
            if found and below.type != "computed_property_name":
                return found
            below = scope
        return []

    def _declared_in(self, name: str, scope: Node) -> list[Declaration]:
        """Return the declarations of a name that hold in a scope as a whole."""
        return [
            declaration
            for declaration in self.declarations(name, scope)
            if declaration.scope.id == scope.id and not _keeps_value(declaration, name)
        ]

    def is_free(self, use: Use, name: str) -> bool:
        """Return whether a use may mean the runtime's own name."""
        return all(d.kind in _ERASED for d in self.resolve(use, name))

    def uses_of(self, declaration: Declaration, name: str) -> list[Use]:
        """Return all uses that mean what a declaration declares."""
        scope = declaration.scope
        hidden = {
            other.scope.id
            for other in self.declarations(name, scope)
            if other.scope.id != scope.id and not _takes_over(other, declaration)
        }
        depth = len(self.path_of(scope)) + 1
        return [
            use
            for use in self.uses(name, scope)
            if not hidden or not _is_hidden(use, hidden, depth)
        ]


def _is_hidden(use: Use, hidden: set[int], depth: int) -> bool:
    """Return whether another declaration holds for a use, inside of a scope."""
    path = use.path
    for index in range(depth, len(path)):
        if path[index].id in hidden:
            below = path[index + 1] if index + 1 < len(path) else use.node
            if below.type != "computed_property_name":
                return True
    return False


def _keeps_value(declaration: Declaration, name: str) -> bool:
    """Return whether a `var` at the top keeps a value of Node's module wrapper."""
    is_top = declaration.scope.type == "program"
    return is_top and declaration.kind == "var" and name in WRAPPER_NAMES


def _takes_over(inner: Declaration, outer: Declaration) -> bool:
    """Return whether a `var` begins with what the name held outside of it."""
    return inner.kind == "var" and outer.kind in ("parameter", "catch")


def _known_declaration(use: Use) -> Declaration | None:
    """Return what a use declares; looked up once."""
    if isinstance(use.declared, bool):
        use.declared = declaration_of(use)
    return use.declared


def declaration_of(use: Use) -> Declaration | None:
    """Return what a use declares, or None where it only uses its name."""
    # Most names are used, not declared: what is right above says so.
    above = use.node.parent
    if above is None or above.type not in _DECLARING:
        return None
    child, path, is_pattern = use.node, list(use.path), False
    while path:
        parent = path.pop()
        kind = parent.type
        if kind in _PATTERNS or (
            kind == "pair_pattern" and is_in_field(parent, "value", child)
        ):
            is_pattern = True
        elif kind in _DEFAULTS:
            if not is_in_field(parent, "left", child):
                return None
            is_pattern = True
        elif kind in _PARAMETERS:
            if is_in_field(parent, "value", child) or is_in_field(
                parent, "type", child
            ):
                return None
        else:
            return _declared(use, child, parent, tuple(path), is_pattern=is_pattern)
        child = parent
    return None


def _declared(
    use: Use, child: Node, parent: Node, above: tuple[Node, ...], *, is_pattern: bool
) -> Declaration | None:
    """Return the declaration that a name's place in the tree makes; None for a use."""
    kind = parent.type
    if kind == "formal_parameters":
        return Declaration("parameter", above[-1], use, above[-1], is_pattern)
    if kind == "variable_declarator":
        return _variable(use, child, parent, above, is_pattern=is_pattern)
    if kind == "for_in_statement":
        return _loop_variable(use, child, parent, above, is_pattern=is_pattern)
    if kind == "catch_clause":
        named = is_in_field(parent, "parameter", child)
        return Declaration("catch", parent, use, parent, is_pattern) if named else None
    if kind in FUNCTIONS:
        if is_in_field(parent, "parameter", child):
            return Declaration("parameter", parent, use, parent, is_pattern)
        if not is_in_field(parent, "name", child):
            return None
        is_declared = kind.endswith("declaration")
        # `if (x) function f() {}`: known nowhere else, as if in a block of its own.
        is_declared = is_declared and above[-1].type not in _BRANCHES
        scope = _block(above) if is_declared else parent
        return Declaration("function", scope, use, parent, is_pattern=False)
    if kind in CLASSES:
        if not is_in_field(parent, "name", child):
            return None
        scope = _block(above) if kind.endswith("declaration") else parent
        return Declaration("class", scope, use, parent, is_pattern=False)
    return _imported(use, child, parent, above)


def _imported(
    use: Use, child: Node, parent: Node, above: tuple[Node, ...]
) -> Declaration | None:
    """Return the declaration that an import, a class or the like makes."""
    kind = parent.type
    if kind in _IMPORTS:
        found = "erased" if _is_of_types(above[-1]) else "import"
        return Declaration(found, _block(above), use, parent, is_pattern=False)
    if kind == "import_specifier":
        alias = parent.child_by_field_name("alias")
        if alias is not None and alias.id != child.id:
            return None
        is_erased = _is_of_types(parent) or any(map(_is_of_types, above[-3:]))
        found = "erased" if is_erased else "import"
        return Declaration(found, _block(above), use, parent, is_pattern=False)
    if kind in _OTHER_NAMED and is_in_field(parent, "name", child):
        if any(node.type == "ambient_declaration" for node in above):
            return None
        return Declaration("other", _block(above), use, parent, is_pattern=False)
    return None


def _is_of_types(node: Node) -> bool:
    """Return whether an import says `type`: compilers leave nothing of it."""
    kinds = [child.type for child in node.children[:2]]
    return "type" in kinds or "typeof" in kinds


def _variable(
    use: Use, child: Node, parent: Node, above: tuple[Node, ...], *, is_pattern: bool
) -> Declaration | None:
    """Return the declaration of a `var`, `let` or `const`."""
    # `declare const require` leaves nothing to run.
    if not is_in_field(parent, "name", child):
        return None
    if any(node.type == "ambient_declaration" for node in above):
        return None
    statement = above[-1]
    if statement.type == "variable_declaration":
        return Declaration("var", _function_body(above), use, parent, is_pattern)
    keyword = statement.child_by_field_name("kind")
    kind = keyword.type if keyword is not None else "let"
    return Declaration(kind, _block(above), use, parent, is_pattern)


def _loop_variable(
    use: Use, child: Node, parent: Node, above: tuple[Node, ...], *, is_pattern: bool
) -> Declaration | None:
    """Return the declaration of a loop's variable."""
    keyword = parent.child_by_field_name("kind")
    if keyword is None or not is_in_field(parent, "left", child):
        return None
    scope = _function_body(above) if keyword.type == "var" else parent
    return Declaration("loop", scope, use, parent, is_pattern)


def _block(above: tuple[Node, ...]) -> Node:
    """Return the innermost block above."""
    return next(node for node in reversed(above) if node.type in _BLOCKS)


def _function_body(above: tuple[Node, ...]) -> Node:
    """Return the body of the function around: its parameters are outside of it."""
    below: Node | None = None
    for node in reversed(above):
        if node.type in FUNCTIONS and below is not None:
            return below
        if node.type in ("class_static_block", "internal_module", "module"):
            return node
        below = node
    return above[0]


def is_in_field(parent: Node, field: str, child: Node) -> bool:
    """Return whether a child stands in a field of its parent."""
    found = parent.child_by_field_name(field)
    return found is not None and found.id == child.id
