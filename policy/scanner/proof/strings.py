"""Which text an expression surely is, whatever else the program does.

Only what nothing can change is proved: literals, and names of which every write is
known and proved, in whatever order they happen. A member of an object is proved only
where no other part of the program can reach the object. No method is followed and no
call: what they return may be changed by anybody.
"""

from __future__ import annotations

from tree_sitter import Node

from policy.scanner.parsing.scopes import text_of, unwrap
from policy.scanner.proof.source import Declaration, Source, Use
from policy.scanner.semantics.literals import unescape

MAX_TEXTS = 16
MAX_DEPTH = 12
_MAX_BYTES = 4096
_MAX_TEXT_USES = 400

Texts = frozenset[str]


def prove_texts(source: Source, use: Use, depth: int = 0) -> Texts | None:
    """Return all texts that an expression may come to, or None where that is open."""
    node = use.node
    if depth > MAX_DEPTH or node.end_byte - node.start_byte > _MAX_BYTES:
        return None
    handler = _PROVERS.get(node.type)
    found = handler(source, use, depth + 1) if handler is not None else None
    return found if found is not None and len(found) <= MAX_TEXTS else None


def child_use(use: Use, child: Node | None) -> Use | None:
    """Return a direct child as a use."""
    return None if child is None else Use(child, (*use.path, use.node))


def _field(source: Source, use: Use, field: str, depth: int) -> Texts | None:
    """Return the texts that a field of a node may have."""
    child = child_use(use, use.node.child_by_field_name(field))
    return None if child is None else prove_texts(source, child, depth)


def _string(source: Source, use: Use, depth: int) -> Texts | None:
    """Return a string's one text."""
    return frozenset((unescape(text_of(use.node)[1:-1]),))


def _template(source: Source, use: Use, depth: int) -> Texts | None:
    """Return the texts of a template: every combination of its parts'."""
    raw, start = use.node.text or b"", use.node.start_byte
    position, texts = 1, frozenset(("",))
    for child in use.node.named_children:
        if child.type != "template_substitution":
            continue
        before = raw[position : child.start_byte - start].decode("utf-8", "replace")
        texts = _joined(texts, frozenset((unescape(before),)))
        inner = child_use(use, child)
        expression = child.named_children[0] if child.named_child_count else None
        part = child_use(inner, expression) if inner is not None else None
        found = None if part is None else prove_texts(source, part, depth)
        if found is None:
            return None
        texts = _joined(texts, found)
        position = child.end_byte - start
    rest = raw[position:-1].decode("utf-8", "replace")
    return _joined(texts, frozenset((unescape(rest),)))


def _joined(left: Texts, right: Texts) -> Texts:
    """Return every text of the left with every text of the right."""
    return frozenset(a + b for a in left for b in right)


def _inner(source: Source, use: Use, depth: int) -> Texts | None:
    """Return the texts inside brackets, casts and the like."""
    node = unwrap(use.node)
    if node is None or node.id == use.node.id:
        return None
    return prove_texts(source, Use(node, source.path_of(node)), depth)


def _sequence(source: Source, use: Use, depth: int) -> Texts | None:
    """Return the texts of the last of expressions that commas join."""
    last = child_use(use, use.node.named_children[-1])
    return None if last is None else prove_texts(source, last, depth)


def _conditional(source: Source, use: Use, depth: int) -> Texts | None:
    """Return the texts of both branches."""
    then = _field(source, use, "consequence", depth)
    other = _field(source, use, "alternative", depth)
    return None if then is None or other is None else then | other


def _binary(source: Source, use: Use, depth: int) -> Texts | None:
    """Return the texts of a sum, or of both sides of `||` and `??`."""
    operator = use.node.child_by_field_name("operator")
    sign = operator.type if operator is not None else ""
    if sign not in ("+", "||", "??"):
        return None
    left = _field(source, use, "left", depth)
    right = _field(source, use, "right", depth)
    if left is None or right is None:
        return None
    return _joined(left, right) if sign == "+" else left | right


