"""The one filter for names from outside. Every template has it without loading it."""

from __future__ import annotations

from typing import Any

from django import template

from evidence import lookalikes

register = template.Library()


@register.filter
def show_hidden(value: Any) -> str:
    """Show direction and invisible characters of a name as their code points."""
    return "" if value is None else lookalikes.show_hidden(str(value))
