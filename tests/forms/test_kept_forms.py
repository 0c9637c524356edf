"""A form sent twice is done once; one sent after the sign-in ended comes back."""

from __future__ import annotations

import datetime as dt
import re
import threading
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.form_keys import make_key
from evidence.models import ApiToken, SentForm
from incidents.models import ActionItem, Incident, Playbook
from incidents.services.lifecycle.editing import edit_incident
from incidents.workflow.incident_states import Severity
from tests.factories import NOON, make_incident, make_playbooks, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.long]
OPEN = reverse("admin:incidents_incident_add")


@pytest.fixture
def worker(client: Client) -> User:
    user = make_user(Role.RESPONDER)
    client.force_login(user)
    return user


def key_on(page: str) -> str:
    found = re.search(r'name="form_key" value="([^"]+)"', page)
    assert found
    return found.group(1)


def case_values(**changes: Any) -> dict[str, Any]:
    return {
        "playbook": Playbook.objects.get(code="INC-2").pk,
        "title": "A secret was read",
        "severity": "high",
        "extension_ids": "node-tools",
        "detected_at": NOON.strftime("%Y-%m-%dT%H:%M:%S"),
        "zone": "UTC",
        "source": "manual",
        "labels": "",
        **changes,
    }


def do_url(incident: Incident, name: str) -> str:
    return reverse("admin:incidents_incident_do", args=[incident.pk, name])


