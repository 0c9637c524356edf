"""Markdown that people write, as HTML that is safe to show.

CommonMark with tables and strikethrough; a line that ends shows as one that ends, so
that a pasted log stays lines; raw HTML stays text. What comes out is
cleaned again by nh3 against a short list, so that neither library is trusted alone.
"""

from __future__ import annotations

from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from evidence.lookalikes import PROSE, show_hidden
from evidence.text import unify_lines

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "div"),
}
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "div": {"tabindex"}}
BOX = "cf-table-wrap"
"""A wide table scrolls in its box, by keyboard too, and not the whole page."""
SCHEMES = {"http", "https", "mailto"}

# No images: a note must not fetch anything when it is read.
_PARSER = (
    MarkdownIt("commonmark", {"html": False, "breaks": True})
    .enable(["table", "strikethrough"])
    .disable("image")
)


def _open_table(*_: Any) -> str:
    return f'<div class="{BOX}" tabindex="0"><table>'


def _close_table(*_: Any) -> str:
    return "</table></div>"


_PARSER.add_render_rule("table_open", _open_table)
_PARSER.add_render_rule("table_close", _close_table)


def render_markdown(text: str) -> SafeString:
    """Return safe HTML; links open without telling the other site where from."""
    html = _PARSER.render(show_hidden(unify_lines(text), keep=PROSE))
    cleaned = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        allowed_classes={"div": {BOX}},
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(cleaned)  # noqa: S308  (nh3 has just cleaned it)
