"""Replacing members by a placeholder: section 5 of docs/evidence-format.md."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import DocumentRefused
from .names import PLACEHOLDER, REDACTED_MEMBERS, REDACTION_FLAGS
from .reading import json_type
from .reading_exactly import member_path


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentBundleRedactionPolicy:
    """Which members a bundle hides; each flag is a row of section 5's table."""

    redact_params_hash: bool = False
    redact_context_hash: bool = False
    redact_args_shape_hash: bool = False
    redact_command_hash: bool = False
    redact_name_hash: bool = False
    redact_remediation: bool = False

    @classmethod
    def full(cls) -> IncidentBundleRedactionPolicy:
        """Return the policy that sets all six flags."""
        return cls.from_flags(REDACTION_FLAGS)

    @classmethod
    def none(cls) -> IncidentBundleRedactionPolicy:
        """Return the policy that sets none."""
        return cls()

    @classmethod
    def from_flags(cls, flags: Collection[str]) -> IncidentBundleRedactionPolicy:
        """Make the policy that sets the named flags; refuse a name there is not."""
        for flag in flags:
            if flag not in REDACTED_MEMBERS:
                expected = ", ".join(REDACTION_FLAGS)
                raise _refused(member_path("$", flag), f"expected one of {expected}")
        return cls(**dict.fromkeys(flags, True))

    @classmethod
    def from_dict(cls, members: object) -> IncidentBundleRedactionPolicy:
        """Read a policy strictly; `DocumentRefused` names the member at fault."""
        if not isinstance(members, Mapping):
            raise _refused("$", f"expected an object, got {json_type(members)}")
        for name, value in members.items():
            if type(value) is not bool:
                raise _refused(
                    member_path("$", str(name)),
                    f"expected true or false, got {json_type(value)}",
                )
        cls.from_flags([str(name) for name in members])
        return cls.from_flags([name for name, value in members.items() if value])

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that are set, in the table's order."""
        return tuple(flag for flag in REDACTION_FLAGS if getattr(self, flag))

    def as_dict(self) -> dict[str, bool]:
        """Return the policy as a bundle's `redaction` member."""
        return asdict(self)


def redaction_words(flags: Collection[str], *, deep: bool = False) -> str:
    """Return how a copy is redacted, as names and pages tell it apart."""
    if not flags:
        return "unredacted"
    words = "redacted" if len(flags) == len(REDACTION_FLAGS) else "partly-redacted"
    return f"deeply-{words}" if deep else words


def flags_set(members: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags that a document's own `redaction` sets, in the table's order."""
    return tuple(flag for flag in REDACTION_FLAGS if members.get(flag) is True)


def redacted_members(flags: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (section, member) for each member that the flags replace."""
    for flag in flags:
        yield from REDACTED_MEMBERS[flag]


def redact_records(
    section: str, records: list[Any], flags: Collection[str]
) -> list[Any]:
    """Return the section's records with the flagged members replaced."""
    members = [name for place, name in redacted_members(flags) if place == section]
    if not members:
        return records
    return [_redact(record, members) for record in records]


def _redact(record: Any, members: list[str]) -> Any:
    """Return a record with the named members replaced, where it has them."""
    if type(record) is not dict:
        return record
    hidden = {name: PLACEHOLDER for name in members if name in record}
    return {**record, **hidden}


def _refused(path: str, message: str) -> DocumentRefused:
    """Return the refusal of a redaction policy, with the member at fault."""
    return DocumentRefused("invalid_redaction", message, path)
