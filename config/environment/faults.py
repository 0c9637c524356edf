"""All that is wrong in the environment is told at once, not only the first of it.

While somebody gathers, a reader that finds a fault notes it and reads on as if the
variable were not set (or were as the documents write it). Nothing ever runs on that
value: `require_no_faults` ends the gathering, and refuses.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from django.core.exceptions import ImproperlyConfigured

Known = ParamSpec("Known")
Value = TypeVar("Value")
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
    refuse_all(list(found.values()))


def refuse_all(faults: list[str]) -> None:
    """Raise ImproperlyConfigured for these faults, if there are any."""
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
