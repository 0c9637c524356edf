"""Nothing typed is lost: every button of every page gives its form back as it was."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.test import Client

from evidence.admin.page_actions import PageAction
from tests.forms.conftest import admins_with_actions, make_pages
from tests.shared import share

pytestmark = [pytest.mark.django_db, pytest.mark.long]
_kept, pages, _django_db_helper, evidence_folder = share(make_pages)
MARK = "<i>as I wrote it</i>, line one\r\nline two: 'äöü' & more"
SHOWN = ("<i>as I wrote it</i>", "line two: 'äöü' & more")


def typed_into(form: forms.Form) -> dict[str, str]:
    """Return what no service can take: a mark in each text, nonsense elsewhere."""
    values = {}
    for name, field in form.fields.items():
        if isinstance(field, forms.CharField) and not field.widget.is_hidden:
            limit = getattr(field, "max_length", None)
            values[name] = MARK + "x" * (limit or 0)
        elif isinstance(field, forms.FileField):
            continue
        else:
            values[name] = "no such thing"
    return values


def texts_of(form: forms.Form) -> list[str]:
    return [
        name
        for name, field in form.fields.items()
        if isinstance(field.widget, forms.Textarea)
    ]


@pytest.mark.walk
def test_every_button_gives_back_what_was_typed_with_errors_at_its_fields(
    client: Client, root: User, pages: dict[str, Any], subtests: pytest.Subtests
) -> None:
    tried = 0
    for page in admins_with_actions():
        obj = pages[page.opts.model_name]
        for key, action in page.page_actions.items():
            form = action.form(obj=obj, user=root)
            if not form.fields:
                continue
            tried += 1
            if not form.visible_fields():
                continue  # Nothing is typed there: a version that is none is a 404.
            with subtests.test(page=page.opts.model_name, action=key):
                must_come_back(client, page, obj, key, form)
    assert tried > 40


def must_come_back(
    client: Client, page: Any, obj: Any, key: str, form: forms.Form
) -> None:
    values = typed_into(form)
    response = client.post(page.action_url(obj, key), values)
    assert response.status_code == 200
    text = html.unescape(response.content.decode())
    for name in texts_of(form):
        assert all(mark in text for mark in SHOWN), name
    assert 'class="cf-errors"' in text
    for name, field in form.fields.items():
        if name in values and not field.widget.is_hidden and is_sure_to_fail(field):
            assert f"{form[name].id_for_label}_error" in text, name


def is_sure_to_fail(field: forms.Field) -> bool:
    if isinstance(field, forms.CharField):
        return bool(getattr(field, "max_length", None))
    return not isinstance(field, forms.BooleanField | forms.MultipleChoiceField)


@pytest.mark.walk
def test_a_form_that_misses_everything_says_so_and_changes_nothing(
    client: Client, root: User, pages: dict[str, Any], subtests: pytest.Subtests
) -> None:
    for page in admins_with_actions():
        obj = pages[page.opts.model_name]
        for key, action in page.page_actions.items():
            form = action.form(obj=obj, user=root)
            if not any(field.required for field in form.fields.values()):
                continue
            with subtests.test(page=page.opts.model_name, action=key):
                response = client.post(page.action_url(obj, key), {})
                assert response.status_code == 200
                assert "This field is required." in response.content.decode()


@pytest.mark.walk
def test_an_address_of_a_button_leads_to_its_page_and_says_that_nothing_was_saved(
    client: Client, root: User, pages: dict[str, Any], subtests: pytest.Subtests
) -> None:
    for page in admins_with_actions():
        obj = pages[page.opts.model_name]
        for key in page.page_actions:
            with subtests.test(page=page.opts.model_name, action=key):
                response = client.get(page.action_url(obj, key), follow=True)
                assert response.redirect_chain == [(page.page_of(obj), 302)]
                assert "Nothing was saved" in response.content.decode()


def test_an_action_is_registered_with_a_form_that_knows_its_page() -> None:
    for page in admins_with_actions():
        for action in page.page_actions.values():
            assert isinstance(action, PageAction)
            assert action.label
            assert action.button
            assert action.permission


FUTURE, PAST = "2999-01-01T10:00", "2001-01-01T10:00"


@pytest.mark.parametrize(
    ("action", "values", "at"),
    [
        ("ticket", {"url": "javascript:alert(1)"}, {"ticket", "url"}),
        (
            "act",
            {"kind": "fix", "ticket_url": "nowhere"},
            {"kind", "description", "proof", "ticket", "ticket_url"},
        ),
        (
            "act",
            {"description": "x", "proof": "y", "ticket_url": "https://a.example"},
            {"kind", "ticket"},
        ),
        ("write", {"kind": "note", "event_at": FUTURE}, {"body", "event_at"}),
        ("set-due", {"due_at": PAST}, {"due_at", "reason"}),
        ("complete-phase", {"phase": "analyze", "due_at": PAST}, {"due_at", "reason"}),
        ("complete-phase", {"phase": "analyze", "reason": "x"}, {"due_at"}),
    ],
)
def test_every_fault_of_a_form_of_a_case_is_named_at_once(
    client: Client,
    root: User,
    pages: dict[str, Any],
    action: str,
    values: dict[str, str],
    at: set[str],
) -> None:
    page = next(
        page for page in admins_with_actions() if page.opts.model_name == "incident"
    )
    incident = pages["incident"]
    form = page.page_actions[action].form(values, obj=incident, user=root)
    text = client.post(page.action_url(incident, action), values).content.decode()
    found = {n for n in form.fields if f"{form[n].id_for_label}_error" in text}
    assert found == at
