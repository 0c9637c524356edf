"""Every widget is drawn to the letter, every field piece by piece, as by templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.forms.renderers import TemplatesSetting
from django.http import QueryDict
from django.template import Context, Template
from django.test import RequestFactory
from django.test.html import parse_html
from django.urls import get_resolver
from django.utils.safestring import mark_safe

from evidence.admin.form_places import PlacedForm
from evidence.form_drawing import DRAWN, WIDGETS, FormRenderer
from evidence.templatetags.fields import draw_field, draw_form

HOSTILE = "\n</textarea>\"'<script>&amp;&\u2028 é"
ATTRS: dict[str, Any] = {
    "id": HOSTILE,
    "class": "a b",
    "required": True,
    "disabled": False,
    "maxlength": 12_000,
    "min": 0,
    "step": 0.5,
    "aria-describedby": mark_safe("x&amp;y"),
    "data-now": "",
    "title": None,
    HOSTILE: "x",
}
CHOICES = [
    ("", "None & nothing"),
    (12_000, 12_000),
    (HOSTILE, HOSTILE),
    ("A <group>", [(1, mark_safe("<b>One</b>")), (True, "Yes"), (None, "No")]),
]
ONE = (
    *(forms.TextInput, forms.NumberInput, forms.EmailInput, forms.URLInput),
    *(forms.ColorInput, forms.SearchInput, forms.TelInput, forms.PasswordInput),
    *(forms.HiddenInput, forms.DateInput, forms.DateTimeInput, forms.TimeInput),
    *(forms.CheckboxInput, forms.FileInput, forms.Textarea),
)
SEVERAL = (
    *(forms.Select, forms.SelectMultiple),
    *(forms.RadioSelect, forms.CheckboxSelectMultiple),
)
OF_PARTS = (
    *(forms.MultipleHiddenInput, forms.SplitDateTimeWidget),
    *(forms.SplitHiddenDateTimeWidget, forms.SelectDateWidget),
    forms.ClearableFileInput,
)
VALUES = (None, "", HOSTILE, 0, 12_000, 1.5, True, False, mark_safe("<i>"))


class Both(FormRenderer):
    """Draws each widget in both ways, and wants one answer."""

    def __init__(self) -> None:
        self.drawn: set[str] = set()

    def render(
        self, template_name: str, context: dict[str, Any], request: Any = None
    ) -> Any:
        ours = super().render(template_name, context, request)
        assert ours == TemplatesSetting().render(template_name, context, request)
        self.drawn.add(template_name)
        return ours


FIELD = """
{% if field.is_hidden %}
  {{ field }}
{% else %}
  <div class="cf-label">
    {% if field.use_fieldset %}
      <fieldset class="po-choices">
        <legend>{{ field.label }}</legend>
        {{ field }}
      </fieldset>
    {% else %}
      <label for="{{ field.id_for_label }}">{{ field.label }}{% if field|need %}
          <span class="cf-help">{{ field|need }}</span>{% endif %}</label>
      {% if field.field.widget.input_type == "file" %}
        {% include "evidence/_drop.html" %}
      {% else %}
        {{ field }}
      {% endif %}
    {% endif %}
    {% if field.help_text %}
      <span class="cf-help"
        id="{{ field.id_for_label }}_helptext">{{ field.help_text }}</span>
    {% endif %}
    {% for error in field.errors %}
      <span class="cf-errors" role="alert"
        id="{{ field.id_for_label }}_error">{{ error }}</span>
    {% endfor %}
  </div>
{% endif %}
"""
"""What a field of a page looks like, as one reads it best."""

FORM = """
<form class="{{ look }}" method="post" action="{{ act.url }}">
  <input type="hidden" name="csrfmiddlewaretoken" value="{{ csrf_token }}">
  <input type="hidden" name="form_key" value="">
  <input type="hidden" name="next" value="{{ act.here }}">
  <input type="hidden" name="place" value="{{ act.place }}">
  {% for field in act.fields %}{% draw_field field %}{% endfor %}
  <p class="cf-help">{{ act.action.help }}</p>
  <button class="cf-button is-{{ tone }}" aria-keyshortcuts="{{ shortcut }}">
    <span class="cf-icon" aria-hidden="true">{{ icon }}</span>
    {{ button }}
  </button>
