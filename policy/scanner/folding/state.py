"""The state of folding a program, its limits, and the dispatch by node type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tree_sitter import Node

from policy.scanner.scopes import (
    Binding,
    Program,
    Scope,
)
from policy.scanner.values import (
    UNDEFINED,
    UNKNOWN,
    Value,
)

# Deep enough for people and for most obfuscators, shallow enough for Python's stack.
MAX_DEPTH = 60
# A step is one expression: some seconds at the very worst, for one file.
MAX_STEPS = 1_500_000
# For one site: an unrolled decoder of some thousand characters.
MAX_SITE_STEPS = 20_000


@dataclass
class Budget:
    """Steps left for a file, shared with the code it carries in strings."""

    steps: int = MAX_STEPS
    exhausted: bool = False
    # Sites given up because one expression alone took too many steps.
    cut_sites: int = 0

    def spend(self) -> bool:
        self.steps -= 1
        if self.steps < 0:
            self.exhausted = True
        return not self.exhausted


@dataclass
class FoldingCore:
    """Folds the expressions of one program."""

    program: Program
    budget: Budget = field(default_factory=Budget)
    nesting: int = 0
    depth: int = 0
    memo: dict[int, Value] = field(default_factory=dict)
    folded: dict[int, Value] = field(default_factory=dict)
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
    # Values of the function or loop being interpreted; None outside of one.
    frame: dict[Binding, Value] | None = None
    this: Value | None = None
    # By node type; filled by the last layer.
    handlers: ClassVar[Mapping[str, Callable[[Any, Node, Scope], Value]]] = {}

    def fold(self, node: Node | None, scope: Scope) -> Value:
        """Return the value of an expression."""
        if node is None:
            return UNDEFINED
        if self.frame is None:
            known = self.memo.get(node.id) or self.passing.get(node.id)
            if known is not None:
                return known
        handler = self.handlers.get(node.type)
        if handler is None:
            return UNKNOWN
        if self.depth == 0:
            self.start()
        if not self.may_continue():
            return UNKNOWN
        was_cut_before, self.was_cut = self.was_cut, False
        self.depth += 1
        try:
            value = handler(self, node, scope)
        finally:
            self.depth -= 1
        if self.frame is None:
            memo = self.passing if self.was_cut and self.depth else self.memo
            memo[node.id] = value
        self.was_cut = self.was_cut or was_cut_before
        return value

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
            self.budget.cut_sites += self.allowance == -1
            self.was_cut = True
            return False
        return True

    # What the layers above this one add, and those below them use.

    def name(self, name: str, scope: Scope) -> Value:
        """Return what a name stands for in a scope."""
        raise NotImplementedError

    def binding(self, binding: Binding) -> Value:
        """Return everything that a binding may hold."""
        raise NotImplementedError

    def find_binding(self, name: str, scope: Scope) -> Binding | None:
        """Return the innermost binding of a name."""
        raise NotImplementedError

    def callee(self, call: Node, scope: Scope) -> Value:
        """Return what is called."""
        raise NotImplementedError

    def arguments(self, call: Node, scope: Scope) -> list[Value]:
        """Return a call's arguments."""
        raise NotImplementedError

    def apply(self, target: Value, arguments: list[Value]) -> Value:
        """Return the result of calling a value."""
        raise NotImplementedError

    def member_key(
        self, node: Node, scope: Scope
    ) -> tuple[str | None, tuple[str, ...]]:
        """Return the name that a member expression reads, and how it is written."""
        raise NotImplementedError
