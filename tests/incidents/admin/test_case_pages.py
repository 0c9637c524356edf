"""The case pages: who sees them, who changes nothing, how many queries they cost."""

import datetime as dt
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from evidence.accounts.access import Role
from evidence.models import AuditEntry
from incidents.admin.case_actions import ACTIONS
from incidents.admin.cockpit import TABS
from incidents.models import Incident
from incidents.services.checklists.answers import assign_item
from incidents.services.cycle_plan import document_of
from incidents.workflow.incident_states import ItemKind, Severity
from incidents.workflow.phases import Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_playbooks,
    make_snapshot,
    make_user,
)
from tests.incidents.services.test_phases import pass_with_waivers, reach
from tests.suites import leave_slow

pytestmark = [pytest.mark.django_db, pytest.mark.long]

# One who works on cases and one who only reads; the others are tried at length.
HUMAN_ROLES = leave_slow(
    (Role.RESPONDER, Role.AUDITOR, Role.REVIEWER, Role.ADMINISTRATOR),
    *(Role.REVIEWER, Role.ADMINISTRATOR),
)
LIST = reverse("admin:incidents_incident_changelist")
OPEN = reverse("admin:incidents_incident_add")


def page_of(incident: Incident, **query: str) -> str:
    url = reverse("admin:incidents_incident_change", args=[incident.pk])
    return f"{url}?{'&'.join(f'{k}={v}' for k, v in query.items())}" if query else url


def do_url(incident: Incident, name: str) -> str:
    return reverse("admin:incidents_incident_do", args=[incident.pk, name])


def _plain(html: str) -> str:
    """Return the words of a page or of a line of a playbook, without their marks."""
    return " ".join(unescape(strip_tags(html)).replace("`", "").split())


@pytest.fixture
def incident():
    return make_incident()


@pytest.fixture
def sign_in(client):
    def as_role(role: Role | None) -> User:
        user = make_user(role)
        client.force_login(user)
        return user

    return as_role


class TestEveryPage:
    @pytest.mark.parametrize("role", HUMAN_ROLES)
    @pytest.mark.parametrize("tab", [tab.key for tab in TABS])
    def test_tab_renders(self, client, sign_in, incident, role, tab):
        sign_in(role)
        response = client.get(page_of(incident, tab=tab))
        assert response.status_code == 200
        assert incident.reference in response.content.decode()

    @pytest.mark.parametrize("phase", list(Phase))
    def test_checklist_of_every_phase_renders(self, client, sign_in, incident, phase):
        sign_in(Role.REVIEWER)
        make_evidence(incident, vector="tampered-removed-entry")
        assert client.get(page_of(incident, phase=phase)).status_code == 200

    @pytest.mark.parametrize("role", HUMAN_ROLES)
    @pytest.mark.parametrize(
        "name", ["incident_changelist", "incident_my_items", "incident_metrics"]
    )
    def test_page_over_cases_renders(self, client, sign_in, incident, role, name):
        sign_in(role)
        assert client.get(reverse(f"admin:incidents_{name}")).status_code == 200

    @pytest.mark.parametrize("role", HUMAN_ROLES)
    def test_dashboard_and_playbooks_render(self, client, sign_in, incident, role):
        sign_in(role)
        playbook = incident.playbook_version.playbook
        assert incident.reference in client.get("/admin/").content.decode()
        url = reverse("admin:incidents_playbook_change", args=[playbook.pk])
        assert "pi --explain-extension-policy" in client.get(url).content.decode()

    @pytest.mark.parametrize("code", [f"INC-{number}" for number in range(1, 7)])
    def test_playbook_page_says_everything_that_its_document_does(
        self, client, sign_in, code
    ):
        sign_in(Role.RESPONDER)
        version = make_playbooks()[code]
        url = reverse("admin:incidents_playbook_change", args=[version.playbook_id])
        html = client.get(url).content.decode()
        shown = _plain(html)
        for item in document_of(version).checklist:
            for text in (item.text, *item.details):
                if item.kind is not ItemKind.REMEDIATION:
                    assert _plain(text) in shown
            for command in item.commands:
                assert command in unescape(html)
            for choice in item.choices:
                assert _plain(choice.text) in shown

    def test_hidden_case_and_missing_case_give_the_same_answer(
        self, client, sign_in, incident
    ):
        sign_in(None)
        hidden = client.get(page_of(incident))
        missing = client.get(page_of(Incident(pk=999_999)))
        assert hidden.status_code == missing.status_code == 404

    @pytest.mark.parametrize("key", ["0", "abc", "9" * 30, "1;drop"])
    def test_bad_key_is_not_found(self, client, sign_in, key):
        sign_in(Role.RESPONDER)
        url = reverse("admin:incidents_incident_change", args=[key])
        assert client.get(url).status_code == 404


