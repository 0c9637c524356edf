"""Small functions and loops of constants, followed statement by statement.

Only what decoders are made of: declarations, assignments, branches with a known
condition, counted loops and returns. Anything else ends the attempt, and the value
stays unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.coercion import to_truth
from policy.scanner.folding.bindings import (
    apply_change,
    assign_member,
    follow_path,
    follow_writes,
)
from policy.scanner.folding.expressions import augment
from policy.scanner.natives import call_native, items_of
from policy.scanner.scopes import (
    CHANGERS,
    ITERATING,
    Binding,
    Scope,
    Write,
    arguments_of,
    find_binding,
    name_of,
    text_of,
    unwrap,
)
from policy.scanner.values import (
    UNDEFINED,
    UNKNOWN,
    Array,
    Function,
    Method,
    Number,
    Text,
    Value,
    add_via,
    one_of,
    unknown,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder

# Rounds of one loop: decoders go once over a short text.
MAX_ROUNDS = 4096
# Functions within functions: a decoder has one or two.
MAX_CALL_DEPTH = 6
# A function that returns a constant or decodes one is short.
MAX_FUNCTION_BYTES = 3000


class _GiveUpError(Exception):
    """A statement that is not followed."""


class _Return(Exception):
    def __init__(self, value: Value) -> None:
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


def call_function(folder: Folder, function: Function, arguments: list[Value]) -> Value:
    """Return what a function of the source returns for these arguments."""
    node = function.node
    inner = folder.program.scopes.get(node.id)
    body = node.child_by_field_name("body")
    # A function that calls itself ends here: its value would need itself.
    if inner is None or body is None or node.id in folder.running:
        return unknown(*arguments)
    if folder.call_depth >= MAX_CALL_DEPTH:
        folder.was_cut = True
        return unknown(*arguments)
    if body.end_byte - body.start_byte > MAX_FUNCTION_BYTES:
        return unknown(*arguments)
    # The same arguments give the same result only where nothing else counts.
    key = None if _reads_frame(folder, function) else (node.id, tuple(arguments))
    if key is not None and key in folder.results:
        return folder.results[key]
    was_cut_before, folder.was_cut = folder.was_cut, False
    folder.running.add(node.id)
    folder.call_depth += 1
    try:
        value = _follow(folder, function, body, arguments)
    finally:
        folder.call_depth -= 1
        folder.running.discard(node.id)
    value = add_via(value, "function-return")
    # Cut short at a limit, it may be whole for a site with more steps left.
    if key is not None and not folder.was_cut:
        folder.results[key] = value
    folder.was_cut = folder.was_cut or was_cut_before
    return value


def _reads_frame(folder: Folder, function: Function) -> bool:
    """Return whether the result may depend on more than the arguments."""
    if function.environment:
        return True
    top = folder.program.root.bindings
    return any(top.get(binding.name) is binding for binding in folder.frame or ())


def _follow(
    folder: Folder, function: Function, body: Node, arguments: list[Value]
) -> Value:
    """Return what a function's body returns for arguments, in a frame of its own."""
    outer = folder.frame
    inner = folder.program.scopes[function.node.id]
    folder.frame = {**(function.environment or {}), **(outer or {})}
    try:
        _bind_parameters(folder, inner, arguments)
        return _body_value(folder, body, inner)
    except _GiveUpError:
        # Not followed to its end; what its returns may give is still worth a look.
        return _any_return(folder, body, inner)
    finally:
        folder.frame = outer


def _bind_parameters(folder: Folder, inner: Scope, arguments: list[Value]) -> None:
    """Give each parameter its argument; a rest parameter all from its place on."""
    assert folder.frame is not None
    for binding in inner.bindings.values():
        for write in binding.writes:
            if write.kind != "parameter" or not isinstance(write.extra, int):
                continue
            index = write.extra
            if index < 0:
                value: Value = Array(tuple(arguments[-1 - index :]))
            else:
                value = arguments[index] if index < len(arguments) else UNDEFINED
            folder.frame[binding] = (
                follow_path(folder, value, write) if write.path else value
            )


