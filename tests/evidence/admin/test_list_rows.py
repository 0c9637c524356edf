"""The rows of the admin's lists say what the skin's would, in few bytes."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import unfold
from django.contrib import admin
from django.contrib.admin.templatetags.admin_list import admin_list_filter
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import Client
from django.test.html import parse_html
from django.urls import reverse
from django.utils.html import strip_tags
from unfold.templatetags.unfold_list import items_for_result

from evidence.templatetags.lists import draw_row, make_columns, result_headers
from incidents.models import Incident
from tests.factories import make_incident

pytestmark = pytest.mark.django_db
CASES = reverse("admin:incidents_incident_changelist")
LISTS = (
    *("incidents_incident", "incidents_alert", "incidents_playbook"),
    *("evidence_auditentry", "auth_user", "policy_killswitch"),
)
SKIN = Path(unfold.__file__).parent
FILTERED = {
    "auth_user": {"is_active__exact": "1"},
    "incidents_incident": {"severity__exact": "high"},
}
NOT_DRAWN = (
    *("list_editable", "list_sections", "ordering_field", "actions_row"),
    "change_list_datasets",
)
"""What the skin's lists can do beyond ours; no list of Casefile uses it."""
MOST_BYTES = 250
"""A cell: its name for a phone, its class, its words and their own markup."""


@pytest.fixture
def browser(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="a long one"))
    return client


def words(markup: object) -> str:
    return " ".join(unescape(strip_tags(str(markup))).split())


def links(markup: object) -> list[str]:
    return re.findall(r'href="([^"]*)"', str(markup))


@pytest.mark.parametrize("name", LISTS)
def test_rows_say_what_the_skins_rows_say(browser: Client, name: str) -> None:
    make_incident(title="<b>A & B</b>")
    url = reverse(f"admin:{name}_changelist")
    cl: Any = browser.get(url, {"all": ""}).context["cl"]
    columns = make_columns(cl, list(result_headers(cl)))
    for row in cl.result_list:
        ours = draw_row(cl, columns, row)
        theirs = list(items_for_result(cl, row, None))
        cells = re.findall(r"<(?:td|th)\b.*?</(?:td|th)>", ours, re.S)
        assert [*map(words, cells)] == [*map(words, theirs)]
        assert [*map(links, cells)] == [*map(links, theirs)]
        assert [cell[1:3] for cell in cells] == [cell[1:3] for cell in theirs]


@pytest.mark.parametrize("name", sorted(FILTERED))
def test_filters_are_the_skins(browser: Client, name: str) -> None:
    skin = Template((SKIN / "templates/admin/filter.html").read_text())
    url = reverse(f"admin:{name}_changelist")
    cl: Any = browser.get(url, FILTERED[name]).context["cl"]
    plain = [spec for spec in cl.filter_specs if spec.template == "admin/filter.html"]
    assert plain
    for spec in plain:
        choices = list(spec.choices(cl))
        given = {"title": spec.title, "choices": choices, "spec": spec}
        theirs = skin.render(Context(given))
        assert parse_html(admin_list_filter(cl, spec)) == parse_html(theirs)


def test_names_from_outside_stay_words(browser: Client) -> None:
    make_incident(title="<script>alert(1)</script>")
    page = browser.get(CASES).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page


def test_cells_are_short(browser: Client) -> None:
    for _ in range(3):
        make_incident()
    page = browser.get(CASES).content.decode()
    rows = re.findall(r'<tr class="data-row">.*?</tr>', page, re.S)
    cells = len(re.findall(r"<t[dh] ", rows[0]))
    assert len(rows) == Incident.objects.count() >= 3
    assert max(map(len, rows)) < MOST_BYTES * cells


def test_heads_are_worked_out_once(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "evidence.templatetags.lists.result_headers",
        lambda cl: asked.append(cl) or result_headers(cl),
    )
    make_incident()
    make_incident()
    browser.get(CASES)
    assert len(asked) == 1


def test_lists_use_nothing_that_is_not_drawn() -> None:
    used = {
        f"{model.__name__}.{name}"
        for model, found in admin.site._registry.items()
        for name in NOT_DRAWN
        if getattr(found, name, None)
    }
    assert not used
