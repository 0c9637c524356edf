"""Tones and times of the policy pages."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def pretty_json(value: Any) -> str:
    """Return a JSON value over several lines, its members in order of name."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


@register.filter
def patch_json(value: Any, indent: str = "") -> str:
    """Return a settings patch as JSON: a line for each member, lists on theirs."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    members = [
        f"{inner}{json.dumps(name, ensure_ascii=False)}: {patch_json(member, inner)}"
        for name, member in value.items()
    ]
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"


@register.filter
def inline_code(text: str) -> SafeString:
    """Show what stands between backticks as code."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((_code(part) if n % 2 else part,) for n, part in parts)
    )


def _code(text: str) -> SafeString:
    return format_html("<code>{}</code>", text)


@register.filter
def words(value: Any) -> str:
    """Return an identifier in plain words."""
    return str(value).replace("_", " ").replace("-", " ")


@register.filter("sorted")
def in_order(values: Any) -> list[Any]:
    """Return a set's members in order, so that a page is the same each time."""
    return sorted(values)
