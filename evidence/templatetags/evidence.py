"""Filters and pieces that evidence pages, and pages that embed them, share."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from evidence.figure_words import say_figure, say_value
from evidence.form_keys import KEY_NAME, make_key
from evidence.models import Outcome
from evidence.shown_times import say_moment
from evidence.templatetags.casefile import badge

register = template.Library()

ICONS = {
    Outcome.VERIFIED: "verified",
    Outcome.DIGEST_ONLY: "tag",
    Outcome.FAILED: "gpp_bad",
    Outcome.REFUSED: "block",
    Outcome.DAMAGED: "broken_image",
    Outcome.UNFINISHED: "hourglass_disabled",
}


@register.simple_tag
def integrity_badge(
    outcome: str | None, checked_at: dt.datetime | None = None
) -> SafeString:
    """Show how an item stands: in colour, by symbol and in words."""
    if not outcome:
        return badge("unknown", "Not verified yet", icon="pending")
    title = f"Last checked {say_moment(checked_at)}" if checked_at else ""
    found = Outcome(outcome)
    return badge(found, found.label, icon=ICONS[found], title=title)


@register.simple_tag(takes_context=True)
def form_key(context: Any, kind: str = "") -> SafeString:
    """Draw the hidden field that makes a form sent twice one; "secret": never kept."""
    key = make_key(context["request"].user.pk or 0, is_secret=kind == "secret")
    return format_html('<input type="hidden" name="{}" value="{}">', KEY_NAME, key)


@register.simple_tag(takes_context=True)
def place_form(
    context: Any,
    key: str,
    *,
    only: str = "",
    leave: str = "",
    need: str = "",
    start: str | None = None,
    label: str = "",
    also: str = "",
    **fixed: Any,
) -> Any:
    """Return the form of an action as it stands here, see `FormPlaces.place`.

    `start` is what the field in `only` starts with, `label` the name here of that
    in `only` or `need`; `also` is another action that the same form sends.
    """
    fill = {} if start is None else {only: start}
    act = context["places"].place(
        key, only=only, leave=leave, need=need, also=also, fill=fill, fixed=fixed
    )
    if label:
        act.form.fields[only or need].label = label
    return act


@register.simple_block_tag(takes_context=True)
def refused_on_top(context: Any, content: SafeString) -> SafeString:
    """Draw the page, and above it the refused form whose place is gone from it."""
    places = context.get("places")
    act = places.unplaced() if places else None
    if act is None:
        return content
    top = render_to_string(
        "evidence/actions/_refused.html", {"act": act}, context["request"]
    )
    return format_html("{}{}", top, content)


@register.filter
def step_label(name: str) -> str:
    """Return a verification step's name in words."""
    return name.replace("_", " ").capitalize()


@register.filter
def get_item(mapping: Any, key: str) -> Any:
    """Return a member by a name that is itself a variable."""
    return mapping.get(key) if isinstance(mapping, dict) else None


@register.filter
def figure_name(name: Any) -> str:
    """Return the name of a report's figure in words."""
    return say_figure(str(name))


@register.filter
def spaced(words: Any) -> str:
    """Return words that dashes or underscores join as people write them."""
    return str(words).replace("-", " ").replace("_", " ")


@register.filter
def figure_value(value: Any, name: Any) -> Any:
    """Return a report's figure as people read it."""
    return say_value(str(name), value)
