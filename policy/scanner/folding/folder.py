"""The folder: the state of folding a program, and the table of rules by node type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tree_sitter import Node

from policy.scanner.folding.bindings import fold_binding, fold_identifier, fold_name
from policy.scanner.folding.calls import (
    apply_value,
    fold_arguments,
    fold_call,
    fold_callee,
    fold_new,
)
from policy.scanner.folding.constants import (
    fold_array,
    fold_class,
    fold_function,
    fold_number,
    fold_object,
    fold_regex,
    fold_string,
    fold_template,
    fold_word,
)
from policy.scanner.folding.effects import Target
from policy.scanner.folding.expressions import (
    Chain,
    fold_assignment,
    fold_awaited,
    fold_binary,
    fold_conditional,
    fold_inner,
    fold_sequence,
    fold_unary,
)
from policy.scanner.folding.interpreter import run_loop
from policy.scanner.folding.members import fold_member, fold_this, member_key
from policy.scanner.folding.state import (
    MAX_DEPTH,
    MAX_SITE_STEPS,
    STEPS_BETWEEN_LOOKS,
    Budget,
    Loops,
)
from policy.scanner.parsing.scopes import (
    Binding,
    Program,
    Scope,
    Write,
    find_binding,
    text_of,
)
from policy.scanner.running import Decoders
from policy.scanner.semantics.values import UNDEFINED, UNKNOWN, Value


@dataclass
class Folder:
    """Folds the expressions of one program: the state, and the way to each rule.

    Rules are functions of the modules beside this one; they reach each other through
    the folder, since an expression holds others of every kind.
    """

    program: Program
    budget: Budget = field(default_factory=Budget)
    nesting: int = 0
    decoders: Decoders = field(default_factory=Decoders)
    depth: int = 0
    memo: dict[int, Value] = field(default_factory=dict)
    folded: dict[int, Value] = field(default_factory=dict)
    # By a class node's id: what `new` makes of it, once nothing of that was cut.
    instances: dict[int, Value] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    # Values that may be incomplete, since a cycle or a limit was met on the way:
    # good for the site at hand only.
    passing: dict[int, Value] = field(default_factory=dict)
    was_cut: bool = False
    # Results of functions of the source, by node id and arguments.
    results: dict[tuple[int, tuple[Value, ...]], Value] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)
    call_depth: int = 0
    allowance: int = 0
    loops: Loops = field(default_factory=Loops)
    # Values of the function or loop being interpreted; None outside of one.
    frame: dict[Binding, Value] | None = None
    this: Value | None = None
    # What a node always is, by its id: looked up once, however many rounds a loop has.
    literals: dict[int, Value] = field(default_factory=dict)
    names: dict[int, tuple[Scope, Binding | None]] = field(default_factory=dict)
    keys: dict[int, tuple[str | None, tuple[str, ...]]] = field(default_factory=dict)
    chains: dict[int, Chain] = field(default_factory=dict)
    children: dict[int, list[Node]] = field(default_factory=dict)
    targets: dict[int, Target] = field(default_factory=dict)
    compared: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loops.size = self.program.root.node.end_byte

    def fold(self, node: Node | None, scope: Scope) -> Value:
        """Return the value of an expression."""
        if node is None:
            return UNDEFINED
        key, frame = node.id, self.frame
        if frame is None:
            # Inside a function or a loop a node has another value each round.
            known = self.memo.get(key) or self.passing.get(key)
            if known is not None:
                return known
        kind = node.type
        handler = HANDLERS.get(kind)
        if handler is None:
            return UNKNOWN
        depth = self.depth
        if depth == 0:
            self.start()
        budget = self.budget
        steps = budget.steps - 1
        if (
            steps > 0
            and steps % STEPS_BETWEEN_LOOKS
            and self.allowance > 0
            and depth <= MAX_DEPTH
            and not budget.exhausted
        ):
            # As `may_continue` does, where nothing is near an end: twice as fast.
            self.allowance -= 1
            budget.steps = steps
        elif not self.may_continue():
            return UNKNOWN
        if frame is not None:
            if kind == "identifier":
                name = self.names.get(key)
                if name is None or name[0] is not scope:
                    name = self.names[key] = (scope, self.plain_binding(node, scope))
                if name[1] in frame:
                    return frame[name[1]]
            elif kind in LITERALS:
                known = self.literals.get(key)
                if known is None:
                    known = self.literals[key] = handler(self, node, scope)
                return known
        # What was cut beside this node does not make its own value incomplete.
        was_cut_before, self.was_cut = self.was_cut, False
        self.depth = depth + 1
        try:
            value = handler(self, node, scope)
        finally:
            self.depth -= 1
        if frame is None:
            memo = self.passing if self.was_cut and depth else self.memo
            memo[key] = value
        self.was_cut = self.was_cut or was_cut_before
        return value

    def children_of(self, node: Node) -> list[Node]:
        """Return the named nodes right below a node, the same ones each time."""
        found = self.children.get(node.id)
        if found is None:
            found = self.children[node.id] = node.named_children
        return found

    def plain_binding(self, node: Node, scope: Scope) -> Binding | None:
        """Return what a name is bound to; None where more than that counts."""
        written = text_of(node)
        if "\\" in written or written == "undefined" or self.program.has_with:
            return None
        return find_binding(written, scope)

    def for_code(self, program: Program) -> Folder:
        """Return a folder for code in a string, on what this one has left to spend."""
        # The same budget: code in strings in strings must not buy steps anew.
        inside = Folder(program, self.budget, self.nesting + 1, depth=self.depth)
        inside.allowance = self.allowance
        return inside

    def reset(self) -> None:
        """Forget what a site was in the middle of when it was given up."""
        self.depth = self.call_depth = 0
        self.frame = None
        self.running.clear()

    def start(self) -> None:
        """Begin with a site: a new allowance, and no leftovers of cut-off cycles."""
        self.allowance = MAX_SITE_STEPS
        self.was_cut = False
        self.passing.clear()

    def may_continue(self) -> bool:
        """Spend a step; false at a limit, where the value is taken for unknown."""
        self.allowance -= 1
        if self.depth > MAX_DEPTH or not self.budget.spend():
            self.was_cut = True
            return False
        if self.allowance < 0:
            # Once a site: every further step over the allowance passes here as well.
            self.budget.cut_sites += self.allowance == -1
            self.was_cut = True
            return False
        return True

    # What rules need of rules in other modules.

    def name(self, name: str, scope: Scope) -> Value:
        """Return what a name stands for in a scope."""
        return fold_name(self, name, scope)

    def binding(self, binding: Binding) -> Value:
        """Return everything that a binding may hold."""
        return fold_binding(self, binding)

    def callee(self, call: Node, scope: Scope) -> Value:
        """Return what is called."""
        return fold_callee(self, call, scope)

    def arguments(self, call: Node, scope: Scope) -> list[Value]:
        """Return a call's arguments."""
        return fold_arguments(self, call, scope)

    def apply(self, target: Value, arguments: list[Value]) -> Value:
        """Return the result of calling a value."""
        return apply_value(self, target, arguments)

    def member_key(
        self, node: Node, scope: Scope
    ) -> tuple[str | None, tuple[str, ...]]:
        """Return the name that a member expression reads, and how it is written."""
        return member_key(self, node, scope)

    def loop(self, binding: Binding, current: Value, write: Write) -> Value:
        """Return a binding's value after the loop that builds it up."""
        return run_loop(self, binding, current, write)


