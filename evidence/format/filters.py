"""Which records a bundle is about: section 4 of docs/evidence-format.md.

A record is dropped only where a member it has shows that it is out of scope. A record
without the member, or with one of another type, cannot be judged and is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import DocumentRefused
from .json_numbers import integer_of
from .names import SEVERITY_RANK
from .reading import json_type
from .reading_exactly import member_path


@dataclass(frozen=True, slots=True)
class IncidentBundleFilter:
    """The scope of a bundle; None is no limit, both moments are inclusive."""

    start_ms: int | None = None
    end_ms: int | None = None
    extension_id: str | None = None
    alert_categories: tuple[str, ...] | None = None
    min_severity: str | None = None

    @classmethod
    def from_dict(cls, members: object) -> IncidentBundleFilter:
        """Read a filter strictly; `DocumentRefused` names the member at fault."""
        if not isinstance(members, Mapping):
            raise _refused("$", f"expected an object, got {json_type(members)}")
        for name in members:
            if name not in _READERS:
                expected = ", ".join(_READERS)
                raise _refused(
                    member_path("$", str(name)), f"no such limit: expected {expected}"
                )
        found = {
            name: None
            if members.get(name) is None
            else read(f"$.{name}", members[name])
            for name, read in _READERS.items()
        }
        scope = cls(**found)
        if _later(scope.start_ms, scope.end_ms):
            raise _refused("$.start_ms", "expected a moment no later than end_ms")
        return scope

    def as_dict(self) -> dict[str, Any]:
        """Return the filter as a bundle's `filter` member."""
        members = asdict(self)
        if self.alert_categories is not None:
            members["alert_categories"] = list(self.alert_categories)
        return members

    def keeps(self, record: Any) -> bool:
        """Return whether a record of any section is within the limits."""
        if type(record) is not dict:
            return True
        moment = integer_of(record.get("ts_ms"))
        if moment is not None and (
            _later(self.start_ms, moment) or _later(moment, self.end_ms)
        ):
            return False
        extension = record.get("extension_id")
        return (
            self.extension_id is None
            or type(extension) is not str
            or extension == self.extension_id
        )

    def keeps_alert(self, alert: Any) -> bool:
        """Return whether an alert is within all limits."""
        if type(alert) is not dict:
            return True
        return self.keeps(alert) and self._in_category(alert) and self._severe(alert)

    def _in_category(self, alert: dict[str, Any]) -> bool:
        """Return whether an alert is of a category asked for, or none was."""
        category = alert.get("category")
        if self.alert_categories is None or type(category) is not str:
            return True
        return category in self.alert_categories

    def _severe(self, alert: dict[str, Any]) -> bool:
        """Return whether an alert is severe enough; unknown severities are kept."""
        severity = alert.get("severity")
        if self.min_severity is None or type(severity) is not str:
            return True
        least = SEVERITY_RANK[self.min_severity]
        return SEVERITY_RANK.get(severity, least) >= least


def filter_names_extension(members: object) -> bool:
    """Return whether a bundle's own filter explains holes in the ledger's sequence."""
    return isinstance(members, Mapping) and type(members.get("extension_id")) is str


def _refused(path: str, message: str) -> DocumentRefused:
    """Return the refusal of a filter, with the member at fault."""
    return DocumentRefused("invalid_filter", message, path)


def _later(first: int | None, second: int | None) -> bool:
    """Return whether the first moment is after the second; None is no limit."""
    return first is not None and second is not None and first > second


def _read_moment(path: str, value: Any) -> int:
    """Return integer milliseconds. Raise DocumentRefused for anything else."""
    moment = integer_of(value)
    if moment is None:
        raise _refused(path, "expected integer milliseconds since 1970, or null")
    return moment


def _read_text(path: str, value: Any) -> str:
    """Return a string. Raise DocumentRefused for anything else."""
    if type(value) is not str:
        raise _refused(path, f"expected a string or null, got {json_type(value)}")
    return value


def _read_categories(path: str, value: Any) -> tuple[str, ...]:
    """Return the names of an array. Raise DocumentRefused for anything else."""
    if not isinstance(value, list | tuple):
        raise _refused(
            path, f"expected an array of strings or null, got {json_type(value)}"
        )
    for place, category in enumerate(value):
        if type(category) is not str:
            raise _refused(
                f"{path}[{place}]", f"expected a string, got {json_type(category)}"
            )
    return tuple(value)


def _read_severity(path: str, value: Any) -> str:
    """Return a known severity. Raise DocumentRefused for anything else."""
    if type(value) is not str or value not in SEVERITY_RANK:
        expected = ", ".join(SEVERITY_RANK)
        raise _refused(path, f"expected one of {expected}, or null")
    return value


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "start_ms": _read_moment,
    "end_ms": _read_moment,
    "extension_id": _read_text,
    "alert_categories": _read_categories,
    "min_severity": _read_severity,
}
