"""Reading the members of a JSON object that other software wrote.

Guarantees: everything wrong is noted with its path, never only the first; a
wrong member counts as absent; what nobody asked for is listed as unknown. Never
raises, and no message repeats a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from policy.rules.errors import Fault
from policy.rules.json_paths import child_path

EnumType = TypeVar("EnumType", bound=StrEnum)

_ABSENT: Final = object()
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


class Findings:
    """What was noted while one document was read."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.unknown: list[str] = []

    def add_fault(self, path: str, code: str, message: str) -> None:
        """Note one thing that is wrong."""
        self.faults.append(Fault(path, code, message))


class ObjectReader:
    """Reads one object; `close` lists the members that nobody asked for."""

    def __init__(
        self, members: Mapping[str, Any], path: str, findings: Findings
    ) -> None:
        self.members = members
        self.path = path
        self.findings = findings
        self._asked: set[str] = set()

    def path_of(self, name: str) -> str:
        """Return the JSON path of a member."""
        return child_path(self.path, name)

    def require(self, *names: str) -> None:
        """Note each of these members that is missing."""
        for name in names:
            if name not in self.members:
                self.findings.add_fault(
                    self.path_of(name), "missing", "Expected this member; it is absent."
                )

    def read_object(self, name: str) -> ObjectReader:
        """Return a reader of an object member; of an empty one where it is absent."""
        value = self._take(name)
        if isinstance(value, Mapping):
            return ObjectReader(value, self.path_of(name), self.findings)
        if value is not _ABSENT:
            self._wrong(name, "an object", value)
        return ObjectReader(_EMPTY, self.path_of(name), self.findings)

    def read_list(self, name: str) -> list[Any] | None:
        """Return a list member; None where it is absent or no list."""
        value = self._take(name)
        if isinstance(value, list):
            return value
        if value is not _ABSENT:
            self._wrong(name, "an array", value)
        return None

    def read_texts(self, name: str) -> list[str] | None:
        """Return the texts of a list member; None where it is absent or no list."""
        values = self.read_list(name)
        if values is None:
            return None
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.add_wrong_type(f"{self.path_of(name)}[{index}]", "a text", value)
        return [value for value in values if isinstance(value, str)]

    def read_text(self, name: str) -> str | None:
        """Return a text member; None where it is absent or no text."""
        value = self._take(name)
        if isinstance(value, str):
            return value
        if value is not _ABSENT:
            self._wrong(name, "a text", value)
        return None

    def read_choice(self, name: str, choices: type[EnumType]) -> EnumType | None:
        """Return a member of an enumeration, without case; None where it is none."""
        text = self.read_text(name)
        if text is None:
            return None
        try:
            return choices(text.strip().lower())
        except ValueError:
            expected = ", ".join(choices)
            self.findings.add_fault(
                self.path_of(name), "unknown_value", f"Expected one of: {expected}."
            )
            return None

    def read_flag(self, name: str) -> bool | None:
        """Return a boolean member; None where it is absent or no boolean."""
        value = self._take(name)
        if isinstance(value, bool):
            return value
        if value is not _ABSENT:
            self._wrong(name, "true or false", value)
        return None

    def read_number(self, name: str) -> float | None:
        """Return a number member; None where it is absent or no number."""
        value = self._take(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if value is not _ABSENT:
            self._wrong(name, "a number", value)
        return None

    def read_share(self, name: str) -> float | None:
        """Return a number between 0 and 1, both excluded; None where it is none."""
        number = self.read_number(name)
        if number is None or 0 < number < 1:
            return number
        self.findings.add_fault(
            self.path_of(name), "out_of_range", "Expected a number between 0 and 1."
        )
        return None

    def read_count(self, name: str) -> int | None:
        """Return a whole number above 0; None where it is none. 128.0 is whole."""
        number = self.read_number(name)
        if number is None:
            return None
        if number >= 1 and number == int(number):
            return int(number)
        self.findings.add_fault(
            self.path_of(name), "out_of_range", "Expected a whole number above 0."
        )
        return None

    def skip(self, *names: str) -> None:
        """Count these members as known, whatever they hold."""
        self._asked.update(names)

    def close(self) -> None:
        """List the members that nobody asked for as unknown."""
        for name in self.members:
            if name not in self._asked:
                self.findings.unknown.append(self.path_of(name))

    def add_wrong_type(self, path: str, expected: str, value: Any) -> None:
        """Note a value of another type than expected."""
        self.findings.add_fault(
            path, "wrong_type", f"Expected {expected}; got {type_name(value)}."
        )

    def _take(self, name: str) -> Any:
        """Return a member, and note that it was asked for."""
        self._asked.add(name)
        return self.members.get(name, _ABSENT)

    def _wrong(self, name: str, expected: str, value: Any) -> None:
        """Note a member of a wrong type."""
        self.add_wrong_type(self.path_of(name), expected, value)


def type_name(value: Any) -> str:
    """Return what JSON calls a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "an array" if isinstance(value, list) else "an object"