# What they come to depends on nothing around them.
LITERALS = frozenset(("string", "number", "regex", "true", "false", "null"))
Handler = Callable[[Folder, Node, Scope], Value]
HANDLERS: dict[str, Handler] = {
    "identifier": fold_identifier,
    "shorthand_property_identifier": fold_identifier,
    "string": fold_string,
    "template_string": fold_template,
    "number": fold_number,
    "regex": fold_regex,
    "true": fold_word,
    "false": fold_word,
    "null": fold_word,
    "undefined": fold_word,
    "array": fold_array,
    "object": fold_object,
    "parenthesized_expression": fold_inner,
    "as_expression": fold_inner,
    "satisfies_expression": fold_inner,
    "non_null_expression": fold_inner,
    "type_assertion": fold_inner,
    "instantiation_expression": fold_inner,
    "await_expression": fold_awaited,
    "yield_expression": fold_awaited,
    "sequence_expression": fold_sequence,
    "ternary_expression": fold_conditional,
    "binary_expression": fold_binary,
    "unary_expression": fold_unary,
    "assignment_expression": fold_assignment,
    "member_expression": fold_member,
    "subscript_expression": fold_member,
    "call_expression": fold_call,
    "new_expression": fold_new,
    "this": fold_this,
    "class": fold_class,
    **dict.fromkeys(
        ("function_expression", "arrow_function", "generator_function"), fold_function
    ),
}
