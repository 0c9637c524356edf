"""Small functions and loops of constants, followed statement by statement.

Only what decoders are made of: declarations, assignments, branches with a known
condition, counted loops and returns. Anything else ends the attempt, and the value
stays unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.builtins.natives import call_native
from policy.scanner.builtins.reflection import items_of
from policy.scanner.folding.effects import (
    MAX_ROUNDS,
    follow_effect,
    follow_method,
    follow_update,
)
from policy.scanner.folding.frame import (
    Break,
    Continue,
    GiveUpError,
    Return,
    assign,
    bind_parameters,
    bind_pattern,
    current_value,
    reads_frame,
)
from policy.scanner.folding.statements import HANDLERS, follow_block, follow_statement
from policy.scanner.parsing.scopes import (
    Binding,
    Scope,
    Write,
    name_of,
    text_of,
    unwrap,
)
from policy.scanner.semantics.coercion import to_truth
from policy.scanner.semantics.values import (
    UNDEFINED,
    UNKNOWN,
    Array,
    Function,
    Text,
    Value,
    add_via,
    one_of,
    unknown,
)

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder

# Functions within functions: a decoder has one or two.
MAX_CALL_DEPTH = 6
# A function that returns a constant or decodes one is short.
MAX_FUNCTION_BYTES = 3000


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
    key = None if reads_frame(folder, function) else (node.id, tuple(arguments))
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


def _follow(
    folder: Folder, function: Function, body: Node, arguments: list[Value]
) -> Value:
    """Return what a function's body returns for arguments, in a frame of its own."""
    outer = folder.frame
    inner = folder.program.scopes[function.node.id]
    folder.frame = {**(function.environment or {}), **(outer or {})}
    try:
        bind_parameters(folder, inner, arguments)
        return _body_value(folder, body, inner)
    except GiveUpError:
        # Not followed to its end; what its returns may give is still worth a look.
        return _any_return(folder, body, inner)
    finally:
        folder.frame = outer


def _body_value(folder: Folder, body: Node, scope: Scope) -> Value:
    """Return a body's value: the expression's, or the first return's."""
    if body.type != "statement_block":
        return folder.fold(body, scope)
    try:
        follow_block(folder, body, scope)
    except Return as result:
        return result.value
    except (Break, Continue):
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
    room = folder.loops.room(loop.id)
    if room == 0:
        return unknown(current, via=("decoder-loop",))
    # What the loop may not have, is left for the rest of the site.
    kept = max(folder.allowance - room, 0)
    folder.allowance -= kept
    steps, is_vain = folder.budget.steps, False
    folder.loops.nesting += 1
    try:
        return _run(folder, binding, current, loop)
    except (GiveUpError, Return, Break, Continue):
        is_vain = True
        return unknown(current, via=("decoder-loop",))
    finally:
        folder.allowance += kept
        folder.loops.leave(loop.id, steps - folder.budget.steps, is_vain=is_vain)


def _run(folder: Folder, binding: Binding, current: Value, loop: Node) -> Value:
    """Return a binding's value after a loop, which may end the attempt."""
    outer = folder.frame
    # A copy: what the loop sets is nothing to the function around it.
    folder.frame = dict(outer or {})
    folder.frame[binding] = current
    scope = folder.program.scopes.get(loop.id)
    try:
        if scope is None or scope.parent is None:
            return UNKNOWN
        follow_statement(folder, loop, scope.parent)
        value = folder.frame[binding]
    finally:
        folder.frame = outer
    return add_via(value, "decoder-loop") if isinstance(value, Text) else value


def _skip(folder: Folder, node: Node, scope: Scope) -> None:
    """Pass over a statement without an effect on values."""


def _declaration(folder: Folder, node: Node, scope: Scope) -> None:
    """Give each plain name of a declaration its value."""
    for child in folder.children_of(node):
        if child.type != "variable_declarator":
            continue
        name = child.child_by_field_name("name")
        value = child.child_by_field_name("value")
        if name is None or name.type != "identifier":
            # Destructured names keep the value that their binding has.
            continue
        found = folder.fold(value, scope) if value is not None else UNDEFINED
        assign(folder, name_of(name), scope, found)


