"""Tones and times of the policy pages."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

TONES = {
    # trust
    "quarantined": "late",
    "probation": "watch",
    "trusted": "done",
    "unknown": "quiet",
    # kill switches
    "ordered": "warn",
    "confirmed": "done",
    "lifted": "quiet",
    # decisions
    "allow": "warn",
    "prompt": "watch",
    "deny": "done",
    # scans
    "forbidden": "late",
    "flagged": "warn",
    "safe": "done",
    # requests and rollbacks
    "pending": "watch",
    "proposed": "watch",
    "approved": "calm",
    "applied": "late",
    "verified": "done",
    "declined": "quiet",
    "withdrawn": "quiet",
    "closed": "quiet",
}


@register.filter
def get_action(actions: dict[str, Any], key: str) -> Any:
    """Return the button of this key, None where it is not offered."""
    return actions.get(key)


@register.filter
def tone(value: Any) -> str:
    """Return the tone of a state, a decision or a classification."""
    return TONES.get(str(value), "quiet")


@register.simple_tag
def badge(value: Any, label: str = "") -> SafeString:
    """Show a state in its tone and in words."""
    words = label or str(value).replace("_", " ").capitalize()
    return format_html(
        '<span class="cf-badge" data-tone="{}">{}</span>', tone(value), words
    )


@register.simple_tag
def at(value: dt.datetime | None) -> SafeString | str:
    """Show a moment in UTC, which the page's script turns to the reader's zone."""
    if value is None:
        return "–"
    utc = value.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}" data-local="full" title="{} UTC">{} UTC</time>',
        utc.isoformat(timespec="seconds"),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        f"{utc:%Y-%m-%d %H:%M:%S}",
    )


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
        f"{inner}{json.dumps(name, ensure_ascii=False)}: {patch_json(one, inner)}"
        for name, one in value.items()
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


@register.filter
def span(length: dt.timedelta) -> str:
    """Return a length of time in its two largest units: 2 d 3 h, 4 min 32 s."""
    rest = int(length.total_seconds())
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "less than a second"
