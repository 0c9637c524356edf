"""The fields of forms, drawn without a template where Django draws them by its own.

A page of a case has some fifty fields, and each takes up to five of Django's templates.
What these write is written here, to the letter; `get_context` of the widgets, and with
it every attribute, stays Django's. What has another template is drawn by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from django.forms.renderers import TemplatesSetting
from django.template.loader import render_to_string
from django.utils.safestring import SafeData

from evidence.markup import join_markup, shown

WIDGETS = "django/forms/widgets/"
INPUTS = (
    *("text", "number", "email", "url", "color", "search", "tel", "password"),
    *("hidden", "date", "datetime", "time", "checkbox", "file"),
)


class FormRenderer(TemplatesSetting):
    """Draws Django's own widgets at once, and all else by its template."""

    def render(
        self, template_name: str, context: dict[str, Any], request: Any = None
    ) -> str:
        draw = DRAWN.get(template_name)
        if draw is None:
            return super().render(template_name, context, request)
        drawn = "".join(draw(self, context["widget"]))
        return join_markup([drawn.strip()])


Draw = Callable[[FormRenderer, dict[str, Any]], Iterable[str]]


def _input(renderer: FormRenderer, widget: dict[str, Any]) -> Iterable[str]:
    value = widget["value"]
    filled = "" if value is None else f' value="{_attribute(value)}"'
    kind, name = _attribute(widget["type"]), _attribute(widget["name"])
    return (
        f'<input type="{kind}" name="{name}"{filled}',
        *_attributes(widget["attrs"]),
        ">\n",
    )


def _textarea(renderer: FormRenderer, widget: dict[str, Any]) -> Iterable[str]:
    value = widget["value"]
    return (
        f'<textarea name="{_attribute(widget["name"])}"',
        *_attributes(widget["attrs"]),
        # The line end that a browser leaves out: one of the value's own stays.
        ">\n",
        shown(value) if value else "",
        "</textarea>",
    )


def _select(renderer: FormRenderer, widget: dict[str, Any]) -> Iterable[str]:
    yield f'<select name="{_attribute(widget["name"])}"'
    yield from _attributes(widget["attrs"])
    yield ">"
    for group, options, _ in widget["optgroups"]:
        if group:
            yield f'\n  <optgroup label="{shown(group)}">'
        for option in options:
            yield "\n  "
            yield _draw_option(renderer, option)
        if group:
            yield "\n  </optgroup>"
    yield "\n</select>"


def _option(renderer: FormRenderer, widget: dict[str, Any]) -> Iterable[str]:
    return (
        f'<option value="{_attribute(widget["value"])}"',
        *_attributes(widget["attrs"]),
        f">{shown(widget['label'])}</option>\n",
    )


def _boxes(renderer: FormRenderer, widget: dict[str, Any]) -> Iterable[str]:
    """Draw a group of boxes to tick, or of buttons to choose one of."""
    attrs = widget["attrs"]
    named = [(name, attrs.get(name)) for name in ("id", "class")]
    held = "".join(f' {name}="{shown(value)}"' for name, value in named if value)
    yield f"<div{held}>"
    for group, options, _ in widget["optgroups"]:
        if group:
            yield f"\n  <div><label>{shown(group)}</label>"
        for option in options:
            yield "<div>\n    "
            yield _draw_option(renderer, option)
            yield "</div>"
        if group:
            yield "\n  </div>"
    yield "\n</div>"


def _box(renderer: FormRenderer, widget: dict[str, Any]) -> Iterable[str]:
    drawn = _input(renderer, widget)
    if not widget.get("wrap_label"):
        return (*drawn, "\n")
    target = widget["attrs"].get("id")
    of = f' for="{shown(target)}"' if target else ""
    return (f"<label{of}>", *drawn, f" {shown(widget['label'])}</label>\n\n")


def _draw_option(renderer: FormRenderer, option: dict[str, Any]) -> str:
    name = option["template_name"]
    if name in DRAWN:
        return "".join(DRAWN[name](renderer, option))
    return render_to_string(name, {"widget": option})


def _attributes(attrs: dict[str, Any]) -> Iterable[str]:
    for name, value in attrs.items():
        if value is True:
            yield f" {shown(name)}"
        elif value is not False:
            yield f' {shown(name)}="{_attribute(value)}"'


def _attribute(value: Any) -> str:
    """Return a value as an attribute holds it: never in a language's own digits."""
    return str(value) if isinstance(value, SafeData) else escape(str(value))


DRAWN: dict[str, Draw] = {
    **{f"{WIDGETS}{name}.html": _input for name in INPUTS},
    f"{WIDGETS}input.html": _input,
    f"{WIDGETS}textarea.html": _textarea,
    f"{WIDGETS}select.html": _select,
    f"{WIDGETS}select_option.html": _option,
    f"{WIDGETS}checkbox_select.html": _boxes,
    f"{WIDGETS}radio.html": _boxes,
    f"{WIDGETS}multiple_input.html": _boxes,
    f"{WIDGETS}checkbox_option.html": _box,
    f"{WIDGETS}radio_option.html": _box,
}
"""What draws each of Django's templates; widgets of several parts keep theirs."""