class TestAuditor:
    def test_changes_nothing_by_any_button(self, client, sign_in, incident):
        auditor = sign_in(Role.AUDITOR)
        item = incident.current_cycle.checklist.first()
        other = make_playbooks()["INC-3"]
        before = AuditEntry.objects.count()
        values = {
            "phase": "contain",
            "reason": "because",
            "statement": "because",
            "condition": "isolation-verified",
            "item": item.pk,
            "state": "done",
            "note": "a note",
            "assignee": "",
            "artifact": "evidence:1",
            "choice": "rotate-credential",
            "chosen": "yes",
            "description": "filed",
            "proof": "a proof",
            "body": "a note",
            "lead": auditor.pk,
            "ticket": "bd-1",
            "reference": incident.reference,
            "version": other.pk,
            "original": incident.reference,
            "due_at": "2030-01-01T00:00",
            "extension": incident.extensions.get().pk,
            "switch": "1",
        }
        for name in sorted(ACTIONS):
            kind = "note" if name == "write" else "ticket_filed"
            response = client.post(do_url(incident, name), {**values, "kind": kind})
            assert (name, response.status_code in (302, 403)) == (name, True)
            assert (name, AuditEntry.objects.count()) == (name, before)
            assert (name, incident.timeline.count()) == (name, 1)

    def test_sees_no_form(self, client, sign_in, incident):
        sign_in(Role.AUDITOR)
        for tab in TABS:
            page = client.get(page_of(incident, tab=tab.key)).content.decode()
            assert "/do/" not in page

    def test_opens_and_edits_nothing(self, client, sign_in, incident):
        sign_in(Role.AUDITOR)
        edit = reverse("admin:incidents_incident_edit", args=[incident.pk])
        assert client.get(OPEN).status_code == 403
        assert client.post(edit, {}).status_code == 403


class TestOpening:
    def values(self, **changes):
        playbook = make_playbooks()["INC-5"].playbook
        return {
            "playbook": playbook.pk,
            "title": "Quarantined extension runs",
            "severity": "critical",
            "extension_ids": "ext.a, ext.b",
            "detected_at": "2026-03-10T13:00",
            "zone": "Europe/Berlin",
            "labels": "production",
            "source": "manual",
            **changes,
        }

    def test_case_opened_without_a_severity_has_its_classes(self, client, sign_in):
        sign_in(Role.RESPONDER)
        assert client.post(OPEN, self.values(severity="")).status_code == 302
        opened = Incident.objects.latest("id")
        wanted = opened.playbook_version.document["default_severity"]
        assert opened.severity == wanted

    def test_form_opens_a_case_with_the_time_in_its_zone(self, client, sign_in):
        sign_in(Role.RESPONDER)
        response = client.post(OPEN, self.values())
        incident = Incident.objects.get()
        assert response.headers["Location"] == page_of(incident)
        assert incident.detected_at == NOON
        assert incident.extensions.count() == 2

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"zone": "Mars/Olympus"}, "is no time zone"),
            ({"detected_at": "2099-01-01T00:00"}, "Give a detection time"),
            ({"title": ""}, "This field is required"),
        ],
    )
    def test_bad_input_is_told_and_opens_nothing(
        self, client, sign_in, changes, message
    ):
        sign_in(Role.RESPONDER)
        response = client.post(OPEN, self.values(**changes))
        assert message in response.content.decode()
        assert not Incident.objects.exists()


