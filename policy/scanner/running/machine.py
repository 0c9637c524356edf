"""A machine that runs compiled code: its environment, members, calls and budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policy.scanner.limits import Clock
from policy.scanner.running.natives import ARRAY_METHODS, NUMBER_METHODS, TEXT_METHODS
from policy.scanner.running.values import (
    MAX_RUN_TEXT,
    UNDEFINED,
    Closure,
    Items,
    Native,
    Record,
    ThrownError,
    UnsupportedError,
    is_number,
    to_text,
)

# A call or a round of a loop is a step; a file of a thousand texts in RC4 takes more,
# and stays without names.
MAX_RUN_STEPS = 600_000
RUN_SECONDS = 2.0
MAX_RUN_DEPTH = 40
_STEPS_BETWEEN_LOOKS = 256


class Environment:
    """The names of a function or block, and those around it."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Environment | None, names: dict[str, Any]) -> None:
        self.parent, self.names = parent, names

    def find(self, name: str) -> dict[str, Any] | None:
        """Return the names among which one is, the innermost first."""
        holder: Environment | None = self
        while holder is not None:
            if name in holder.names:
                return holder.names
            holder = holder.parent
        return None

    def read(self, name: str) -> Any:
        """Return what a name holds; one that is not known is the runtime's."""
        names = self.find(name)
        if names is None:
            raise UnsupportedError
        return names[name]

    def write(self, name: str, value: Any) -> None:
        """Give a name that is declared another value."""
        names = self.find(name)
        if names is None:
            raise UnsupportedError
        names[name] = value


Run = Callable[[Environment], Any]


class Machine:
    """Counts what a run costs, and reads, writes and calls for it."""

    def __init__(self, clock: Clock) -> None:
        self.steps, self.depth = MAX_RUN_STEPS, 0
        self.clock, self.own = clock, Clock(RUN_SECONDS)

    def step(self) -> None:
        """Take a step; raise UnsupportedError once none are left."""
        self.steps -= 1
        if self.steps < 0:
            raise UnsupportedError
        if self.steps % _STEPS_BETWEEN_LOOKS == 0:
            self.clock.check()
            if self.own.is_over():
                self.steps = 0

    def call(self, function: Any, this: Any, given: list[Any]) -> Any:
        """Return what a function gives."""
        if not isinstance(function, (Closure, Native)):
            raise ThrownError
        self.step()
        if self.depth > MAX_RUN_DEPTH:
            raise UnsupportedError
        self.depth += 1
        try:
            return function.call(this, given)
        finally:
            self.depth -= 1

    def construct(self, maker: Any, given: list[Any]) -> Any:
        """Return what `new` makes by a function of the program, or a pattern."""
        if isinstance(maker, Native) and maker.is_maker:
            return self.call(maker, UNDEFINED, given)
        if not isinstance(maker, Closure):
            raise UnsupportedError
        prototype = maker.members.get("prototype")
        made = Record({}, prototype if isinstance(prototype, Record) else None)
        result = self.call(maker, made, given)
        return result if isinstance(result, Record) else made


def read_member(owner: Any, key: Any) -> Any:
    """Return a member of a value; undefined where it has none."""
    if isinstance(owner, str):
        return _item(owner, key, TEXT_METHODS)
    if isinstance(owner, Items):
        return _item(owner.items, key, ARRAY_METHODS, owner)
    if is_number(owner):
        return _method(owner, key, NUMBER_METHODS)
    if isinstance(owner, Record):
        return _own(owner, to_text(key))
    if owner is None or owner is UNDEFINED:
        raise ThrownError
    raise UnsupportedError


def _item(items: Any, key: Any, methods: dict[str, Any], owner: Any = None) -> Any:
    """Return an item, the length, or a method of what has places."""
    if type(key) is str and key.isdecimal():
        key = int(key)
    if type(key) is int:
        return items[key] if 0 <= key < len(items) else UNDEFINED
    if key == "length":
        return len(items)
    return _method(items if owner is None else owner, key, methods)


def _method(owner: Any, key: Any, methods: dict[str, Any]) -> Any:
    """Return a method that is bound to its owner."""
    method = methods.get(to_text(key))
    if method is None:
        raise UnsupportedError
    return Native(call=lambda this, given: method(owner, given))


def _own(owner: Record, key: str) -> Any:
    """Return a member that an object has or inherits."""
    holder: Record | None = owner
    while holder is not None:
        if key in holder.members:
            return holder.members[key]
        holder = holder.parent
    if isinstance(owner, Closure):
        return _of_function(owner, key)
    if key in ("constructor", "__proto__", "hasOwnProperty", "toString"):
        raise UnsupportedError
    return UNDEFINED


def _of_function(owner: Closure, key: str) -> Any:
    """Return a member that every function has."""
    if key == "prototype":
        return owner.members.setdefault(key, Record())
    if key == "call":
        return Native(call=lambda this, given: owner.call(_first(given), given[1:]))
    if key == "apply":

        def apply(this: Any, given: list[Any]) -> Any:
            listed = given[1] if given[1:] else None
            items = listed.items if isinstance(listed, Items) else []
            return owner.call(_first(given), list(items))

        return Native(call=apply)
    if key == "toString":
        return Native(call=lambda this, given: owner.source)
    if key in ("constructor", "bind", "__proto__", "name", "length"):
        raise UnsupportedError
    return UNDEFINED


def _first(given: list[Any]) -> Any:
    """Return the first argument."""
    return given[0] if given else UNDEFINED


def call_method(machine: Machine, owner: Any, key: Any, given: list[Any]) -> Any:
    """Return what a method gives; the runtime's own are called without a detour."""
    if type(owner) is str and key in TEXT_METHODS:
        machine.step()
        return TEXT_METHODS[key](owner, given)
    if type(owner) is Items and key in ARRAY_METHODS:
        machine.step()
        return ARRAY_METHODS[key](owner, given)
    return machine.call(read_member(owner, key), owner, given)


def write_member(owner: Any, key: Any, value: Any) -> None:
    """Give a member of an object or array a value."""
    if isinstance(owner, Items) and (type(key) is int or str(key).isdecimal()):
        place = int(key)
        if place > len(owner.items) + 1024:
            raise UnsupportedError
        owner.items.extend([UNDEFINED] * (place + 1 - len(owner.items)))
        owner.items[place] = value
    elif isinstance(owner, Record):
        name = to_text(key)
        if name == "__proto__":
            raise UnsupportedError
        owner.members[name] = value
    elif owner is None or owner is UNDEFINED:
        raise ThrownError
    else:
        raise UnsupportedError


def add(left: Any, right: Any) -> Any:
    """Return a sum of texts, within the size that a value may have."""
    text = to_text(left) + to_text(right)
    if len(text) > MAX_RUN_TEXT:
        raise UnsupportedError
    return text
