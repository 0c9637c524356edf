"""Find the decoders of a file, set up the array that they read, and call them.

What is set up is what an obfuscator puts beside the program: the functions of a block,
its names of functions and arrays, and the statements that turn an array round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from tree_sitter import Node

from policy.scanner.limits import Clock
from policy.scanner.parsing.scopes import FUNCTIONS, name_of, unwrap
from policy.scanner.running.compiler import Compiler
from policy.scanner.running.machine import Environment, Machine
from policy.scanner.running.natives import make_globals
from policy.scanner.running.values import (
    UNDEFINED,
    Closure,
    Record,
    ThrownError,
    UnsupportedError,
    is_number,
    whole,
)
from policy.scanner.semantics.values import Constant, Number, Text, Value

_PUSH = rb"(?:push|\\x70\\x75\\x73\\x68)"
_SHIFT = rb"(?:shift|\\x73\\x68\\x69\\x66\\x74)"
_NAME = rb"[A-Za-z_$][\w$]*"
# names.push(names.shift()): the array is turned by one. From what follows the first
# name on, which is looked for backwards: else every name of the file is tried.
_TURNED = re.compile(
    rb"(?:\[['\"]%b['\"]\]|\.push)\((%b)(?:\[['\"]%b['\"]\]|\.shift)\(\)\)"
    % (_PUSH, _NAME, _SHIFT)
)
# function names() { …; names = function () …
# Literal first, with the name looked for backwards: else every name is tried.
_DECLARED = re.compile(rb"(?<![\w$])function\s+(%b)\s*\(" % _NAME)
_MADE_ANEW = re.compile(rb"=\s*function(?![\w$])")
_NAME_BEFORE = re.compile(rb"(?:^|[^\w$.])(%b)\s*$" % _NAME)
_MAX_NAME_BYTES = 80
_MOST_ITSELF_BYTES = 64 * 1024
_MAX_BLOCKS = 4
# What is looked at of a file: an obfuscator writes one such place, near the top of it.
_MAX_PLACES = 16
_MAX_DEPTH = 64
# An obfuscator's loop and decoder are short; what is larger is the program itself.
_MAX_CODE_BYTES = 128 * 1024
_SET_UP = FUNCTIONS | {"identifier", "array", "object", "string", "number"}
_FAILURES = (UnsupportedError, ThrownError, RecursionError, MemoryError, OverflowError)


class Decoders:
    """The decoders of one file, ready to be called; by the ids of their functions."""

    def __init__(self) -> None:
        self._functions: dict[int, Closure] = {}
        self._machines: dict[int, Machine] = {}

    def __contains__(self, function_id: int) -> bool:
        return function_id in self._functions

    def add(self, function_id: int, closure: Closure, machine: Machine) -> None:
        """Take up a decoder that is set up."""
        self._functions[function_id] = closure
        self._machines[function_id] = machine

    def call(self, function_id: int, arguments: list[Value]) -> Value | None:
        """Return what a decoder gives for constants; None where it is not known."""
        given = [_to_run(argument) for argument in arguments]
        if any(value is ... for value in given):
            return None
        machine = self._machines[function_id]
        try:
            return _from_run(
                machine.call(self._functions[function_id], UNDEFINED, given)
            )
        except _FAILURES:
            return None


def find_decoders(root: Node, source: bytes, clock: Clock) -> Decoders:
    """Return the decoders of a file; none where it has no such array."""
    found = Decoders()
    blocks: dict[int, Node] = {}
    for node in islice(_places(root, source), _MAX_PLACES):
        block = _block_of(node)
        if block is not None and len(blocks) < _MAX_BLOCKS:
            blocks[block.id] = block
    for block in blocks.values():
        _set_up(block, found, clock)
    return found


def _places(root: Node, source: bytes) -> Iterator[Node]:
    """Yield places where an array is turned, or a function makes itself anew."""
    turning = _turnings(source) if _may_turn(source) else iter(())
    for start in islice(turning, _MAX_PLACES):
        node = root.descendant_for_byte_range(start, start + 1)
        statement = _statement_of(node)
        if statement is not None:
            yield statement
    made_anew = _made_anew(source)
    for match in _DECLARED.finditer(source) if made_anew else ():
        end = match.end() + _MOST_ITSELF_BYTES
        if any(match.end() < at < end for at in made_anew.get(match[1], ())):
            node = root.descendant_for_byte_range(*match.span(1))
            if node is not None and node.parent is not None:
                yield node.parent


def _turnings(source: bytes) -> Iterator[int]:
    """Yield where an array is turned: the places of its name."""
    for match in _TURNED.finditer(source):
        if source.endswith(match[1], 0, match.start()):
            yield match.start() - len(match[1])


def _turns(source: bytes) -> bool:
    """Return whether an array is turned anywhere in a stretch of source."""
    return next(_turnings(source), None) is not None


def _may_turn(source: bytes) -> bool:
    """Return whether it is worth while to look for an array that is turned."""
    signs = (b".shift())", b"'shift'](", b'"shift"](', b"\\x73\\x68\\x69")
    return any(sign in source for sign in signs)


def _made_anew(source: bytes) -> dict[bytes, list[int]]:
    """Return the names that are given another function, and where."""
    found: dict[bytes, list[int]] = {}
    for match in _MADE_ANEW.finditer(source):
        before = source[max(match.start() - _MAX_NAME_BYTES, 0) : match.start()]
        name = _NAME_BEFORE.search(before)
        if name is not None:
            places = found.setdefault(name[1], [])
            if len(places) < _MAX_PLACES:
                places.append(match.start())
    return found


def _statement_of(node: Node | None) -> Node | None:
    """Return the outermost call in place around a node, as a statement."""
    found = None
    for _ in range(_MAX_DEPTH):
        if node is None or node.end_byte - node.start_byte > _MAX_CODE_BYTES:
            break
        if node.type == "expression_statement" and _is_called_in_place(node):
            found = node
        node = node.parent
    return found


def _is_called_in_place(statement: Node) -> bool:
    """Return whether a statement calls a function where it stands."""
    return any(_called(call) is not None for call in _calls_of(statement))


def _calls_of(statement: Node) -> list[Node]:
    """Return the expressions of a statement, whatever joins them."""
    inner = unwrap(statement.named_children[0]) if statement.named_children else None
    while inner is not None and inner.type == "unary_expression":
        inner = unwrap(inner.child_by_field_name("argument"))
    found: list[Node] = []
    pending = [] if inner is None else [inner]
    while pending:
        node = pending.pop()
        if node.type == "sequence_expression":
            pending += [n for n in map(unwrap, reversed(node.named_children)) if n]
        else:
            found.append(node)
    return found


def _turning_calls(block: Node) -> list[Node]:
    """Return the calls in place that turn an array, among a block's statements."""
    return [
        call
        for statement in block.named_children
        if statement.type == "expression_statement"
        and statement.end_byte - statement.start_byte <= _MAX_CODE_BYTES
        for call in _calls_of(statement)
        if _called(call) is not None and _turns(call.text or b"")
    ]