class TestEditing:
    def values(self, incident, **changes):
        return {
            "revision": 1,
            "title": "New title",
            "severity": incident.severity,
            "extension_ids": "ext.weather",
            **changes,
        }

    def test_second_to_save_sees_what_changed(self, client, sign_in, incident):
        sign_in(Role.RESPONDER)
        url = reverse("admin:incidents_incident_edit", args=[incident.pk])
        assert client.post(url, self.values(incident)).status_code == 302
        response = client.post(url, self.values(incident, title="Mine"))
        page = response.content.decode()
        assert response.status_code == 409
        assert "Secret exposed to an extension" in page
        assert "New title" in page
        assert 'value="Mine"' in page
        assert 'name="revision" value="2"' in page
        assert Incident.objects.get().title == "New title"

    def test_saving_over_a_conflict_keeps_what_one_did_not_touch(
        self, client, sign_in, incident
    ):
        lead = sign_in(Role.RESPONDER)
        url = reverse("admin:incidents_incident_edit", args=[incident.pk])
        theirs = self.values(incident, title="Theirs", lead=lead.pk, labels="a, b")
        assert client.post(url, theirs).status_code == 302
        untouched = self.values(incident, title=incident.title, severity="critical")
        form = client.post(url, untouched).context["form"]
        shown = {name: form[name].value() or "" for name in form.fields}
        assert client.post(url, shown).status_code == 302
        saved = Incident.objects.get()
        assert (saved.title, saved.lead, saved.labels) == ("Theirs", lead, ["a", "b"])
        assert saved.severity == "critical"