def _identifier(source: Source, use: Use, depth: int) -> Texts | None:
    """Return the texts of every value that a name is given."""
    return texts_of_name(source, use, text_of(use.node), depth)


def texts_of_name(source: Source, use: Use, name: str, depth: int) -> Texts | None:
    """Return all texts that a name may stand for: the union of all its writes."""
    declared = source.resolve(use, name)
    if not declared or "\\" in name or _is_member_too(use, declared[0]):
        return None
    uses = source.uses_of(declared[0], name)
    if len(uses) > _MAX_TEXT_USES or not _is_plain(source, declared):
        return None
    # A function in a block may take the name of the function around it.
    if any(d.kind == "function" for d in source.declarations(name)):
        return None
    found: Texts = frozenset()
    own = {d.use.node.id: d for d in declared}
    for named in uses:
        declaration = own.get(named.node.id)
        written = _written(named) if declaration is None else _declared(declaration)
        if written is None:
            return None
        if written:
            texts = prove_texts(source, written[0], depth)
            if texts is None:
                return None
            found |= texts
    return found or None


def _is_member_too(use: Use, declared: Declaration) -> bool:
    """Return whether an enum or a namespace around a name may have it as well."""
    own = {node.id for node in declared.use.path}
    return any(
        node.type in ("enum_body", "internal_module", "module")
        for node in use.path
        if node.id not in own
    )


def _is_plain(source: Source, declared: list[Declaration]) -> bool:
    """Return whether a name is a variable that is written only where one sees it."""
    for declaration in declared:
        if declaration.kind not in ("const", "let", "var") or declaration.is_pattern:
            return False
        if declaration.kind == "var" and _is_parameter_too(source, declaration):
            return False
        # What a TypeScript namespace exports is a member that anybody may write.
        if any(
            node.type in ("internal_module", "module")
            for node in declaration.use.path[:-2]
        ):
            return False
    return True


def _is_parameter_too(source: Source, declaration: Declaration) -> bool:
    """Return whether a `var` takes over a parameter, and with it what was passed."""
    name = text_of(declaration.use.node)
    return any(d.kind == "parameter" for d in source.declarations(name))


def _declared(declaration: Declaration) -> list[Use] | None:
    """Return the values that a declaration gives its name."""
    value = declaration.holder.child_by_field_name("value")
    above = declaration.use.path
    # `for (let x of …)` and its like have their own kind.
    return [] if value is None else [Use(value, above)]


def _written(use: Use) -> list[Use] | None:
    """Return what a use writes: [] for a read, None where that is not followed."""
    if use.node.type == "shorthand_property_identifier_pattern":
        return None
    parent = use.parent
    target = parent.child_by_field_name("left")
    if target is not None and target.id == use.node.id:
        if parent.type == "assignment_expression":
            right = parent.child_by_field_name("right")
            return None if right is None else [Use(right, use.path)]
        if parent.type != "binary_expression":
            return None
    if parent.type in ("update_expression", "pair_pattern", "array_pattern"):
        return None
    if parent.type in ("rest_pattern", "object_pattern", "parenthesized_expression"):
        return _written_in_wrapper(use)
    if parent.type in _CASTS:
        return _written_in_wrapper(use)
    return []


_CASTS = frozenset(
    ("non_null_expression", "as_expression", "satisfies_expression", "type_assertion")
)


def is_written(use: Use) -> bool:
    """Return whether a use of a name writes to it."""
    return _written(use) != []


def _written_in_wrapper(use: Use) -> list[Use] | None:
    """Return whether `(x)` is read: as a target, even in parentheses, it is written."""
    if use.parent.type in ("rest_pattern", "object_pattern"):
        return None
    above = use.up()
    written = _written(above)
    return [] if written == [] else None


