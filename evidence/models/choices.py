"""Fixed sets of the pure packages as Django choices."""

from enum import StrEnum


def choices_of(members: type[StrEnum]) -> list[tuple[str, str]]:
    """Return (value, label) pairs; the label is the value in plain words."""
    return [(m.value, m.value.replace("_", " ").capitalize()) for m in members]


def values_of(members: type[StrEnum]) -> list[str]:
    return [m.value for m in members]