def _called(call: Node) -> Node | None:
    """Return the function that a call calls in place."""
    if call.type != "call_expression":
        return None
    callee = unwrap(call.child_by_field_name("function"))
    return callee if callee is not None and callee.type in FUNCTIONS else None


def _block_of(statement: Node) -> Node | None:
    """Return the block that a statement stands in."""
    parent = statement.parent
    is_block = parent is not None and parent.type in ("program", "statement_block")
    return parent if is_block else None


def _set_up(block: Node, found: Decoders, clock: Clock) -> None:
    """Run what a block's decoders begin with, and take them up."""
    machine = Machine(clock)
    compiler = Compiler(machine)
    environment = Environment(None, make_globals())
    functions: dict[str, Node] = {}
    for child in block.named_children:
        name = child.child_by_field_name("name")
        if child.type == "function_declaration" and name is not None:
            functions[name_of(name)] = child
            environment.names[name_of(name)] = compiler.closure(child, environment)
    for child in block.named_children:
        _begin(compiler, child, environment, functions)
    try:
        for call in _turning_calls(block):
            compiler.expression(call)(environment)
    except _FAILURES:
        return
    text = {name: node.text or b"" for name, node in functions.items()}
    for decoder in _decoding(block, text):
        closure = environment.names.get(decoder)
        if isinstance(closure, Closure):
            found.add(functions[decoder].id, closure, machine)


def _begin(
    compiler: Compiler,
    statement: Node,
    environment: Environment,
    functions: dict[str, Node],
) -> None:
    """Give a block's names of functions, arrays and other names their values."""
    if statement.type not in ("lexical_declaration", "variable_declaration"):
        return
    for child in statement.named_children:
        name, value = (
            child.child_by_field_name("name"),
            child.child_by_field_name("value"),
        )
        if name is None or name.type != "identifier" or value is None:
            continue
        if value.type not in _SET_UP:
            continue
        try:
            environment.names[name_of(name)] = compiler.expression(value)(environment)
        except _FAILURES:
            continue
        if value.type in FUNCTIONS:
            functions[name_of(name)] = value


def _decoding(block: Node, functions: dict[str, bytes]) -> list[str]:
    """Return the functions that are decoders, among those of a block.

    They make themselves anew, or read an array that a statement of the block turns, or
    are what such a statement calls.
    """
    words = {w for call in _turning_calls(block) for w in _words(call.text or b"")}
    turned = words & _arrays(block)
    found = []
    for name, text in functions.items():
        if len(text) > _MAX_CODE_BYTES:
            continue
        itself = re.search(
            rb"(?<![\w$.])%b\s*=\s*function" % re.escape(name.encode()), text
        )
        reads = turned and _words(text) & turned
        if itself or name.encode() in words or reads:
            found.append(name)
    return found


def _arrays(block: Node) -> set[bytes]:
    """Return a block's names of arrays."""
    found = set()
    for statement in block.named_children:
        if not statement.type.endswith("_declaration"):
            continue
        for child in statement.named_children:
            value, name = (
                child.child_by_field_name("value"),
                child.child_by_field_name("name"),
            )
            if value is not None and value.type == "array" and name is not None:
                found.add(name.text or b"")
    return found


def _words(text: bytes) -> set[bytes]:
    """Return the names in a text."""
    return set(re.findall(_NAME, text))


def _to_run(value: Value) -> Any:
    """Return a constant as a run takes it; Ellipsis for any other value."""
    if isinstance(value, Text):
        return value.text
    if isinstance(value, Number):
        return whole(value.number)
    if isinstance(value, Constant):
        return UNDEFINED if value.constant is ... else value.constant
    # A record stands for what is not read: most decoders have spare parameters.
    return Record()


def _from_run(value: Any) -> Value | None:
    """Return a text or number that a run came to; None for anything else."""
    via = frozenset({"string-array"})
    if isinstance(value, str):
        return Text(value, via=via)
    if is_number(value):
        return Number(float(value), via=via)
    return None
