"""The admin's frame: what a page does not show is not looked up for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.test.utils import override_script_prefix
from django.urls import reverse
from django.utils.functional import empty

from incidents.admin.navigation import sidebar

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> User:
    return User.objects.create_superuser("root", password="a long one")


def test_lists_of_all_apps_are_looked_up_where_they_are_shown(
    client: Client, administrator: User
) -> None:
    client.force_login(administrator)
    page = client.get(reverse("admin:evidence_evidenceitem_changelist"))
    apps: Any = page.context["available_apps"]
    assert apps._wrapped is empty
    assert {"evidence", "policy", "incidents"} <= {app["app_label"] for app in apps}
    shown = client.get(reverse("admin:app_list", args=["policy"]))
    assert reverse("admin:policy_killswitch_changelist") in shown.content.decode()
    assert client.get("/admin/unknown/").status_code == 404


def test_sidebar_leads_to_where_the_site_stands(
    rf: RequestFactory, administrator: User
) -> None:
    request = rf.get("/admin/")
    request.user = administrator

    def links() -> list[str]:
        return [item["link"] for group in sidebar(request) for item in group["items"]]

    plain = links()
    with override_script_prefix("/below/"):
        assert links() == [f"/below{link}" for link in plain]
    assert len(plain) > 20
    assert links() == plain
