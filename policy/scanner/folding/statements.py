"""Statements one after another: each kind by its handler, all on one budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tree_sitter import Node

from policy.scanner.folding.frame import GiveUpError
from policy.scanner.parsing.scopes import Scope

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder


Handler = Callable[["Folder", Node, Scope], None]

# Filled by the interpreter, whose loops and branches hold statements themselves.
HANDLERS: dict[str, Handler] = {}


def follow_block(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow the statements of a block in its own scope."""
    inner = folder.program.scopes.get(node.id, scope)
    for child in folder.children_of(node):
        follow_statement(folder, child, inner)


def follow_statement(folder: Folder, node: Node, scope: Scope) -> None:
    """Follow one statement; give up on a kind that is not followed."""
    if not folder.budget.spend():
        raise GiveUpError
    handler = HANDLERS.get(node.type)
    if handler is None:
        raise GiveUpError
    handler(folder, node, scope)