class TestButtons:
    @pytest.mark.parametrize("name", ["waive", "write", "close", "state", "kill"])
    def test_auditor_is_told_of_the_permission_before_the_form(
        self, client, sign_in, incident, name
    ):
        sign_in(Role.AUDITOR)
        response = client.post(do_url(incident, name), {})
        assert response.status_code == 403
        assert "It takes the right “" in response.content.decode()

    def test_refused_phase_names_and_links_the_condition(
        self, client, sign_in, incident
    ):
        sign_in(Role.RESPONDER)
        url = do_url(incident, "complete-phase")
        response = client.post(url, {"phase": "contain"}, follow=True)
        page = response.content.decode()
        assert page.count("CONTAIN was not completed") == 1
        assert "2 conditions stand in the way" in page
        assert 'href="#condition-extension-killed"' in page
        assert 'id="condition-extension-killed"' in page

    def test_refused_service_shows_its_message(self, client, sign_in, incident):
        sign_in(Role.RESPONDER)
        item = incident.current_cycle.checklist.get(key="verify-isolation")
        response = client.post(
            do_url(incident, "answer"), {"item": item.pk, "state": "done"}, follow=True
        )
        assert "say in the note who did what" in response.content.decode()

    def test_kill_switch_meets_the_condition_once_it_is_confirmed(
        self, client, sign_in, incident
    ):
        sign_in(Role.RESPONDER)
        client.post(
            do_url(incident, "kill"),
            {"extension": incident.extensions.get().pk, "reason": "exposed a secret"},
        )
        item = incident.current_cycle.checklist.get(key="kill-extension")
        assert item.state == "open"
        switch = incident.kill_switches.get()
        client.post(
            do_url(incident, "confirm-kill"),
            {"switch": switch.pk, "means": "Every capability shows denied."},
        )
        item.refresh_from_db()
        assert item.state == "done"

    def test_item_of_another_case_is_not_found(self, client, sign_in, incident):
        sign_in(Role.RESPONDER)
        foreign = make_incident().current_cycle.checklist.first()
        values = {"item": foreign.pk, "state": "done"}
        assert client.post(do_url(incident, "answer"), values).status_code == 404

    def test_unknown_button_and_get_are_refused(self, client, sign_in, incident):
        sign_in(Role.RESPONDER)
        assert client.post(do_url(incident, "explode")).status_code == 404
        response = client.get(do_url(incident, "close"), follow=True)
        assert response.redirect_chain == [(page_of(incident), 302)]
        assert "Nothing was saved" in response.content.decode()

    def test_way_back_stays_on_this_site(self, client, sign_in, incident):
        sign_in(Role.RESPONDER)
        values = {"body": "a note", "kind": "note", "next": "https://evil.example/"}
        response = client.post(do_url(incident, "write"), values)
        assert response.headers["Location"] == page_of(incident)

    def test_completing_analyze_sets_when_remediate_is_due(self, client, sign_in):
        now = timezone.now()
        incident = make_incident(detected_at=now, now=now)
        reach(incident, Phase.ANALYZE)
        for condition in ("root-cause-written", "replay-viewed"):
            client.force_login(make_user(Role.REVIEWER))
            client.post(
                do_url(incident, "waive"), {"condition": condition, "reason": "gone"}
            )
        client.post(
            do_url(incident, "waive"),
            {"condition": "investigation-answered", "reason": "gone"},
        )
        sign_in(Role.RESPONDER)
        due = (now + dt.timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S")
        client.post(
            do_url(incident, "complete-phase"),
            {"phase": "analyze", "due_at": due, "zone": "UTC", "reason": "vendor"},
        )
        remediate = incident.current_cycle.phases.get(phase="remediate")
        assert remediate.due_reason == "vendor"

    def test_exports_are_attachments(self, client, sign_in, incident):
        sign_in(Role.AUDITOR)
        for name in ("timeline_csv", "timeline_md"):
            url = reverse(f"admin:incidents_incident_{name}", args=[incident.pk])
            response = client.get(url)
            assert "attachment" in response.headers["Content-Disposition"]
            assert "-timeline_TLP-AMBER." in response.headers["Content-Disposition"]
            assert "Opened as INC-2" in response.content.decode()
        lines = response.content.decode().splitlines()
        assert lines[0] == lines[-1] == "**TLP:AMBER**"


class TestList:
    def references(self, client, query=""):
        page = client.get(f"{LIST}{query}")
        return [case.reference for case in page.context["cl"].result_list]

    def test_open_before_closed_and_worst_first(self, client, sign_in):
        sign_in(Role.RESPONDER)
        low = make_incident(severity=Severity.LOW)
        critical = make_incident(severity=Severity.CRITICAL)
        closed = make_incident(severity=Severity.CRITICAL)
        client.force_login(make_user(Role.REVIEWER))
        close_false_alarm(closed)
        wanted = [critical.reference, low.reference, closed.reference]
        assert self.references(client) == wanted

    def test_search_finds_by_reference_title_extension_and_call(self, client, sign_in):
        sign_in(Role.RESPONDER)
        found = make_incident(title="Odd title", extension_ids=("ext.odd",))
        make_incident(title="Another", extension_ids=("ext.else",))
        item = make_evidence(found)
        call_id = item.reports.get().replay_steps.first().call_id
        for term in (found.reference, "odd TITLE", "ext.odd", call_id):
            assert self.references(client, f"?q={term}") == [found.reference], term

    def test_filters(self, client, sign_in):
        user = sign_in(Role.RESPONDER)
        now = timezone.now()
        mine = make_incident(lead=user, detected_at=now, now=now)
        late = make_incident()
        unverified = make_incident(detected_at=now, now=now)
        make_evidence(unverified, verified=False)
        failed = make_incident(detected_at=now, now=now)
        make_evidence(failed, vector="tampered-removed-entry")
        make_evidence(mine)
        assert self.references(client, "?mine=yes") == [mine.reference]
        assert self.references(client, "?breached=yes") == [late.reference]
        assert set(self.references(client, "?unverified=yes")) == {
            unverified.reference,
            failed.reference,
        }


class TestQueryCounts:
    """Pinned: a page that grows with its rows fails here."""

    def fill(self, count: int) -> Incident:
        for _ in range(count):
            incident = make_incident(extension_ids=("ext.a", "ext.b"))
            make_evidence(incident)
            make_snapshot(incident)
            item = incident.current_cycle.checklist.first()
            assign_item(actor=None, item_id=item.pk, assignee=make_user(Role.RESPONDER))
            pass_with_waivers(incident, Phase.CONTAIN)
        return incident

    @pytest.fixture
    def queries(self, client, django_assert_max_num_queries):
        def count(most: dict[str, int]) -> dict[str, int]:
            """Return what each page costs the second time that it is read."""
            counts = {}
            for url, limit in most.items():
                client.get(url)
                with django_assert_max_num_queries(limit, info=url) as captured:
                    assert client.get(url).status_code == 200
                counts[url] = len(captured)
            return counts

        return count

    def test_pages_cost_the_same_for_more_cases(self, sign_in, queries):
        sign_in(Role.RESPONDER)
        most = {
            "index": 35,
            "incidents_incident_changelist": 22,
            "incidents_incident_my_items": 14,
            "incidents_incident_metrics": 11,
        }
        pages = {reverse(f"admin:{name}"): limit for name, limit in most.items()}
        self.fill(1)
        few = queries(pages)
        self.fill(3)
        assert queries(pages) == few

    def test_tabs_cost_the_same_for_more_rows(self, client, sign_in, queries):
        sign_in(Role.REVIEWER)
        incident = self.fill(1)
        pages = {page_of(incident, tab=tab.key): 52 for tab in TABS}
        few = queries(pages)
        for vector in ("empty", "tampered-removed-entry", "redacted-full"):
            make_evidence(incident, vector=vector)
        for number in range(3):
            values = {"body": f"note {number}", "kind": "note"}
            client.post(do_url(incident, "write"), values)
        assert queries(pages) == few
