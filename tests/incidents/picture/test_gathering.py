"""What a case's picture shows, from its rows: by lane, bounded, honest about gaps."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.models import VerificationReport
from evidence.services.overview import time_records
from incidents.models import Incident
from incidents.picture.model import BINS, Lane, Picture, Window
from incidents.services.picture import policy_lanes
from incidents.services.picture.evidence_lanes import Source, section_lanes
from incidents.services.picture.gathering import gather_picture
from policy.rules.trust import TrustState
from policy.services.trust import move_trust
from tests.factories import NOON, make_evidence, make_incident, make_user
from tests.incidents.picture.making import import_history, make_story

pytestmark = [pytest.mark.django_db, pytest.mark.long]
LATER = NOON + dt.timedelta(days=400)


def draw(incident: Incident, window: Window | None = None) -> Picture:
    fresh = Incident.objects.get(pk=incident.pk)
    return gather_picture(fresh, window=window, now=LATER)


def lanes_of(picture: Picture) -> dict[str, Lane]:
    return {lane.key: lane for lane in picture.lanes}


def lane(picture: Picture, start: str) -> Lane:
    return next(one for one in picture.lanes if one.key.startswith(start))


class TestStory:
    @pytest.fixture
    def incident(self) -> Incident:
        return make_story(calls=40)

    def test_kill_is_ordered_first_and_in_effect_later(self, incident: Incident):
        ordered, effective = lane(draw(incident), "kills").bands
        assert (ordered.is_ordered, effective.is_ordered) == (True, False)
        assert ordered.to_ms == effective.from_ms
        assert effective.to_ms is None

    def test_quarantine_by_the_order_counts_from_its_effect(self, incident: Incident):
        picture = draw(incident)
        _, ordered, held = lane(picture, "trust-").bands
        assert (ordered.state, held.state) == ("ordered", "quarantined")
        assert held.from_ms == lane(picture, "kills").bands[1].from_ms

    def test_runtimes_own_record_has_a_lane(self, incident: Incident):
        own = lane(draw(incident), "history-")
        assert [band.state for band in own.bands] == ["quarantined"]
        assert [mark.state for mark in own.marks] == ["refused"]

    def test_calls_are_all_counted_and_point_at_their_first_record(
        self, incident: Incident
    ):
        picture = lanes_of(draw(incident))
        marks = picture["executed"].marks + picture["blocked"].marks
        assert sum(mark.count for mark in marks) == 40
        item = incident.evidence_items.get(original_name="incident-bundle.json")
        steps = {step.index: step for step in item.reports.get().replay_steps.all()}
        for mark in marks:
            assert mark.target is not None
            assert mark.target.id == item.pk
            assert steps[mark.target.index].outcome == mark.state

    def test_what_lies_outside_the_window_is_counted(self, incident: Incident):
        whole = lanes_of(draw(incident))["executed"]
        total = sum(mark.count for mark in whole.marks)
        middle = whole.marks[len(whole.marks) // 2].at_ms
        narrow = lanes_of(draw(incident, Window(middle, middle + 2_000)))["executed"]
        inside = sum(mark.count for mark in narrow.marks)
        assert inside + narrow.before + narrow.after == total
        assert narrow.before
        assert narrow.after

    def test_before_and_after_the_record_nothing_is_known(self, incident: Incident):
        picture = draw(incident)
        start, end = picture.window.from_ms, picture.window.to_ms
        wide = draw(incident, Window(start - 60_000, end + 60_000))
        gaps = lanes_of(wide)["executed"].gaps
        assert gaps[0].from_ms == start - 60_000
        assert gaps[-1].to_ms == end + 60_000
        assert all("not known" in gap.words for gap in gaps)

    def test_phases_and_their_due_times_are_there(self, incident: Incident):
        phases = lanes_of(draw(incident))["phases"]
        states = {band.words: band.state for band in phases.bands}
        assert states["CONTAIN: complete"] == "complete"
        assert states["COLLECT: running"] == "running"
        assert "CONTAIN due" in {mark.words for mark in phases.marks}

    def test_what_people_did_leaves_out_the_systems_lines(self, incident: Incident):
        people = lanes_of(draw(incident))["people"]
        written = incident.timeline.filter(author__isnull=False).count()
        counted = sum(mark.count for mark in people.marks)
        assert counted + people.before + people.after == written


def test_queries_and_marks_do_not_grow_with_the_ledger():
    counts = []
    for calls in (40, 600):
        incident = make_story(calls=calls, is_contained=False)
        with CaptureQueriesContext(connection) as queries:
            picture = draw(incident)
        counts.append(len(queries))
        for one in picture.lanes:
            assert len(one.marks) <= BINS * 5
            assert len(one.line) <= BINS + 1
    assert counts[0] == counts[1] <= 25


def test_after_a_break_everything_the_bundle_says_is_untrusted():
    incident = make_story(
        calls=60, scenario="tampered-removed", playbook="INC-3", is_contained=False
    )
    (shade,) = [one for one in draw(incident).shades if "breaks at entry" in one.words]
    report = VerificationReport.objects.get()
    assert shade.from_ms == report.overview["plot"]["break_ts_ms"]
    assert {"executed", "blocked", "risk", "secrets", "mediation"} <= set(shade.lanes)


def test_what_is_past_a_limit_is_said_and_not_drawn_as_something_else(
    monkeypatch: pytest.MonkeyPatch,
):
    case = make_incident(extension_ids=("ext.one",))
    who, extension = make_user(), case.extensions.get()
    for state in (TrustState.PROBATION, TrustState.QUARANTINED):
        move_trust(extension_pk=extension.pk, to_state=state, reason="risk", actor=who)
    for name in ("ext.one", "ext.two"):
        import_history(case, name, NOON, dt.timedelta(hours=1))
    assert len(lane(draw(case), "trust-").bands) > 1
    monkeypatch.setattr(policy_lanes, "BANDS_MAX", 1)
    monkeypatch.setattr(policy_lanes, "HISTORIES_MAX", 1)
    picture = draw(case)
    trust = lane(picture, "trust-")
    assert [band.state for band in trust.bands] == ["quarantined"]
    assert trust.gaps[-1].words == "Older moves: the newest 1 are drawn"
    assert "Only the newest 1 imported records are drawn." in picture.notes


def test_case_without_evidence_says_that_nothing_is_known_of_its_calls():
    picture = draw(make_incident())
    calls = lanes_of(picture)["executed"]
    assert not calls.marks
    (gap,) = calls.gaps
    assert (gap.from_ms, gap.to_ms) == (picture.window.from_ms, picture.window.to_ms)


def test_evidence_without_a_report_is_named_and_not_drawn():
    incident = make_incident()
    make_evidence(incident, verified=False)
    picture = draw(incident)
    assert any("plain.json has no verification report" in one for one in picture.notes)


def test_filtered_bundle_says_what_it_leaves_unknown():
    incident = make_incident()
    make_evidence(incident, vector="filtered-extension")
    (note,) = draw(incident).notes
    assert "holds only what its filter let through (extension_id" in note


def test_report_from_before_the_times_were_kept_says_so():
    incident = make_incident()
    make_evidence(incident)
    report = VerificationReport.objects.get()
    del report.overview["records"]
    source = Source(report.item, report)
    for one in section_lanes([source], Window(0, 10)):
        assert "verify it again" in one.note
        assert one.gaps


def test_times_of_hostile_sections_are_kept_as_far_as_they_go():
    kept = time_records(
        {
            "exec_mediation": [
                {"ts_ms": 5, "decision": "deny"},
                {"ts_ms": "soon", "decision": "deny"},
                {"ts_ms": 7, "decision": ["allow"]},
                None,
            ],
            "secret_broker": {"not": "a list"},
            "security_alerts": [],
        }
    )
    assert kept["exec_mediation"]["undated"] == 2
    assert sorted(mark[0] for mark in kept["exec_mediation"]["marks"]) == [
        "deny",
        "other",
    ]
    assert "secret_broker" not in kept
    assert kept["security_alerts"]["first_ts_ms"] is None


class TestPage:
    @pytest.fixture
    def incident(self) -> Incident:
        return make_story(calls=20)

    def get(self, client: Client, incident: Incident, query: str = "") -> str:
        client.force_login(make_user(Role.AUDITOR))
        page = reverse("admin:incidents_incident_change", args=[incident.pk])
        answer = client.get(f"{page}?tab=picture{query}")
        assert answer.status_code == 200
        return answer.content.decode()

    def test_every_mark_of_the_drawing_opens_a_page_that_is_there(
        self, client: Client, incident: Incident
    ):
        html = self.get(client, incident)
        start = html.index('class="pic"')
        drawing = html[start : html.index("</svg>", start)]
        links = set(re.findall(r'href="([^"]+)"', drawing))
        assert len(links) > 10
        page = reverse("admin:incidents_incident_change", args=[incident.pk])
        for link in sorted(links)[::7]:
            target = link.replace("&amp;", "&").split("#")[0]
            url = page + target if target.startswith("?") else target
            assert client.get(url).status_code == 200, url

    def test_table_says_what_is_drawn(self, client: Client, incident: Incident):
        html = self.get(client, incident)
        assert "kill ordered, not known to be in effect" in html
        assert "No record: what happened here is not known" in html

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("&from_ms=5&to_ms=5", "has to come after"),
            ("&from_ms=1&to_ms=99999999999999999999", "no calendar has"),
            ("&since=2026-03-10T12:00:00", "Give both ends"),
            ("&since=never&until=2026-03-10T12:00:00", "Enter a valid"),
            ("&from_ms=0&to_ms=9999999999999", "hundred years"),
        ],
    )
    def test_window_that_makes_no_sense_is_said_and_not_drawn(
        self, client: Client, incident: Incident, query: str, words: str
    ):
        html = self.get(client, incident, query)
        assert words in html
        assert 'class="pic"' in html

    def test_fields_narrow_it_without_a_script(
        self, client: Client, incident: Incident
    ):
        html = self.get(
            client,
            incident,
            "&since=2026-08-17T20:00:00&until=2026-08-17T20:30:00",
        )
        assert 'value="2026-08-17T20:00:00"' in html

    def test_hidden_case_is_not_drawn(self, client: Client, incident: Incident):
        client.force_login(make_user(None))
        page = reverse("admin:incidents_incident_change", args=[incident.pk])
        assert client.get(f"{page}?tab=picture").status_code in (302, 403, 404)
