"""What other apps show on a person's page: each registers a function, once."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.utils.safestring import SafeString

PersonNote = Callable[[User], SafeString]

_notes: dict[str, PersonNote] = {}


def add_person_note(name: str, note: PersonNote) -> None:
    """Have a person's page show what this function returns, under the name."""
    _notes[name] = note


def read_person_note(name: str, person: User) -> SafeString:
    """Return what a registered function shows of a person."""
    return _notes[name](person)
