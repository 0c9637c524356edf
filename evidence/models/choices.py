"""Fixed sets of the pure packages as Django choices."""

from enum import StrEnum

from evidence.wording import label_of


def choices_of(members: type[StrEnum]) -> list[tuple[str, str]]:
    """Return (value, label) pairs; the label is the value in plain words."""
    return [(m.value, label_of(m.value)) for m in members]


def values_of(members: type[StrEnum]) -> list[str]:
    return [m.value for m in members]