def _expression(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow an expression statement for its effects."""
    for child in folder.children_of(node):
        follow_effect(folder, unwrap(child), scope)


def _if(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow the branch that a known condition takes."""
    truth = to_truth(folder.fold(node.child_by_field_name("condition"), scope))
    if truth is None:
        raise GiveUpError
    branch = node.child_by_field_name("consequence" if truth else "alternative")
    if branch is not None:
        follow_statement(folder, branch, scope)


def _else(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow the statements of an else branch."""
    for child in folder.children_of(node):
        follow_statement(folder, child, scope)


def _return(folder: Folder, node: Node, scope: Scope) -> None:
    """End the body with a value."""
    value = node.named_children[0] if node.named_children else None
    raise Return(folder.fold(value, scope))


def _break(folder: Folder, node: Node, scope: Scope) -> None:
    """End the innermost loop."""
    raise Break


def _continue(folder: Folder, node: Node, scope: Scope) -> None:
    """End the innermost loop's round."""
    raise Continue


def _for(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow a counting loop, up to `MAX_ROUNDS` rounds."""
    inner = folder.program.scopes.get(node.id, scope)
    start = node.child_by_field_name("initializer")
    if start is not None and start.type != "empty_statement":
        if start.type.endswith("declaration"):
            follow_statement(folder, start, inner)
        else:
            follow_effect(folder, unwrap(_plain(start)), inner)
    condition = node.child_by_field_name("condition")
    increment = node.child_by_field_name("increment")
    for _ in range(MAX_ROUNDS):
        if not _holds(folder, condition, inner):
            return
        if not _round(folder, node, inner):
            return
        follow_effect(folder, unwrap(increment), inner)
    raise GiveUpError


def _plain(node: Node) -> Node:
    """Return the expression of an expression statement."""
    if node.type == "expression_statement" and node.named_children:
        return node.named_children[0]
    return node


def _holds(folder: Folder, condition: Node | None, scope: Scope) -> bool:
    """Return whether a loop goes on; give up where its condition is unknown."""
    if condition is None or condition.type == "empty_statement":
        raise GiveUpError
    truth = to_truth(_condition(folder, _plain(condition), scope))
    if truth is None:
        raise GiveUpError
    return truth


def _condition(folder: Folder, node: Node, scope: Scope) -> Value:
    """Fold a loop's condition, with `i--` in it."""
    inner = unwrap(node)
    if inner is not None and inner.type == "update_expression":
        target = unwrap(inner.child_by_field_name("argument"))
        if target is None:
            raise GiveUpError
        before = current_value(folder, name_of(target), scope, inner.start_byte)
        follow_update(folder, inner, scope)
        return before
    names = folder.compared.get(node.id)
    if names is None:
        names = folder.compared[node.id] = _names(inner)
    for name in names:
        current_value(folder, name, scope, node.start_byte)
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
        raise GiveUpError
    try:
        follow_statement(folder, body, scope)
    except Break:
        return False
    except Continue:
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
        raise GiveUpError
    for item in items:
        if left.type == "identifier":
            assign(folder, name_of(left), inner, item)
        else:
            bind_pattern(folder, inner, item)
        if not _round(folder, node, inner):
            return


def _enumerated(folder: Folder, value: Value) -> Value:
    """Return the keys that for-in gives."""
    if isinstance(value, (Array, Text)):
        count = len(items_of(value) or ())
        return Array(tuple(Text(str(index)) for index in range(count)))
    return call_native("Object.keys", [value], folder)


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
    raise GiveUpError


HANDLERS.update(
    {
        "statement_block": follow_block,
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
        "call_expression": follow_method,
        "empty_statement": _skip,
        "comment": _skip,
        "function_declaration": _skip,
    }
)
