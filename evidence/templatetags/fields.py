"""The fields of forms, each with its name, help and errors.

They are drawn in Python: a page of a case has some fifty, and for each a template
would ask the same ten questions at a hundred times the price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import template
from django.forms.boundfield import BoundField
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from evidence.markup import fill, join_markup, shown
from evidence.templatetags.casefile import ICON, need
from evidence.templatetags.evidence import form_key

register = template.Library()


@register.simple_tag
def draw_field(field: BoundField) -> SafeString:
    """Draw one field; of a hidden one, only what it sends."""
    return join_markup(_pieces(field))


@register.simple_tag(takes_context=True)
def draw_fields(context: template.Context, act: Any) -> SafeString:
    """Draw what a placed form sends unseen, what was refused of it, and its fields."""
    token = shown(str(context["csrf_token"]))
    pieces = [
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{token}">\n',
        form_key(context),
        f'\n<input type="hidden" name="next" value="{shown(act.here)}">',
        f'\n<input type="hidden" name="place" value="{shown(act.place)}">\n',
    ]
    if act.is_refused:
        pieces.append(render_to_string("evidence/actions/_said.html", {"act": act}))
    for field in act.fields:
        pieces += _pieces(field)
    return join_markup(pieces)


@register.simple_tag(takes_context=True)
def draw_form(
    context: template.Context,
    act: Any,
    *,
    button: str = "",
    tone: str = "",
    icon: str = "",
    look: str = "cf-panel cf-form",
    shortcut: str = "",
) -> SafeString:
    """Draw a placed form; its action says what is not given: the button, its look."""
    action = act.action
    keys = f' aria-keyshortcuts="{shown(shortcut)}"' if shortcut else ""
    symbol = icon or action.icon
    return join_markup(
        (
            f'<form class="{shown(look)}" method="post" action="{shown(act.url)}">\n',
            draw_fields(context, act),
            f'<p class="cf-help">{shown(action.help)}</p>\n' if action.help else "",
            f'<button class="cf-button is-{shown(tone or action.tone or "main")}"',
            f"{keys}>\n",
            fill(ICON, symbol) + "\n" if symbol else "",
            f"{shown(button or action.button)}\n</button>\n",
            draw_previews(act),
            "</form>\n",
        )
    )


@register.simple_tag(takes_context=True)
def draw_button(context: template.Context, act: Any, **options: str) -> SafeString:
    """Draw a placed form that is a button: none of its fields is seen."""
    return draw_form(context, act, look="cf-plain", **options)


@register.simple_tag
def draw_previews(act: Any) -> SafeString:
    """Draw what shows a form's text as it will look.

    It stands last in a form, whose first button is the one that Enter presses.
    """
    return join_markup(
        render_to_string(field.field.preview_template, {"name": field.html_name})
        for field in act.previews
    )


def _pieces(field: BoundField) -> Iterator[str]:
    if field.is_hidden:
        yield f"{field}\n"
        return
    target = shown(field.id_for_label)
    yield '<div class="cf-label">\n'
    yield _choices(field) if field.use_fieldset else _labelled(field, target)
    if field.help_text:
        text = shown(field.help_text)
        yield f'\n<span class="cf-help" id="{target}_helptext">{text}</span>'
    for error in field.errors:
        mark = f'role="alert" id="{target}_error"'
        yield f'\n<span class="cf-errors" {mark}>{shown(error)}</span>'
    yield "\n</div>\n"


def _choices(field: BoundField) -> str:
    legend = f"<legend>{shown(field.label)}</legend>"
    return f'<fieldset class="po-choices">\n{legend}\n{field}\n</fieldset>'


def _labelled(field: BoundField, target: str) -> str:
    said = shown(need(field))
    beside = f'\n<span class="cf-help">{said}</span>' if said else ""
    takes_file = getattr(field.field.widget, "input_type", "") == "file"
    drawn = _drop(field) if takes_file else str(field)
    return f'<label for="{target}">{shown(field.label)}{beside}</label>\n{drawn}'


def _drop(field: BoundField) -> str:
    return render_to_string("evidence/_drop.html", {"field": field})