def _body_value(folder: Folder, body: Node, scope: Scope) -> Value:
    """Return a body's value: the expression's, or the first return's."""
    if body.type != "statement_block":
        return folder.fold(body, scope)
    try:
        _block(folder, body, scope)
    except _Return as result:
        return result.value
    except (_Break, _Continue):
        return UNKNOWN
    return UNDEFINED


def _any_return(folder: Folder, body: Node, scope: Scope) -> Value:
    """Return any value that the body's own outermost returns may give."""
    found: list[Value] = []
    inner = folder.program.scopes.get(body.id, scope)
    for child in body.named_children:
        if child.type == "return_statement" and child.named_children:
            found.append(folder.fold(child.named_children[0], inner))
    return one_of(found) if found else UNKNOWN


def run_loop(folder: Folder, binding: Binding, current: Value, write: Write) -> Value:
    """Return a binding's value after the loop that builds it up."""
    loop = write.loop
    assert loop is not None
    outer = folder.frame
    # A copy: what the loop sets is nothing to the function around it.
    folder.frame = dict(outer or {})
    folder.frame[binding] = current
    scope = folder.program.scopes.get(loop.id)
    try:
        if scope is None or scope.parent is None:
            return UNKNOWN
        _statement(folder, loop, scope.parent)
        value = folder.frame[binding]
    except (_GiveUpError, _Return, _Break, _Continue):
        return unknown(current, via=("decoder-loop",))
    finally:
        folder.frame = outer
    return add_via(value, "decoder-loop") if isinstance(value, Text) else value


