"""The frame of a run: what each name holds now, and how a statement ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy.scanner.folding.bindings import follow_path, follow_writes
from policy.scanner.parsing.scopes import Scope, find_binding
from policy.scanner.semantics.values import UNDEFINED, Array, Function, Value

if TYPE_CHECKING:
    from policy.scanner.folding.folder import Folder


class GiveUpError(Exception):
    """A statement that is not followed."""


class Return(Exception):
    """A body ends with a value."""

    def __init__(self, value: Value) -> None:
        self.value = value


class Break(Exception):
    """The innermost loop ends."""


class Continue(Exception):
    """A round of the innermost loop ends."""


def reads_frame(folder: Folder, function: Function) -> bool:
    """Return whether the result may depend on more than the arguments."""
    if function.environment:
        return True
    top = folder.program.root.bindings
    return any(top.get(binding.name) is binding for binding in folder.frame or ())


def bind_parameters(folder: Folder, inner: Scope, arguments: list[Value]) -> None:
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


def bind_pattern(folder: Folder, inner: Scope, item: Value) -> None:
    """Give the names of a loop's pattern the parts of one item."""
    assert folder.frame is not None
    for binding in inner.bindings.values():
        for write in binding.writes:
            if write.kind in ("items", "keys"):
                folder.frame[binding] = follow_path(folder, item, write)


def assign(folder: Folder, name: str, scope: Scope, value: Value) -> None:
    """Give a bound name a value in the frame; give up on one that is not bound."""
    binding = find_binding(name, scope)
    if binding is None or folder.frame is None:
        raise GiveUpError
    folder.frame[binding] = value


def current_value(folder: Folder, name: str, scope: Scope, position: int) -> Value:
    """Return a name's value now: in the frame, or as written before this point."""
    binding = find_binding(name, scope)
    if binding is None or folder.frame is None:
        raise GiveUpError
    if binding not in folder.frame:
        if id(binding) in folder.running:
            raise GiveUpError
        folder.running.add(id(binding))
        try:
            value = follow_writes(folder, binding, position)
        finally:
            folder.running.discard(id(binding))
        folder.frame[binding] = value
    return folder.frame[binding]
