"""JSON Schema checks whose faults are told by JSON path, for every document here.

Schemas follow JSON Schema 2020-12. A message says what was expected and what was
found; a long value found is cut, so that an error never repeats a document.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from incidents.workflow.errors import Problem

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

# A person corrects a few faults at a time; a hostile document has thousands.
PROBLEMS_MAX = 20
FOUND_MAX_CHARS = 60
# The limit of the evidence format (docs/evidence-format.md section 1).
DEPTH_MAX = 64
# A tool for development brings it. jsonschema loads it wherever it is there, for a
# check that nothing here asks for, and it takes seconds: it makes a parser.
GRAMMAR_OF_ADDRESSES = "rfc3987_syntax"
# PostgreSQL keeps no NUL, and UTF-8 has no lone surrogate.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def json_path(parts: Iterable[str | int]) -> str:
    """Return ``$.checklist[3].kind`` for ("checklist", 3, "kind")."""
    path = "$"
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.replace("_", "a").isalnum():
            path += f".{part}"
        else:
            path += f"[{part!r}]"
    return path


class DocumentSchema:
    """A JSON Schema, made ready when the first document is held against it."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    @cached_property
    def _validator(self) -> Draft202012Validator:
        with _without(GRAMMAR_OF_ADDRESSES):
            from jsonschema import Draft202012Validator

        return Draft202012Validator(self._schema)

    def find_problems(self, value: object) -> tuple[Problem, ...]:
        """Return the faults of ``value``, in order of their paths."""
        problems: list[Problem] = []
        for error in sorted(self._validator.iter_errors(value), key=_place):
            problems += _problems_of(error)
        return tuple(problems[:PROBLEMS_MAX])


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Have a module that is not loaded be missing for what is imported in this block.

    A playbook is first read while its case is held, and who asks for that case
    waits for the import. jsonschema does without its checkers of formats.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # makes an import fail
    try:
        yield
    finally:
        del sys.modules[module]


def unstorable_problems(value: object) -> tuple[Problem, ...]:
    """Return a fault where JSON text could not be stored and given back as it came."""
    if _is_surely_storable(value):
        return ()
    for path, member in _walk(value):
        if len(path) > DEPTH_MAX:
            fault = f"nested more than {DEPTH_MAX} levels deep"
        elif isinstance(member, str) and UNSTORABLE.search(member):
            fault = "NUL and lone surrogates cannot be stored"
        elif isinstance(member, float) and not math.isfinite(member):
            fault = "expected a finite number"
        else:
            continue
        return (Problem(json_path(path[:DEPTH_MAX]), fault),)
    return ()


def _is_surely_storable(value: object) -> bool:
    """Return whether a flat object holds nothing odd; False leaves it to the walk.

    Nearly every alert is one, and this is several times quicker.
    """
    if type(value) is not dict:
        return False
    return all(
        _is_storable_text(name)
        and (
            member is None
            or type(member) in (int, bool)
            or (type(member) is float and math.isfinite(member))
            or (type(member) is list and all(map(_is_storable_text, member)))
            or _is_storable_text(member)
        )
        for name, member in value.items()
    )


def _is_storable_text(text: object) -> bool:
    return type(text) is str and "\0" not in text and text.isascii()


def _walk(value: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield every value and member name with its path, without recursing."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), value)]
    while waiting:
        path, member = waiting.pop()
        yield path, member
        if isinstance(member, dict):
            for name, inner in member.items():
                yield path, name
                waiting.append(((*path, name), inner))
        elif isinstance(member, list):
            waiting.extend(((*path, i), inner) for i, inner in enumerate(member))


def _place(error: ValidationError) -> list[str]:
    """Sort key: paths part by part, entries of a list by their number."""
    return [
        f"{part:09d}" if isinstance(part, int) else part for part in error.absolute_path
    ]


def _problems_of(error: ValidationError) -> list[Problem]:
    """Return a schema's error as sentences, one for each unknown member."""
    path = list(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        expected = ", ".join(known)
        return [
            Problem(json_path([*path, name]), f"unknown member; expected {expected}")
            for name in error.instance
            if name not in known
        ]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        # jsonschema reports one error for each missing name: take the one of this.
        name = next(
            (absent for absent in missing if error.message.startswith(repr(absent))), ""
        )
        return [Problem(json_path([*path, name]), "missing; this member is required")]
    return [Problem(json_path(path), _message(error))]


def _message(error: ValidationError) -> str:
    """Return what was expected and what was found."""
    limit = error.validator_value
    expected = {
        "enum": lambda: f"expected one of {', '.join(map(str, limit))}",
        "const": lambda: f"expected {limit!r}",
        "type": lambda: f"expected {_either(limit)}",
        "pattern": lambda: f"expected text that matches {limit}",
        "minLength": lambda: f"expected {limit} characters or more",
        "maxLength": lambda: f"expected at most {limit} characters",
        "minItems": lambda: f"expected {limit} entries or more",
        "maxItems": lambda: f"expected at most {limit} entries",
        "minProperties": lambda: f"expected {limit} members or more",
        "minimum": lambda: f"expected {limit} or more",
        "maximum": lambda: f"expected at most {limit}",
        "uniqueItems": lambda: "expected no entry twice",
    }.get(str(error.validator), lambda: "not allowed here")()
    return f"{expected}, got {_found(error.instance)}"


def _either(types: str | list[str]) -> str:
    """Return one type or several as words."""
    return types if isinstance(types, str) else " or ".join(types)


def _found(value: Any) -> str:
    """Describe what stands there, cut short."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= FOUND_MAX_CHARS else text[:FOUND_MAX_CHARS] + "…"
