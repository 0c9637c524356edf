"""Markup made of pieces, where a page draws so many that a template would be slow."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from django.template import Context
from django.template.base import render_value_in_context
from django.utils.html import conditional_escape
from django.utils.safestring import SafeData, SafeString, mark_safe

PLAIN = Context()


def shown(value: Any) -> str:
    """Return a value as a template shows it: escaped, unless it is markup."""
    if isinstance(value, str):
        return value if isinstance(value, SafeData) else escape(value)
    return str(render_value_in_context(value, PLAIN))


def fill(markup: str, *values: Any) -> SafeString:
    """Return markup with values in its places, escaped as `format_html` does.

    That one asks of each value whether it is to be translated later, which makes a
    badge, of which a list has a hundred, five times as dear.
    """
    return mark_safe(markup.format(*map(escaped, values)))  # noqa: S308  (escaped)


def escaped(value: Any) -> str:
    """Return a value as `format_html` puts it into markup."""
    if isinstance(value, str):
        return value if isinstance(value, SafeData) else escape(value)
    return str(conditional_escape(value))


def join_markup(pieces: Iterable[str]) -> SafeString:
    """Return as markup what was escaped piece by piece: thrice as fast as a format."""
    return mark_safe("".join(pieces))  # noqa: S308  (each piece is markup or escaped)