def _block(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow the statements of a block in its own scope."""
    inner = folder.program.scopes.get(node.id, scope)
    for child in node.named_children:
        _statement(folder, child, inner)


def _statement(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow one statement; give up on a kind that is not followed."""
    if not folder.budget.spend():
        raise _GiveUpError
    handler = _STATEMENTS.get(node.type)
    if handler is None:
        raise _GiveUpError
    handler(folder, node, scope)


def _skip(folder: Folder, node: Node, scope: Scope) -> None:
    """Pass over a statement without an effect on values."""


def _declaration(folder: Folder, node: Node, scope: Scope) -> None:
    """Give each plain name of a declaration its value."""
    for child in node.named_children:
        if child.type != "variable_declarator":
            continue
        name = child.child_by_field_name("name")
        value = child.child_by_field_name("value")
        if name is None or name.type != "identifier":
            # Destructured names keep the value that their binding has.
            continue
        found = folder.fold(value, scope) if value is not None else UNDEFINED
        _assign(folder, name_of(name), scope, found)


def _assign(folder: Folder, name: str, scope: Scope, value: Value) -> None:
    """Give a bound name a value in the frame; give up on one that is not bound."""
    binding = find_binding(name, scope)
    if binding is None or folder.frame is None:
        raise _GiveUpError
    folder.frame[binding] = value


def _current(folder: Folder, name: str, scope: Scope, position: int) -> Value:
    """Return a name's value now: in the frame, or as written before this point."""
    binding = find_binding(name, scope)
    if binding is None or folder.frame is None:
        raise _GiveUpError
    if binding not in folder.frame:
        if id(binding) in folder.running:
            raise _GiveUpError
        folder.running.add(id(binding))
        try:
            value = follow_writes(folder, binding, position)
        finally:
            folder.running.discard(id(binding))
        folder.frame[binding] = value
    return folder.frame[binding]


def _expression(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow an expression statement for its effects."""
    for child in node.named_children:
        _effect(folder, unwrap(child), scope)


def _effect(folder: Folder, node: Node | None, scope: Scope) -> None:
    """Follow an expression that is there for what it changes."""
    if node is None:
        return
    if node.type == "sequence_expression":
        for child in node.named_children:
            _effect(folder, unwrap(child), scope)
    elif node.type in ("assignment_expression", "augmented_assignment_expression"):
        _assignment(folder, node, scope)
    elif node.type == "update_expression":
        _update(folder, node, scope)
    elif node.type == "call_expression":
        _method_effect(folder, node, scope)
    elif node.type not in ("string", "number", "identifier"):
        raise _GiveUpError


def _assignment(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow an assignment to a name, or to an element."""
    left = unwrap(node.child_by_field_name("left"))
    if left is None:
        raise _GiveUpError
    if left.type != "identifier":
        _element(folder, left, node, scope)
        return
    name = name_of(left)
    if node.type == "assignment_expression":
        _assign(
            folder, name, scope, folder.fold(node.child_by_field_name("right"), scope)
        )
        return
    current = _current(folder, name, scope, node.start_byte)
    _assign(folder, name, scope, augment(folder, current, node, scope))


def _element(folder: Folder, left: Node, node: Node, scope: Scope) -> None:
    """Follow `array[index] = value`."""
    owner = unwrap(left.child_by_field_name("object"))
    if owner is None or owner.type != "identifier":
        raise _GiveUpError
    name = name_of(owner)
    current = _current(folder, name, scope, node.start_byte)
    write = Write("member", node.child_by_field_name("right"), scope, extra=left)
    _assign(folder, name, scope, assign_member(folder, current, write))


def _update(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow `++` or `--` of a name that holds a number."""
    target = unwrap(node.child_by_field_name("argument"))
    operator = node.child_by_field_name("operator")
    if target is None or target.type != "identifier" or operator is None:
        raise _GiveUpError
    name = name_of(target)
    current = _current(folder, name, scope, node.start_byte)
    if not isinstance(current, Number):
        raise _GiveUpError
    step = 1 if text_of(operator) == "++" else -1
    _assign(folder, name, scope, Number(current.number + step))


def _method_effect(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow `array.push(…)` and its like; other calls change nothing we follow."""
    callee = unwrap(node.child_by_field_name("function"))
    if callee is None or callee.type != "member_expression":
        return
    owner = unwrap(callee.child_by_field_name("object"))
    name = callee.child_by_field_name("property")
    if owner is None or name is None:
        return
    if name_of(name) in ITERATING:
        _iterate(folder, node, scope)
        return
    if owner.type != "identifier" or name_of(name) not in CHANGERS:
        return
    current = _current(folder, name_of(owner), scope, node.start_byte)
    write = Write("change", node, scope, extra=name_of(name))
    _assign(folder, name_of(owner), scope, apply_change(folder, current, write))


def _iterate(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow `items.forEach(item => …)` for what its function changes around it."""
    callback = next(iter(arguments_of(node)), None)
    target = folder.callee(node, scope)
    inner = folder.program.scopes.get(callback.id) if callback is not None else None
    body = callback.child_by_field_name("body") if callback is not None else None
    items = items_of(target.owner) if isinstance(target, Method) else None
    if inner is None or body is None or items is None or len(items) > MAX_ROUNDS:
        raise _GiveUpError
    for index, item in enumerate(items):
        _bind_parameters(folder, inner, [item, Number(index)])
        try:
            if body.type == "statement_block":
                _block(folder, body, inner)
            else:
                _effect(folder, unwrap(body), inner)
        except _Return:
            continue


def _if(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow the branch that a known condition takes."""
    truth = to_truth(folder.fold(node.child_by_field_name("condition"), scope))
    if truth is None:
        raise _GiveUpError
    branch = node.child_by_field_name("consequence" if truth else "alternative")
    if branch is not None:
        _statement(folder, branch, scope)


def _else(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow the statements of an else branch."""
    for child in node.named_children:
        _statement(folder, child, scope)


def _return(folder: Folder, node: Node, scope: Scope) -> None:
    """End the body with a value."""
    value = node.named_children[0] if node.named_children else None
    raise _Return(folder.fold(value, scope))


def _break(folder: Folder, node: Node, scope: Scope) -> None:
    """End the innermost loop."""
    raise _Break


def _continue(folder: Folder, node: Node, scope: Scope) -> None:
    """End the innermost loop's round."""
    raise _Continue


def _for(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow a counting loop, up to `MAX_ROUNDS` rounds."""
    inner = folder.program.scopes.get(node.id, scope)
    start = node.child_by_field_name("initializer")
    if start is not None and start.type != "empty_statement":
        if start.type.endswith("declaration"):
            _statement(folder, start, inner)
        else:
            _effect(folder, unwrap(_plain(start)), inner)
    condition = node.child_by_field_name("condition")
    increment = node.child_by_field_name("increment")
    for _ in range(MAX_ROUNDS):
        if not _holds(folder, condition, inner):
            return
        if not _round(folder, node, inner):
            return
        _effect(folder, unwrap(increment), inner)
    raise _GiveUpError


def _plain(node: Node) -> Node:
    """Return the expression of an expression statement."""
    if node.type == "expression_statement" and node.named_children:
        return node.named_children[0]
    return node


def _holds(folder: Folder, condition: Node | None, scope: Scope) -> bool:
    """Return whether a loop goes on; give up where its condition is unknown."""
    if condition is None or condition.type == "empty_statement":
        raise _GiveUpError
    truth = to_truth(_condition(folder, _plain(condition), scope))
    if truth is None:
        raise _GiveUpError
    return truth


def _condition(folder: Folder, node: Node, scope: Scope) -> Value:
    """Fold a loop's condition, with `i--` in it."""
    inner = unwrap(node)
    if inner is not None and inner.type == "update_expression":
        target = unwrap(inner.child_by_field_name("argument"))
        if target is None:
            raise _GiveUpError
        before = _current(folder, name_of(target), scope, inner.start_byte)
        _update(folder, inner, scope)
        return before
    for name in _names(inner):
        _current(folder, name, scope, node.start_byte)
    return folder.fold(inner, scope)


def _names(node: Node | None) -> list[str]:
    """Return the plain names a condition compares, which the loop may change."""
    if node is None or node.type != "binary_expression":
        return []
    sides = (node.child_by_field_name("left"), node.child_by_field_name("right"))
    return [name_of(side) for side in sides if side and side.type == "identifier"]


def _round(folder: Folder, node: Node, scope: Scope) -> bool:
    """Run a loop's body once; return False after a break."""
    body = node.child_by_field_name("body")
    if body is None:
        raise _GiveUpError
    try:
        _statement(folder, body, scope)
    except _Break:
        return False
    except _Continue:
        return True
    return True


def _for_in(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow a loop over known items or keys."""
    inner = folder.program.scopes.get(node.id, scope)
    left = node.child_by_field_name("left")
    operator = node.child_by_field_name("operator")
    value = folder.fold(node.child_by_field_name("right"), scope)
    if operator is not None and text_of(operator) == "in":
        value = _enumerated(folder, value)
    items = items_of(value)
    if items is None or left is None or len(items) > MAX_ROUNDS:
        raise _GiveUpError
    for item in items:
        if left.type == "identifier":
            _assign(folder, name_of(left), inner, item)
        else:
            _bind_pattern(folder, inner, item)
        if not _round(folder, node, inner):
            return


def _enumerated(folder: Folder, value: Value) -> Value:
    """Return the keys that for-in gives."""
    if isinstance(value, (Array, Text)):
        count = len(items_of(value) or ())
        return Array(tuple(Text(str(index)) for index in range(count)))
    return call_native("Object.keys", [value], folder)


def _bind_pattern(folder: Folder, inner: Scope, item: Value) -> None:
    """Give the names of a loop's pattern the parts of one item."""
    assert folder.frame is not None
    for binding in inner.bindings.values():
        for write in binding.writes:
            if write.kind in ("items", "keys"):
                folder.frame[binding] = follow_path(folder, item, write)


def _while(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow a while or do loop, up to `MAX_ROUNDS` rounds."""
    inner = folder.program.scopes.get(node.id, scope)
    condition = node.child_by_field_name("condition")
    if node.type == "do_statement" and not _round(folder, node, inner):
        return
    for _ in range(MAX_ROUNDS):
        if not _holds(folder, condition, inner):
            return
        if not _round(folder, node, inner):
            return
    raise _GiveUpError


_STATEMENTS = {
    "statement_block": _block,
    "lexical_declaration": _declaration,
    "variable_declaration": _declaration,
    "expression_statement": _expression,
    "if_statement": _if,
    "else_clause": _else,
    "return_statement": _return,
    "break_statement": _break,
    "continue_statement": _continue,
    "for_statement": _for,
    "for_in_statement": _for_in,
    "while_statement": _while,
    "do_statement": _while,
    "call_expression": _method_effect,
    "empty_statement": _skip,
    "comment": _skip,
    "function_declaration": _skip,
}
