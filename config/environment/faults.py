"""All that is wrong in the environment is told at once, not only the first of it.

While somebody gathers, a reader that finds a fault notes it and reads on as if the
variable were not set (or were as the documents write it). Nothing ever runs on that
value: `require_no_faults` ends the gathering, and refuses.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from django.core.exceptions import ImproperlyConfigured

Known = ParamSpec("Known")
Value = TypeVar("Value")
One = TypeVar("One")
Reader = Callable[Concatenate[str, Known], Value]

# By the name of the variable; None while nobody gathers.
_found: dict[str, str] | None = None


def gather_faults() -> None:
    """Note faults from here on; goes on with those of who has begun before."""
    global _found
    if _found is None:
        _found = {}


def require_no_faults() -> None:
    """End the gathering. Raise ImproperlyConfigured with every fault, a line each."""
    global _found
    found, _found = _found or {}, None
    faults = list(found.values())
    if len(faults) > 1:
        lines = "".join(f"\n- {fault}" for fault in faults)
        raise ImproperlyConfigured(f"{len(faults)} settings are wrong:{lines}")
    if faults:
        raise ImproperlyConfigured(faults[0])


def refuse(fault: str, *names: str) -> None:
    """Note what is wrong about these variables together, or raise it.

    Where one of them is wrong by itself, what it would mean here is not known.
    """
    if _found is None:
        raise ImproperlyConfigured(fault)
    if not _found.keys() & set(names):
        _found[names[0]] = fault


def read_each(
    name: str, entries: Sequence[str], read: Callable[[str], One]
) -> list[One]:
    """Return what every entry of a list is read as.

    Raise ImproperlyConfigured with all that are wrong, by their places: what an entry
    says may be secret, and is told by its own fault if at all.
    """
    values: list[One] = []
    faults: list[str] = []
    for place, entry in enumerate(entries, 1):
        try:
            values.append(read(entry))
        except ImproperlyConfigured as fault:
            said = str(fault).removeprefix(name).lstrip(" :")
            faults.append(f"entry {place}: {said}")
    if faults and len(entries) == 1:
        raise ImproperlyConfigured(f"{name} {faults[0].removeprefix('entry 1: ')}")
    if faults:
        lines = "".join(f"\n  {fault}" for fault in faults)
        raise ImproperlyConfigured(
            f"{name} is wrong in {len(faults)} of its {len(entries)} entries:{lines}"
        )
    return values


def gathered(
    *, example: str = ""
) -> Callable[[Reader[Known, Value]], Reader[Known, Value]]:
    """Let a reader note its fault while somebody gathers, and read on.

    `example` is a right value, for a reader that takes no missing one and is given none
    by its caller.
    """

    def decorate(read: Reader[Known, Value]) -> Reader[Known, Value]:
        @functools.wraps(read)
        def read_on(name: str, *args: Known.args, **known: Known.kwargs) -> Value:
            try:
                return read(name, *args, **known)
            except ImproperlyConfigured as fault:
                if _found is None:
                    raise
                _found.setdefault(name, str(fault))
            with _written_as(name, str(known.get("example") or example)):
                return read(name, *args, **known)

        return read_on

    return decorate


@contextmanager
def _written_as(name: str, value: str) -> Iterator[None]:
    """Set the variable, or unset it where the value is empty, while the block runs."""
    kept = {one: os.environ.pop(one, None) for one in (name, f"{name}_FILE")}
    if value:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        os.environ |= {one: was for one, was in kept.items() if was is not None}
