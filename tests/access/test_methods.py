"""A page takes the methods it has, and no cache keeps what somebody was answered."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db
READ = (
    "/admin/",
    "/admin/jsi18n/",
    "/admin/search/?s=x",
    "/admin/incidents/incident/my-items/",
    "/admin/incidents/incident/1/history/",
    "/admin/evidence/logcheckpoint/",
    "/admin/incidents/incident/1/change/",
    "/admin/r/1/1/",
)
FORMS = ("/admin/incidents/incident/add/", "/admin/login/", "/admin/confirm/")


@pytest.fixture
def root(client: Client) -> Client:
    """Somebody whom no missing right would stop."""
    client.force_login(User.objects.create_superuser("root", "r@example.org", "x"))
    return client


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_no_page_takes_another_method_than_reading_and_sending(
    root: Client, method: str
) -> None:
    for url in (*READ, *FORMS):
        assert getattr(root, method)(url).status_code == 405, url


def test_a_page_that_is_only_read_takes_no_form(root: Client) -> None:
    as_another = {"X-HTTP-Method-Override": "DELETE"}
    for url in READ:
        refused = root.post(url, {"_method": "DELETE"}, headers=as_another)
        assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD"), url


def test_no_cache_keeps_what_anybody_is_answered(root: Client, outsider: User) -> None:
    browser = Client()
    browser.force_login(outsider)
    refused = ("/admin/nowhere/", "/nowhere/", "/admin/?q=%00", "/api/v1/incidents/")
    for client in (root, browser, Client()):
        for url in (*READ, *FORMS, *refused, "/livez", "/metrics"):
            assert "no-store" in client.get(url)["Cache-Control"], url


@pytest.mark.parametrize("table", ["accessattempt", "accessfailurelog", "accesslog"])
def test_nobody_writes_or_deletes_by_hand_what_is_kept_of_sign_ins(
    root: Client, table: str
) -> None:
    model = apps.get_model("axes", table)
    counted = {"failures_since_start": 1} if table == "accessattempt" else {}
    row = model.objects.create(username="nora", ip_address="203.0.113.7", **counted)
    page = f"/admin/axes/{table}/"
    before = list(model.objects.values())
    edited = {"username": "else", "failures_since_start": 0}
    deleted = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    for url, form in (
        ("add/", edited),
        (f"{row.pk}/change/", edited),
        (f"{row.pk}/delete/", {"post": "yes"}),
        ("", deleted),
    ):
        root.post(page + url, form)
    assert list(model.objects.values()) == before
    assert root.get(page).status_code == 200
    assert root.get(f"{page}{row.pk}/change/").status_code == 200