def _member(source: Source, use: Use, depth: int) -> Texts | None:
    """Return the texts of a literal's member, by the keys it may be read by."""
    owner = use.node.child_by_field_name("object")
    if owner is None or owner.type != "identifier":
        return None
    keys = keys_of(source, use, depth)
    literal = _kept_literal(source, Use(owner, (*use.path, use.node)))
    if keys is None or literal is None:
        return None
    found: Texts = frozenset()
    for key in sorted(keys):
        value = _own_value(literal, key)
        texts = None if value is None else prove_texts(source, value, depth)
        if texts is None:
            return None
        found |= texts
    return found


def keys_of(source: Source, use: Use, depth: int = 0) -> Texts | None:
    """Return the names that a member expression may read, or None."""
    if use.node.type == "member_expression":
        name = use.node.child_by_field_name("property")
        if name is None:
            return None
        return frozenset((unescape(text_of(name)),))
    index = use.node.child_by_field_name("index")
    if index is not None and index.type == "number":
        text = text_of(index)
        # With a zero in front it is an octal number, or else a mistake.
        is_plain = text.isdecimal() and (text == "0" or not text.startswith("0"))
        return frozenset((text,)) if is_plain else None
    return _field(source, use, "index", depth)


def _kept_literal(source: Source, owner: Use) -> Use | None:
    """Return the object or array that a name holds, if nothing else can reach it."""
    name = text_of(owner.node)
    declared = source.resolve(owner, name)
    if len(declared) != 1 or not _is_plain(source, declared):
        return None
    declaration = declared[0]
    if any(node.type == "export_statement" for node in declaration.use.path):
        return None
    value = declaration.holder.child_by_field_name("value")
    if value is None or value.type not in ("object", "array"):
        return None
    uses = source.uses_of(declaration, name)
    if len(uses) > _MAX_TEXT_USES:
        return None
    for use in uses:
        if use.node.id != declaration.use.node.id and not _only_reads_member(use):
            return None
    return Use(value, declaration.use.path)


def _only_reads_member(use: Use) -> bool:
    """Return whether a use reads one member and hands on neither object nor call."""
    parent = use.parent
    if parent.type not in ("member_expression", "subscript_expression"):
        return False
    owner = parent.child_by_field_name("object")
    if owner is None or owner.id != use.node.id:
        return False
    return use.up().parent.type in _READING_PARENTS


# Where a member is read and nothing is written or called with the object as `this`.
_READING_PARENTS = frozenset(
    [
        "arguments",
        "variable_declarator",
        "return_statement",
        "template_substitution",
        "binary_expression",
        "ternary_expression",
        "pair",
        "expression_statement",
    ]
)


def _own_value(literal: Use, key: str) -> Use | None:
    """Return what a literal has under a key, if nothing in it may say otherwise."""
    if literal.node.type == "array":
        return _item(literal, key)
    found: Use | None = None
    for child in literal.node.named_children:
        if child.type == "comment":
            continue
        name = child.child_by_field_name("key")
        if child.type != "pair" or name is None:
            return None
        if name.type not in ("property_identifier", "string"):
            return None
        written = text_of(name).strip("'\"")
        if "\\" in written or written == "__proto__":
            return None
        if written == key:
            value = child.child_by_field_name("value")
            above = (*literal.path, literal.node, child)
            found = None if value is None else Use(value, above)
    return found


def _item(literal: Use, key: str) -> Use | None:
    """Return an array literal's item; None where a hole or a spread moves places."""
    if not key.isdecimal() or (key != "0" and key.startswith("0")):
        return None
    place, found = 0, None
    for child in literal.node.children:
        if child.type == "spread_element":
            return None
        if child.type == ",":
            place += 1
        elif child.is_named and child.type != "comment" and place == int(key):
            found = child
    return None if found is None else Use(found, (*literal.path, literal.node))


_PROVERS = {
    "string": _string,
    "template_string": _template,
    "parenthesized_expression": _inner,
    "as_expression": _inner,
    "satisfies_expression": _inner,
    "non_null_expression": _inner,
    "type_assertion": _inner,
    "sequence_expression": _sequence,
    "ternary_expression": _conditional,
    "binary_expression": _binary,
    "identifier": _identifier,
    "member_expression": _member,
    "subscript_expression": _member,
}
