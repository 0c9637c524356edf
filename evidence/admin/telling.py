"""What a page says once a service was called: done in green, waiting in amber."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest


class Waiting(str):
    """What is said of work that was asked for and that nobody has done yet."""

    __slots__ = ()


def tell(request: HttpRequest, said: str) -> None:
    """Show how it went: as a warning where the work still waits for somebody."""
    level = messages.WARNING if isinstance(said, Waiting) else messages.SUCCESS
    messages.add_message(request, level, str(said))
