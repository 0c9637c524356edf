"""IDs that people type: known ones suggested, slips refused, new ones named as new."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evidence.models import TokenScope
from incidents.models import Incident
from incidents.services.lifecycle.editing import edit_incident
from incidents.services.lifecycle.opening import open_incident
from policy.errors import PolicyRefused
from policy.models import Extension
from policy.rules.extension_ids import is_plain_id
from policy.services.extensions import add_extension
from tests.api.conftest import make_client
from tests.factories import NOON, make_incident, make_playbooks
from tests.policy.samples import make_extension

PLAIN = ["node-tools", "ext.weather", "@scope/name", "a", "Ext_1:2+b~c", "x" * 255]
ODD = [
    "bad id with spaces!!",
    "evil,ext",
    "semi;colon",
    "ext\u202egpj",
    "wetter-ä",
    ".hidden",
    "-flag",
    "line\nbreak",
    "<script>",
    "x" * 256,
    "",
]
SUGGEST = reverse("admin:policy_extension_suggest")


@pytest.mark.parametrize("extension_id", PLAIN)
def test_a_plain_id_is_allowed(extension_id: str) -> None:
    assert is_plain_id(extension_id)


@pytest.mark.parametrize("extension_id", ODD)
def test_an_odd_id_is_not(extension_id: str) -> None:
    assert not is_plain_id(extension_id)


def open_by_hand(actor: User | None, *extension_ids: str) -> Incident:
    return open_incident(
        actor=actor,
        playbook_version=make_playbooks()["INC-2"],
        title="A case",
        severity="high",  # type: ignore[arg-type]
        detected_at=NOON,
        extension_ids=extension_ids,
        now=NOON,
    )


class TestOneRule:
    def test_a_case_is_opened_about_no_slip_and_all_are_named(
        self, responder: User
    ) -> None:
        with pytest.raises(PolicyRefused, match="new ID has letters") as refused:
            open_by_hand(responder, "bad id with spaces!!", "good", "semi;colon")
        assert refused.value.code == "extension_id_invalid"
        assert refused.value.field == "extension_ids"
        assert "“bad id with spaces!!”; “semi;colon”" in refused.value.message
        assert not Incident.objects.exists()
        assert not Extension.objects.exists()

    def test_nor_edited_to_one(self, incident: Incident, responder: User) -> None:
        with pytest.raises(PolicyRefused, match="new ID has letters"):
            edit_incident(
                actor=responder,
                incident_id=incident.pk,
                revision=1,
                changes={"extension_ids": ["ext.weather", "bad id!!"]},
            )

    def test_nor_is_one_noted_by_hand(self, responder: User) -> None:
        with pytest.raises(PolicyRefused, match="new ID has letters") as refused:
            add_extension(extension_id="bad id!!", actor=responder)
        assert refused.value.field == "extension_id"

    def test_a_look_alike_of_a_known_one_is_refused(self, responder: User) -> None:
        make_extension("node-tools")
        with pytest.raises(PolicyRefused, match="looks like node-tools"):
            open_by_hand(responder, "NODE-TOOLS")

    def test_what_the_runtime_named_is_taken_whatever_it_looks_like(
        self, responder: User
    ) -> None:
        make_extension("evil,ext")
        assert open_by_hand(responder, "evil,ext").extensions.count() == 1
        assert open_by_hand(None, "odd one!").extensions.count() == 1

    def test_the_api_keeps_to_it(self, incident: Incident, responder: User) -> None:
        api = make_client(responder, TokenScope.READ, TokenScope.CASES_WRITE)
        answer = api.patch(
            f"/api/v1/incidents/{incident.reference}/",
            {"revision": 1, "extensions": ["bad id with spaces!!"]},
        )
        assert 400 <= answer.status_code < 500
        assert answer.json()["code"] == "extension_id_invalid"


class TestPages:
    def form(self, extension_ids: str) -> dict[str, str]:
        playbook = make_playbooks()["INC-2"].playbook
        return {
            "playbook": str(playbook.pk),
            "title": "A case",
            "severity": "high",
            "source": "manual",
            "detected_at": "2026-03-10T12:00:00",
            "zone": "UTC",
            "extension_ids": extension_ids,
        }

    def test_the_form_comes_back_filled_with_the_fault_at_its_field(
        self, client: Client, responder: User
    ) -> None:
        client.force_login(responder)
        url = reverse("admin:incidents_incident_add")
        page = client.post(url, self.form("bad id with spaces!!"), follow=True)
        text = page.content.decode()
        assert "new ID has letters" in text
        assert 'value="bad id with spaces!!"' in text
        assert not Incident.objects.exists()

    def test_a_new_one_is_said_to_be_new(self, client: Client, responder: User) -> None:
        make_extension("ext.known")
        client.force_login(responder)
        url = reverse("admin:incidents_incident_add")
        page = client.post(url, self.form("ext.known, ext.fresh"), follow=True)
        text = page.content.decode()
        assert "ext.fresh is new here" in text
        assert "ext.known is new here" not in text

    def test_known_ones_are_suggested_those_that_begin_so_first(
        self, client: Client, responder: User
    ) -> None:
        for name in ("my-node", "node-tools", "other"):
            make_extension(name)
        client.force_login(responder)
        answer = client.get(SUGGEST, {"q": "NODE", "id": ["other", "fresh", "b d!"]})
        body = answer.json()
        assert [row["id"] for row in body["known"]] == ["node-tools", "my-node"]
        assert [row["id"] for row in body["new"]] == ["b d!", "fresh"]
        assert "new ID has letters" in body["new"][0]["fault"]
        assert body["new"][1]["fault"] == ""

    @pytest.mark.parametrize("query", ["", "%", "x" * 5000, "'\"<>"])
    def test_whatever_is_typed_is_answered(
        self, client: Client, auditor: User, query: str
    ) -> None:
        client.force_login(auditor)
        assert client.get(SUGGEST, {"q": query, "id": query}).status_code == 200

    def test_who_sees_no_extensions_is_refused(
        self, client: Client, outsider: User
    ) -> None:
        client.force_login(outsider)
        assert client.get(SUGGEST, {"q": "a"}).status_code == 403

    @pytest.mark.parametrize("name", ["incidents_incident_add", "policy_extension_add"])
    def test_fields_ask_for_suggestions(
        self, client: Client, responder: User, name: str
    ) -> None:
        client.force_login(responder)
        page = client.get(reverse(f"admin:{name}")).content.decode()
        assert f'data-extensions="{SUGGEST}"' in page


def test_editing_only_the_title_keeps_an_odd_id(responder: User) -> None:
    make_extension("evil,ext")
    incident = make_incident(extension_ids=("evil,ext",))
    edited = edit_incident(
        actor=responder,
        incident_id=incident.pk,
        revision=1,
        changes={"title": "Another", "extension_ids": ["evil,ext"]},
    )
    assert edited.extensions.get().extension_id == "evil,ext"
