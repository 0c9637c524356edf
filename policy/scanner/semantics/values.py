"""What the scanner knows about the value of an expression.

A value carries `via`: the names of the techniques that its making used (see
families.py). An empty `via` means that the source spells the value out.

No kind of value is made of another kind, so that `type(value) is Text` asks the same as
`isinstance`, in a quarter of the time: some million times for a large file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

Made = TypeVar("Made")
Via = frozenset[str]
PLAIN: Via = frozenset()
MAX_OPTIONS = 8


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _kind(made: type[Made]) -> type[Made]:
    """Make a class a kind of value, which nobody changes.

    Frozen for who checks types only: Python would call a function for each field.
    """
    return dataclass(unsafe_hash=True)(made)


def _keep_hash(made: type[Made]) -> type[Made]:
    """Have a kind of value that holds many others count its hash once."""
    count = made.__hash__

    def kept(value: Made) -> int:
        found: int | None = value.__dict__.get("_hash")
        if found is None:
            found = value.__dict__["_hash"] = count(value)
        return found

    made.__hash__ = kept  # type: ignore[assignment, method-assign]
    return made


@_kind
class Value:
    """Any value; by itself, one that is not known."""

    via: Via = field(default=PLAIN, kw_only=True)
    # Text of unknown content, such as "a" + b.
    textual: bool = field(default=False, kw_only=True)


@_kind
class Text(Value):
    text: str


@_kind
class Number(Value):
    number: float


@_kind
class Constant(Value):
    """true, false, null (Python's own) or undefined (Ellipsis)."""

    constant: Any


@_keep_hash
@_kind
class Array(Value):
    items: tuple[Value, ...]


@_keep_hash
@_kind
class Object(Value):
    members: dict[str, Value] = field(hash=False)
    # A spread or a computed key: there may be members that are not listed.
    is_open: bool = False


@_kind
class Bytes(Value):
    data: bytes


@_kind
class Pattern(Value):
    source: str
    flags: str


@_kind
class Host(Value):
    """Something of the runtime's, by dotted name: `process.binding`, `eval`."""

    name: str


@_kind
class Module(Value):
    """The namespace of an imported module."""

    name: str


@_kind
class Method(Value):
    """A method of a value, before its call."""

    owner: Value
    name: str


@_kind
class Bound(Value):
    """A function with leading arguments fixed by bind."""

    target: Value
    arguments: tuple[Value, ...]


@_kind
class Function(Value):
    """A function of the source; `node` and `scope` are the scanner's own."""

    node: Any
    scope: Any = field(hash=False, compare=False)
    environment: Any = field(hash=False, compare=False, default=None)
    this: Value | None = field(hash=False, compare=False, default=None)


@_kind
class Class(Value):
    node: Any
    scope: Any = field(hash=False, compare=False)


@_kind
class Code(Value):
    """A function made from text at run time."""

    body: str


@_kind
class Blob(Value):
    """A blob of known text, or its address."""

    text: str


@_kind
class OneOf(Value):
    options: tuple[Value, ...]


UNKNOWN = Value()
UNDEFINED = Constant(...)
_PLAIN_UNKNOWN = Value()


def is_undefined(value: Value) -> bool:
    """Return whether a value is undefined, by whatever way it came about."""
    return type(value) is Constant and value.constant is ...


def unknown(*sources: Value, via: Iterable[str] = ()) -> Value:
    """Return an unknown value that remembers how its sources were made."""
    made_by = merge_via(*sources).union(via)
    # Most are made of nothing that counts, and are all alike.
    return Value(via=made_by) if made_by else _PLAIN_UNKNOWN


def merge_via(*sources: Value) -> Via:
    """Return all techniques used by any of the values, one level into containers."""
    names = PLAIN
    for source in sources:
        if source.via:
            names |= source.via
        if type(source) is Array:
            held = source.items
        elif type(source) is OneOf:
            held = source.options
        else:
            continue
        for inner in held:
            if inner.via:
                names |= inner.via
    return names


def add_via(value: Value, *names: str) -> Value:
    """Return the value with techniques added."""
    if value.via.issuperset(names):
        return value
    if type(value) is OneOf:
        return OneOf(tuple(add_via(option, *names) for option in value.options))
    # dataclasses.replace calls __init__, which is most of the time spent here.
    changed = object.__new__(type(value))
    changed.__dict__.update(value.__dict__, via=value.via.union(names))
    changed.__dict__.pop("_hash", None)
    return changed


def options(value: Value) -> tuple[Value, ...]:
    """Return each value that this may be."""
    return value.options if type(value) is OneOf else (value,)


def one_of(values: Iterable[Value]) -> Value:
    """Return a value that is any of these, without repeats."""
    found = list(values)
    if len(found) == 1:
        return found[0]
    flat: list[Value] = []
    for value in found:
        for option in value.options if type(value) is OneOf else (value,):
            if len(flat) < MAX_OPTIONS and option not in flat:
                flat.append(option)
    if not flat:
        return UNKNOWN
    return flat[0] if len(flat) == 1 else OneOf(tuple(flat))
