"""The search box: what it finds, for whom, what it opens, and what it withstands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.models import Channel, EvidenceItem
from evidence.services.receipt import receive_evidence
from incidents.admin.search import LONGEST_TERM, SHOWN
from incidents.models import Alert, Incident
from policy.models import Extension
from tests.factories import NOON, VECTORS, make_evidence, make_incident, make_user
from tests.incidents.alerts.samples import make_rules, receive_one

pytestmark = [pytest.mark.django_db, pytest.mark.long]

SEARCH = "/admin/search/"
CALL = "call-101-000002"
HOSTILE = (
    "\x00",
    "a\x00b",
    "x" * 10_000,
    "9" * 5_000,
    "%",
    "_",
    "\\",
    "100%_\\",
    ".*+?()[]{}^$|",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "\u202egpj.exe",
    "\U0001f600",
    "sha256:",
)
QUERIES = (
    "",
    "page=abc",
    "page=99999",
    "s=a&page=abc",
    "s=a&page=0",
    f"s=a&page={'9' * 5_000}",
    "s=a&extended=1&page=-1",
    "s[]=a",
    "s=%ED%A0%80",
    "s=%ff",
)

SignIn = Callable[[Role | None], Client]


@pytest.fixture
def incident() -> Incident:
    return make_incident(title="Broker answers 100% of strangers")


@pytest.fixture
def bundle(incident: Incident) -> EvidenceItem:
    return make_evidence(incident, name="pulled-from-host-7.json")


@pytest.fixture
def alert() -> Alert:
    make_rules()
    return receive_one("alert-77", category="something_else", call_id="call-of-alert")


@pytest.fixture
def sign_in(client: Client) -> SignIn:
    def as_role(role: Role | None) -> Client:
        client.force_login(make_user(role))
        return client

    return as_role


def page(model: Any, row: Any) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])


def search(client: Client, term: str) -> Any:
    return client.get(SEARCH, {"s": term})


def links(response: Any) -> list[str]:
    """Return where the matches of a page lead."""
    found = re.findall(
        r'<li class="cf-search-match">\s*<a href="([^"]+)"', response.content.decode()
    )
    return [link.replace("&amp;", "&") for link in found]


class TestWhatIsFound:
    def test_case_by_part_of_its_reference_or_title(
        self, sign_in: SignIn, incident: Incident
    ) -> None:
        client = sign_in(Role.RESPONDER)
        for term in (incident.reference[4:], "broker ANSWERS", "of strangers"):
            response = search(client, term)
            assert page(Incident, incident) in links(response)
            assert incident.reference in response.content.decode()

    def test_extension_with_the_cases_that_name_it(
        self, sign_in: SignIn, incident: Incident
    ) -> None:
        extension = Extension.objects.get(extension_id="ext.weather")
        found = links(search(sign_in(Role.RESPONDER), "WEATHER"))
        assert found == [page(Incident, incident), page(Extension, extension)]

    def test_evidence_by_part_of_its_name_or_the_beginning_of_its_digest(
        self, sign_in: SignIn, bundle: EvidenceItem
    ) -> None:
        client = sign_in(Role.RESPONDER)
        digest = bundle.sha256_hex
        for term in (
            "host-7",
            digest[:12],
            digest[:12].upper(),
            f"sha256:{digest[:9]}",
        ):
            assert links(search(client, term)) == [page(EvidenceItem, bundle)], term
        assert links(search(client, digest[1:13])) == []

    def test_evidence_by_the_second_name_of_the_same_bytes(
        self, sign_in: SignIn, incident: Incident, bundle: EvidenceItem
    ) -> None:
        with (VECTORS / "plain.json").open("rb") as stream:
            receive_evidence(
                incident_id=incident.pk,
                stream=stream,
                original_name="copy-of-the-night.json",
                channel=Channel.ADMIN,
                actor=make_user(Role.RESPONDER),
            )
        assert EvidenceItem.objects.count() == 1
        found = links(search(sign_in(Role.RESPONDER), "of-the-night"))
        assert found == [page(EvidenceItem, bundle)]

    def test_person_by_name_or_address(self, sign_in: SignIn) -> None:
        person = make_user(Role.AUDITOR, "grace")
        User.objects.filter(pk=person.pk).update(first_name="Grace", last_name="Hopper")
        client = sign_in(Role.ADMINISTRATOR)
        for term in ("grac", "hopp", "grace@example"):
            assert page(User, person) in links(search(client, term))

    def test_results_are_grouped_by_kind_with_their_counts(
        self, sign_in: SignIn, incident: Incident, bundle: EvidenceItem
    ) -> None:
        for number in range(SHOWN + 1):
            Extension.objects.create(
                extension_id=f"ext.weather.{number}", first_seen_at=NOON
            )
        response = search(sign_in(Role.RESPONDER), "weather")
        groups = response.context["groups"]
        assert [group.title for group in groups] == ["Cases", "Extensions"]
        assert len(links(response)) == 1 + SHOWN
        assert f"more than {SHOWN}" in " ".join(response.content.decode().split())

    def test_signs_of_patterns_stand_for_themselves(
        self, sign_in: SignIn, incident: Incident
    ) -> None:
        client = sign_in(Role.RESPONDER)
        for sign in ("%", "_", "\\", ".*", "[a-z]"):
            odd = make_incident(title=f"between {sign} signs", extension_ids=())
            assert links(search(client, f"n {sign} s")) == [page(Incident, odd)]

    def test_what_is_hidden_in_a_name_is_shown(
        self, sign_in: SignIn, incident: Incident
    ) -> None:
        make_evidence(incident, name="inv\u202egpj.exe", content=b"x")
        shown = search(sign_in(Role.RESPONDER), "inv").content.decode()
        assert "\u202e" not in shown
        assert "U+202E" in shown


class TestEnterOpens:
    @pytest.mark.parametrize("form", [str, str.lower, lambda text: f"  {text} "])
    def test_the_case_of_a_reference(
        self, sign_in: SignIn, incident: Incident, form: Callable[[str], str]
    ) -> None:
        make_incident(title=f"As {incident.reference}, again")
        response = search(sign_in(Role.AUDITOR), form(incident.reference))
        assert response["Location"] == page(Incident, incident)

    def test_the_case_itself_before_many_that_tell_of_it(
        self, sign_in: SignIn, incident: Incident
    ) -> None:
        for number in range(SHOWN + 1):
            make_incident(title=f"As {incident.reference}, {number}", extension_ids=())
        response = search(sign_in(Role.AUDITOR), incident.reference)
        assert response["Location"] == page(Incident, incident)

    def test_the_item_of_a_digest(self, sign_in: SignIn, bundle: EvidenceItem) -> None:
        client = sign_in(Role.REVIEWER)
        for term in (bundle.sha256_hex, f"SHA256:{bundle.sha256_hex.upper()}"):
            assert search(client, term)["Location"] == page(EvidenceItem, bundle)

    def test_the_alert_of_a_call(self, sign_in: SignIn, alert: Alert) -> None:
        client = sign_in(Role.RESPONDER)
        for term in ("call-of-alert", "alert-77"):
            assert search(client, term)["Location"] == page(Alert, alert)
        assert links(search(client, "call-of-aler")) == []

    def test_the_replay_of_a_call_in_evidence(
        self, sign_in: SignIn, bundle: EvidenceItem
    ) -> None:
        client = sign_in(Role.RESPONDER)
        response = search(client, CALL)
        assert response["Location"].startswith(page(EvidenceItem, bundle))
        assert CALL in client.get(response["Location"]).content.decode()

    def test_none_of_two_but_a_list(
        self, sign_in: SignIn, bundle: EvidenceItem
    ) -> None:
        make_evidence(make_incident(title="Another"), name="the-same.json")
        client = sign_in(Role.RESPONDER)
        for term in (bundle.sha256_hex, CALL):
            response = search(client, term)
            assert response.status_code == 200
            assert (
                len([link for link in links(response) if "evidenceitem" in link]) == 2
            )

    def test_nothing_for_a_part_of_a_name(
        self, sign_in: SignIn, incident: Incident
    ) -> None:
        response = search(sign_in(Role.RESPONDER), incident.reference[:-1])
        assert response.status_code == 200


class TestWhoFinds:
    TERMS = ("reference", "digest", "call in evidence", "call of alert", "extension")

    @pytest.fixture
    def terms(
        self, incident: Incident, bundle: EvidenceItem, alert: Alert
    ) -> dict[str, str]:
        values = (incident.reference, bundle.sha256_hex, CALL, "call-of-alert")
        return dict(zip(self.TERMS, (*values, "ext.weather"), strict=True))

    @pytest.mark.parametrize(
        "role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR]
    )
    def test_every_human_role_finds_what_it_may_view(
        self, sign_in: SignIn, terms: dict[str, str], role: Role
    ) -> None:
        client = sign_in(role)
        for name, term in terms.items():
            response = search(client, term)
            assert response.status_code == 302 or links(response), name

    def test_people_are_found_only_by_who_may_see_them(self, sign_in: SignIn) -> None:
        person = make_user(Role.AUDITOR, "grace")
        for role in (Role.RESPONDER, Role.REVIEWER, Role.AUDITOR):
            assert links(search(sign_in(role), "grace")) == []
        found = links(search(sign_in(Role.ADMINISTRATOR), "grace"))
        assert found == [page(User, person)]

    def test_outsider_finds_nothing_and_is_told_nothing(
        self, sign_in: SignIn, terms: dict[str, str]
    ) -> None:
        client = sign_in(None)
        answers = {
            search(client, term).content.decode().replace(term, "")
            for term in (terms["reference"], terms["digest"])
        }
        unknown = search(client, "no such thing").content.decode()
        assert "no role yet" in unknown
        for name, term in terms.items():
            response = search(client, term)
            assert response.status_code == 200, name
            assert links(response) == []
        assert all("Found for" not in answer for answer in answers)

    def test_machine_and_stranger_are_asked_to_sign_in(
        self, client: Client, sign_in: SignIn, terms: dict[str, str]
    ) -> None:
        assert "/login/" in search(client, terms["reference"])["Location"]
        machine = sign_in(Role.MACHINE)
        assert "/login/" in search(machine, terms["reference"])["Location"]

    @pytest.mark.parametrize(
        ("permission", "kinds"),
        [
            ("view_incident", ["Cases"]),
            ("view_extension", ["Extensions"]),
            ("view_user", ["People"]),
            # Evidence and alerts are seen through their case.
            ("view_evidenceitem", []),
        ],
    )
    def test_each_kind_asks_for_its_own_permission(
        self,
        client: Client,
        terms: dict[str, str],
        permission: str,
        kinds: list[str],
    ) -> None:
        make_user(Role.AUDITOR, "weather-watcher")
        make_evidence(Incident.objects.latest("id"), name="weather.txt", content=b"x")
        somebody = make_user(None, "somebody")
        somebody.user_permissions.add(Permission.objects.get(codename=permission))
        client.force_login(somebody)
        groups = search(client, "weather").context["groups"]
        assert [group.title for group in groups] == kinds

    def test_alert_of_a_case_is_hidden_with_the_case(self, client: Client) -> None:
        make_rules()
        free = receive_one("free", category="something_else", call_id="call-9")
        assert receive_one("held", call_id="call-9").incident is not None
        somebody = make_user(None, "somebody")
        somebody.user_permissions.add(Permission.objects.get(codename="view_alert"))
        client.force_login(somebody)
        assert search(client, "call-9")["Location"] == page(Alert, free)


class TestWhatItWithstands:
    def test_no_term_is_a_server_error(
        self, sign_in: SignIn, bundle: EvidenceItem, alert: Alert
    ) -> None:
        client = sign_in(Role.RESPONDER)
        for term in HOSTILE:
            response = search(client, term)
            # NUL is refused before any page is asked.
            assert response.status_code == (400 if "\x00" in term else 200), term[:12]
            assert "<script>alert" not in response.content.decode()

    def test_no_parameter_is_a_server_error(self, sign_in: SignIn) -> None:
        client = sign_in(Role.ADMINISTRATOR)
        for query in QUERIES:
            response = client.get(f"{SEARCH}?{query}")
            assert response.status_code == 200, query[:24]

    def test_of_two_terms_none_is_taken(self, sign_in: SignIn) -> None:
        response = sign_in(Role.ADMINISTRATOR).get(f"{SEARCH}?s=a&s=b")
        assert response.status_code == 400
        assert "once" in response.content.decode()

    def test_term_that_is_too_long_is_said_to_be(self, sign_in: SignIn) -> None:
        client = sign_in(Role.RESPONDER)
        assert "too long" in search(client, "x" * (LONGEST_TERM + 1)).content.decode()
        assert "too long" not in search(client, "x" * LONGEST_TERM).content.decode()

    def test_nothing_is_changed_by_it(self, sign_in: SignIn) -> None:
        assert sign_in(Role.RESPONDER).post(SEARCH, {"s": "a"}).status_code == 405

    def test_queries_do_not_grow_with_what_is_found(
        self, sign_in: SignIn, django_assert_max_num_queries: Any, alert: Alert
    ) -> None:
        client = sign_in(Role.ADMINISTRATOR)
        counts = []
        for more in range(2):
            for number in range(5):
                case = make_incident(title=f"weather {more} {number}")
                make_evidence(case, name=f"weather-{more}-{number}.json")
                make_user(Role.AUDITOR, f"weather-{more}-{number}")
            with django_assert_max_num_queries(23) as captured:
                assert len(search(client, "weather").context["groups"]) == 4
            counts.append(len(captured))
        assert counts[0] == counts[1]


def test_every_page_has_the_box_and_it_needs_no_script(sign_in: SignIn) -> None:
    html = sign_in(Role.RESPONDER).get(reverse("admin:index")).content.decode()
    box = html[html.index('role="search"') - 200 : html.index("data-search-box")]
    assert f'action="{SEARCH}"' in box
    assert 'method="get"' in box
    assert 'name="s"' in box
