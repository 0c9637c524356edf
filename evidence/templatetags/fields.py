"""The fields of forms, each with its name, help and errors.

They are drawn in Python: a page of a case has some fifty, and for each a template
would ask the same ten questions at a hundred times the price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import template
from django.forms.boundfield import BoundField
from django.template.defaulttags import CsrfTokenNode
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from evidence.markup import join_markup, shown
from evidence.templatetags.casefile import need
from evidence.templatetags.evidence import form_key

register = template.Library()


@register.simple_tag
def draw_field(field: BoundField) -> SafeString:
    """Draw one field; of a hidden one, only what it sends."""
    return join_markup(_pieces(field))


@register.simple_tag(takes_context=True)
def draw_fields(context: template.Context, act: Any) -> SafeString:
    """Draw what a placed form sends unseen, what was refused of it, and its fields."""
    pieces = [
        CsrfTokenNode().render(context),
        form_key(context),
        f'\n<input type="hidden" name="next" value="{shown(act.here)}">',
        f'\n<input type="hidden" name="place" value="{shown(act.place)}">\n',
    ]
    if act.is_refused:
        pieces.append(render_to_string("evidence/actions/_said.html", {"act": act}))
    for field in act.fields:
        pieces += _pieces(field)
    return join_markup(pieces)


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