class TestOnce:
    def test_two_posts_of_one_open_form_make_one_case(
        self, client: Client, worker: User
    ) -> None:
        make_playbooks()
        key = key_on(client.get(OPEN).content.decode())
        answers = [client.post(OPEN, case_values(form_key=key)) for _ in range(2)]
        assert Incident.objects.count() == 1
        assert answers[0].headers["Location"] == answers[1].headers["Location"]

    def test_the_form_opened_anew_makes_another(
        self, client: Client, worker: User
    ) -> None:
        make_playbooks()
        for _ in range(2):
            key = key_on(client.get(OPEN).content.decode())
            client.post(OPEN, case_values(form_key=key))
        assert Incident.objects.count() == 2

    def test_a_refused_form_can_be_sent_again_when_mended(
        self, client: Client, worker: User
    ) -> None:
        make_playbooks()
        key = key_on(client.get(OPEN).content.decode())
        client.post(OPEN, case_values(form_key=key, title=""))
        client.post(OPEN, case_values(form_key=key, detected_at="2099-01-01T00:00"))
        client.post(OPEN, case_values(form_key=key))
        assert Incident.objects.count() == 1
        assert SentForm.objects.count() == 1

    def test_another_text_under_the_same_key_is_not_swallowed(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident()
        key = make_key(worker.pk)
        for body in ("first", "second", "second"):
            values = {"kind": "note", "body": body, "form_key": key}
            client.post(do_url(incident, "write"), values)
        bodies = incident.timeline.filter(kind="note").values_list("body", flat=True)
        assert sorted(bodies) == ["first", "second"]

    def test_a_key_of_somebody_else_or_a_made_up_one_is_no_key(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident()
        for key in (make_key(worker.pk + 1), "made.up.key", make_key(worker.pk) + "x"):
            values = {"kind": "note", "body": "same", "form_key": key}
            client.post(do_url(incident, "write"), values)
        assert incident.timeline.filter(body="same").count() == 3
        assert not SentForm.objects.exists()

    def test_reloading_after_making_a_token_makes_no_second_one(
        self, client: Client
    ) -> None:
        admin = make_user(Role.ADMINISTRATOR)
        client.force_login(admin)
        url = reverse("admin:evidence_apitoken_add")
        owner = make_user(Role.RESPONDER)
        form = client.get(f"{url}?user={owner.pk}").content.decode()
        values = {
            "user": owner.pk,
            "name": "gate",
            "scopes": ["read"],
            "days": 5,
            "form_key": key_on(form),
        }
        made = client.post(url, values)
        again = client.post(url, values)
        token = ApiToken.objects.get()
        assert made.status_code == 200
        page = reverse("admin:evidence_apitoken_change", args=[token.pk])
        assert again.headers["Location"] == page


@pytest.mark.django_db(transaction=True)
def test_two_posts_at_the_same_moment_make_one_case() -> None:
    user = make_user(Role.RESPONDER)
    make_playbooks()
    values = case_values(form_key=make_key(user.pk))
    answers: list[str] = []

    def send() -> None:
        client = Client()
        client.force_login(user)
        answers.append(client.post(OPEN, values).headers["Location"])
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Incident.objects.count() == 1
    assert len(set(answers)) == 1


class TestSessionEnd:
    def sign_in_again(self, client: Client, user: User, url: str) -> Any:
        user.set_password("a long pass phrase 1")
        user.save()
        login = reverse("admin:login") + f"?next={url}"
        values = {"username": user.username, "password": "a long pass phrase 1"}
        return client.post(login, {**values, "next": url}, follow=True)

    def test_what_was_written_is_back_on_the_case(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident()
        url = do_url(incident, "write")
        key = make_key(worker.pk)
        client.logout()
        values = {"kind": "event", "body": "It took an hour", "form_key": key}
        sent = client.post(url, values)
        assert sent.status_code == 302
        assert "login" in sent.headers["Location"]
        page = self.sign_in_again(client, worker, url)
        text = page.content.decode()
        assert page.status_code == 200
        assert "It took an hour" in text
        assert "this was not saved" in text
        assert incident.reference in text
        assert not incident.timeline.filter(body="It took an hour").exists()

    def test_it_is_not_shown_to_somebody_else(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident()
        url = do_url(incident, "write")
        client.logout()
        values = {"body": "Private words", "form_key": make_key(worker.pk)}
        client.post(url, values)
        page = self.sign_in_again(client, make_user(Role.REVIEWER), url)
        assert "Private words" not in page.content.decode()
        assert page.status_code == 200

    def test_without_a_key_it_says_plainly_that_nothing_was_saved(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident()
        url = do_url(incident, "write")
        client.logout()
        client.post(url, {"body": "Anything"})
        page = self.sign_in_again(client, worker, url)
        assert page.status_code == 200
        assert "Nothing was saved" in page.content.decode()

    def test_a_page_of_its_own_comes_back_filled_too(
        self, client: Client, worker: User
    ) -> None:
        make_playbooks()
        client.logout()
        client.post(OPEN, case_values(title="Half way", form_key=make_key(worker.pk)))
        page = self.sign_in_again(client, worker, OPEN)
        assert 'value="Half way"' in page.content.decode()
        assert not Incident.objects.exists()

    def test_a_secret_is_never_kept(self, client: Client) -> None:
        admin = make_user(Role.ADMINISTRATOR)
        client.logout()
        key = make_key(admin.pk, is_secret=True)
        client.post(
            reverse("admin:auth_user_add"), {"password": "hush", "form_key": key}
        )
        assert "unsent_form" not in client.session

    def test_a_form_of_an_earlier_sign_in_is_drawn_again_as_it_was_typed(
        self, worker: User
    ) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(worker)
        incident = make_incident()
        values = {"body": "Still here", "form_key": make_key(worker.pk)}
        page = client.post(do_url(incident, "write"), values, follow=True)
        assert page.status_code == 200
        assert "Still here" in page.content.decode()

    def test_of_a_form_of_nobody_knows_where_the_text_is_shown_to_be_copied(
        self, worker: User
    ) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(worker)
        url = do_url(make_incident(), "write")
        page = client.post(url, {"body": "<b>Copy me</b>", "password": "hush"})
        text = page.content.decode()
        assert page.status_code == 403
        assert "&lt;b&gt;Copy me&lt;/b&gt;" in text
        assert "hush" not in text


class TestUntouched:
    def edit(self, client: Client, incident: Incident, **changes: str) -> Any:
        url = reverse("admin:incidents_incident_edit", args=[incident.pk])
        form = client.get(url).context["form"]
        values = {name: form[name].value() for name in form.fields}
        values["lead"] = getattr(values["lead"], "pk", values["lead"])
        typed = {k: "" if v is None else str(v) for k, v in values.items()}
        field = form.fields["extension_ids"]
        typed["extension_ids"] = field.prepare_value(form.initial["extension_ids"])
        typed["labels"] = form.fields["labels"].prepare_value(form.initial["labels"])
        return client.post(url, {**typed, **changes})

    def test_a_new_title_leaves_an_id_with_a_comma_in_one_piece(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident(extension_ids=("evil,ext", "node-tools"))
        assert self.edit(client, incident, title="Another").status_code == 302
        incident.refresh_from_db()
        names = {extension.extension_id for extension in incident.extensions.all()}
        assert (incident.title, names) == ("Another", {"evil,ext", "node-tools"})

    def test_a_new_title_leaves_a_lead_whose_account_is_off(
        self, client: Client, worker: User
    ) -> None:
        lead = make_user(Role.RESPONDER, username="gone")
        incident = make_incident()
        edit_incident(
            actor=worker,
            incident_id=incident.pk,
            revision=incident.revision,
            changes={"lead": lead},
        )
        lead.is_active = False
        lead.save()
        incident.refresh_from_db()
        assert self.edit(client, incident, title="Another").status_code == 302
        incident.refresh_from_db()
        assert (incident.title, incident.lead) == ("Another", lead)

    def test_a_lowered_severity_without_reason_is_told_at_the_reason(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident(severity=Severity.HIGH)
        page = self.edit(client, incident, severity="low", title="Typed by me")
        assert "Typed by me" in page.content.decode()
        assert page.context["form"].errors.keys() == {"reason"}


class TestActionItemConflict:
    def test_the_second_to_save_keeps_what_the_first_wrote_elsewhere(
        self, client: Client, worker: User
    ) -> None:
        incident = make_incident()
        new = reverse("admin:incidents_actionitem_new", args=[incident.pk])
        kinds = client.get(new).context["form"].fields["item_type"].choices
        client.post(
            new,
            {
                "text": "Old text",
                "item_type": kinds[0][0],
                "owner": worker.pk,
                "due_on": future(),
            },
        )
        row = ActionItem.objects.get()
        page = reverse("admin:incidents_actionitem_change", args=[row.pk])
        mine = sent_from(client.get(page).content.decode())
        theirs = {**mine, "text": "Their text"}
        assert client.post(page, theirs).status_code == 302
        conflict = client.post(page, {**mine, "ticket": "bd-7"})
        assert conflict.status_code == 409
        form = conflict.context["form"]
        assert form["text"].value() == "Their text"
        assert form["ticket"].value() == "bd-7"
        again = sent_from(conflict.content.decode())
        assert client.post(page, again).status_code == 302
        row.refresh_from_db()
        assert (row.text, row.ticket) == ("Their text", "bd-7")


def future() -> str:
    return (timezone.now().date() + dt.timedelta(days=5)).isoformat()


def sent_from(page: str) -> dict[str, str]:
    """Return what a browser would send of the page's form without a key."""
    values: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", page):
        name, value = (
            re.search(rf'\b{attribute}="([^"]*)"', tag)
            for attribute in ("name", "value")
        )
        if name and value and name.group(1) not in ("form_key", "csrfmiddlewaretoken"):
            values[unescape(name.group(1))] = unescape(value.group(1))
    for name, body in re.findall(
        r'<select name="([^"]+)".*?>(.*?)</select>', page, re.S
    ):
        chosen = re.search(r'value="([^"]*)" selected', body)
        values[name] = chosen.group(1) if chosen else ""
    return values