</form>
"""


class Asked(forms.Form):
    why = forms.CharField(label=HOSTILE)


def test_whole_form_is_drawn_as_by_a_template(rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = User()
    action: Any = SimpleNamespace(
        help=HOSTILE, tone="danger", icon=HOSTILE, button=HOSTILE
    )
    form = Asked()
    act = PlacedForm(action, form, HOSTILE, HOSTILE, HOSTILE, list(form))
    said = {"look": HOSTILE, "shortcut": HOSTILE}
    given = {"request": request, "csrf_token": HOSTILE, "act": act}
    context = Context({**given, **said})
    ours = draw_form(context, act, **said)
    own = {"tone": "danger", "icon": HOSTILE, "button": HOSTILE}
    with context.push(**own):
        theirs = Template(FORM).render(context)
    ours = re.sub(r'(name="form_key" value=")[^"]+', r"\1", ours)
    assert parse_html(ours) == parse_html(theirs)


@pytest.mark.parametrize("widget", ONE)
def test_one_value_is_drawn_as_by_django(widget: type[forms.Widget]) -> None:
    for value in VALUES:
        for attrs in ({}, ATTRS):
            assert widget(attrs).render(HOSTILE, value, {"lang": "é"}, Both())


@pytest.mark.parametrize("widget", SEVERAL)
@pytest.mark.parametrize("value", [None, "", HOSTILE, ["1", HOSTILE], True])
def test_choices_are_drawn_as_by_django(
    widget: type[forms.ChoiceWidget], value: Any
) -> None:
    for attrs in ({}, ATTRS):
        drawn = widget(attrs)
        drawn.choices = CHOICES
        both = Both()
        assert drawn.render(HOSTILE, value, {}, both)
        for part in drawn.subwidgets(HOSTILE, value, {"id": "x"}):
            part["wrap_label"] = False
            assert both.render(part["template_name"], {"widget": part})


@pytest.mark.parametrize("widget", OF_PARTS)
def test_widget_of_several_parts_keeps_its_template(
    widget: type[forms.Widget],
) -> None:
    both = Both()
    widget(ATTRS).render("a", None, {"id": "x"}, both)
    assert both.drawn
    assert not both.drawn & set(DRAWN)


def test_template_of_ours_is_drawn_by_itself() -> None:
    """A template of the same name would be passed over: none may exist."""
    for name in DRAWN:
        origin = TemplatesSetting().get_template(name).template.origin
        assert origin.name.endswith(f"django/forms/templates/{name}")
    assert all(name.startswith(WIDGETS) for name in DRAWN)


@pytest.mark.django_db
def test_fields_of_all_our_forms_are_drawn_as_by_templates() -> None:
    both, page = Both(), Template(FIELD)
    seen: set[tuple[Any, ...]] = set()
    for form in our_forms():
        sent = QueryDict(mutable=True)
        for name in form.base_fields:  # type: ignore[attr-defined]
            sent.setlist(name, [HOSTILE, "1"])
        for data in (None, sent):
            for field in same_fields(form, both, data):
                if (kind := (data is None, *kind_of(field))) in seen:
                    continue
                seen.add(kind)
                theirs = page.render(Context({"field": field}))
                assert parse_html(draw_field(field)) == parse_html(theirs)
    assert len(seen) > 100
    assert len(both.drawn & set(DRAWN)) > 8


def kind_of(field: forms.BoundField) -> tuple[Any, ...]:
    """Return what tells a field from another that is drawn in the same words."""
    widget = field.field.widget
    need = (field.field.required, getattr(field.field, "need", None))
    return type(field.field), type(widget), str(widget.attrs), *need


def our_forms() -> Iterator[type[forms.BaseForm]]:
    """Return the forms of our apps; the addresses name the pages that have them."""
    assert get_resolver().url_patterns
    waiting = [forms.BaseForm]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        own = found.__module__.partition(".")[0] in {"evidence", "incidents", "policy"}
        if own and hasattr(found, "base_fields"):
            yield found


def same_fields(
    form: type[forms.BaseForm], renderer: Both, data: Any
) -> Iterator[forms.BoundField]:
    """Return a form's fields without what its object and its person would change."""
    same = type("Same", (forms.Form,), dict(form.base_fields))  # type: ignore[attr-defined]
    made = same(data, None if data is None else {}, renderer=renderer)
    for field in made.fields.values():
        field.help_text = field.help_text or HOSTILE
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = User.objects.none()
            field.choices = CHOICES
    return iter(made)
