"""The tags that every page uses, without loading them: moments, badges, lengths."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.forms import CheckboxInput
from django.utils import timezone
from django.utils.safestring import SafeString

from evidence.audit.words import say_action
from evidence.handling import Tlp
from evidence.markup import fill
from evidence.shown_times import (
    read_moment,
    say_ago,
    say_length,
    say_moment,
    say_utc,
)
from evidence.tones import NO_SYMBOL, SYMBOLS, tone_of

register = template.Library()
NONE = "–"
ICON = '<span class="cf-icon" aria-hidden="true">{}</span>'


@register.simple_tag(name="moment")
def show_moment(value: Any, style: str = "") -> SafeString | str:
    """Show a moment in the reader's zone, with UTC on hover.

    `style` "day" leaves the seconds out, "time" the date, "ago" says how long it is.
    The value is a datetime, its ISO text, or milliseconds since 1970.
    """
    if value is None or value == "":
        return NONE
    when = read_moment(value)
    if when is None:
        return "a time that no calendar has"
    ago = style == "ago"
    words = say_ago(when, timezone.now()) if ago else say_moment(when, style)
    title = f"{say_moment(when)} = {say_utc(when)}" if ago else say_utc(when)
    stamp = when.isoformat(timespec="seconds")
    return fill('<time datetime="{}" title="{}">{}</time>', stamp, title, words)


@register.simple_tag
def reader_zone() -> str:
    """Return the name of the zone that the page's times are in."""
    return timezone.get_current_timezone_name()


@register.filter
def moment_text(value: Any, style: str = "") -> str:
    """Return a moment as `moment` words it, for attributes and drawings."""
    when = read_moment(value)
    return NONE if when is None else say_moment(when, style)


@register.simple_tag
def badge(
    state: Any,
    *words: Any,
    kind: str = "",
    icon: str = "",
    title: str = "",
    solid: bool = False,
) -> SafeString:
    """Show a state in its tone and in words; without words, by its own name.

    `kind` is that of `tone_of`; `icon` is a symbol's name, `title` a word on hover.
    """
    shown = " ".join(str(word) for word in words)
    name = str(state).replace("_", " ")
    return fill(
        '<span class="cf-badge{}" data-tone="{}"{}>{}{}</span>',
        " cf-solid" if solid else "",
        tone_of(state, kind),
        fill(' title="{}"', title) if title else "",
        fill(ICON, icon) if icon else "",
        shown or name[:1].upper() + name[1:],
    )


@register.simple_tag(name="mark")
def show_mark(tlp: Any) -> SafeString:
    """Show a mark of handling as TLP 2.0 draws it: its word, in its colour, on black.

    It is a label and no light: it says how far a thing may go, not how it stands.
    """
    mark = Tlp(tlp)
    return fill(
        '<span class="cf-tlp" data-tlp="{}" title="{}">{}</span>',
        mark.value,
        f"May be passed on {mark.meaning}",
        mark.label,
    )


@register.simple_tag
def symbol(state: Any) -> SafeString:
    """Draw the symbol of an answer or a condition; an empty ring where it waits."""
    return fill(ICON, SYMBOLS.get(str(state), NO_SYMBOL))


@register.filter
def need(field: Any) -> str:
    """Return what stands beside a field's name: when it is needed, or that it is not.

    Nothing where it is required, and where what is left alone means something by
    itself: a zone, a box to tick, a choice whose first entry says so.
    """
    said = getattr(field.field, "need", None)
    if said is not None:
        return str(said)
    widget = field.field.widget
    has_own_default = field.name == "zone" or isinstance(widget, CheckboxInput)
    return "" if field.field.required or has_own_default else "optional"


@register.filter
def action_words(action: str) -> str:
    """Return an action of the audit history in words."""
    return say_action(action)


@register.filter
def tone(state: Any, kind: str = "") -> str:
    """Return the tone of a state, for frames and icons."""
    return tone_of(state, kind)


@register.filter
def lasting(value: Any) -> str:
    """Return a length of time, or seconds of one, in its two largest units."""
    if value is None or value == "":
        return NONE
    if not isinstance(value, dt.timedelta):
        value = dt.timedelta(seconds=value)
    return say_length(value)


@register.filter
def lasting_ms(value: Any) -> str:
    """Return milliseconds as a length in its two largest units."""
    if value is None or value == "":
        return NONE
    return say_length(dt.timedelta(milliseconds=value))
