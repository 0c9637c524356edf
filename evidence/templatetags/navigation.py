"""The entries of the sidebar, drawn in Python: thirty stand on every page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.utils.safestring import SafeString

from evidence.markup import join_markup, shown

register = template.Library()


@register.simple_tag
def draw_entries(entries: Iterable[Mapping[str, Any]]) -> SafeString:
    """Draw a list of pages; the one that is open is marked for eyes and ears."""
    return join_markup(['<ul class="cf-nav">', *map(_draw, entries), "\n</ul>"])


def _draw(entry: Mapping[str, Any]) -> str:
    heading = entry.get("heading")
    above = f'\n<li class="cf-nav-heading">{shown(heading)}</li>' if heading else ""
    mark = ' class="active" aria-current="page"' if entry.get("active") else ""
    return (
        f'{above}\n<li>\n<a href="{shown(entry["link"])}"{mark}>\n'
        '<span class="material-symbols-outlined md-18" aria-hidden="true">'
        f"{shown(entry['icon'])}</span>\n<span>{shown(entry['title'])}</span>"
        "\n</a>\n</li>"
    )
