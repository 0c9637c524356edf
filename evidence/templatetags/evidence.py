"""Filters and pieces that evidence pages, and pages that embed them, share."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from evidence.figure_words import say_figure, say_value
from evidence.form_keys import KEY_NAME, make_key
from evidence.models import Outcome

register = template.Library()

BADGES = {
    Outcome.VERIFIED: ("good", "verified", "Verified"),
    Outcome.DIGEST_ONLY: ("idle", "tag", "Digest only"),
    Outcome.FAILED: ("bad", "gpp_bad", "Failed verification"),
    Outcome.REFUSED: ("bad", "block", "Refused"),
    Outcome.DAMAGED: ("bad", "broken_image", "Damaged"),
    Outcome.UNFINISHED: ("warn", "hourglass_disabled", "Could not be verified"),
}
UNVERIFIED = ("idle", "pending", "Not verified yet")


@register.inclusion_tag("evidence/_badge.html")
def integrity_badge(
    outcome: str | None, checked_at: dt.datetime | None = None
) -> dict[str, Any]:
    """Show how an item stands: in colour, by symbol and in words."""
    tone, symbol, label = (
        BADGES.get(Outcome(outcome), UNVERIFIED) if outcome else UNVERIFIED
    )
    return {"tone": tone, "symbol": symbol, "label": label, "checked_at": checked_at}


@register.simple_tag(takes_context=True)
def form_key(context: Any, kind: str = "") -> SafeString:
    """Draw the hidden field that makes a form sent twice one; "secret": never kept."""
    key = make_key(context["request"].user.pk or 0, is_secret=kind == "secret")
    return format_html('<input type="hidden" name="{}" value="{}">', KEY_NAME, key)


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
def figure_value(value: Any, name: Any) -> Any:
    """Return a report's figure as people read it."""
    return say_value(str(name), value)
