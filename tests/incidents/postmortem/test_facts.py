"""What a version says of its case: its timeline, and how each item passed."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from incidents.models import Incident
from incidents.services.checklists.proven_items import answer_proven_items
from incidents.services.postmortems.drafts import current_draft, open_postmortem
from incidents.workflow.phases import Phase
from policy.services.kill_switches import activate_kill_switch, confirm_kill_switch
from tests.factories import make_evidence, make_incident, make_snapshot, make_user
from tests.incidents.postmortem.cases import SOON, make_case, make_version
from tests.incidents.services.test_phases import pass_with_waivers, reach
from tests.shared import share


def make_killed() -> Incident:
    """Return a case whose extension was killed."""
    incident = make_case()
    make_snapshot(incident)
    switch = activate_kill_switch(
        actor=make_user(),
        extension_pk=incident.extensions.get().pk,
        incident_id=incident.pk,
        reason="a secret got out",
        now=SOON,
    )
    confirm_kill_switch(
        actor=make_user(),
        kill_switch_id=switch.pk,
        effective_at=SOON + dt.timedelta(seconds=7),
        means="The process list showed none.",
        now=SOON + dt.timedelta(minutes=3),
    )
    return incident


def make_proven() -> Incident:
    """Return a case that is in VERIFY, where a machine proved what it can."""
    incident = make_incident()
    reach(incident, Phase.VERIFY)
    make_evidence(incident)
    answer_proven_items(incident_id=incident.pk)
    return incident


def make_world() -> Mapping[str, Any]:
    """Return the facts of two versions, and the first text of another postmortem."""
    opened = open_postmortem(actor=make_user(), incident_id=make_proven().pk, now=SOON)
    waived = make_proven()
    pass_with_waivers(waived, Phase.VERIFY)
    facts = make_version(waived).content["facts"]
    # Last: where the extension is killed, that item is answered and not waived.
    killed = make_version(make_killed()).content["facts"]
    first = current_draft(opened).sections
    return {"first text": first, "waived": facts, "killed": killed}


_kept, world, _django_db_helper, evidence_folder = share(make_world)


class TestTimelineOfTheVersion:
    @pytest.fixture
    def texts(self, world):
        return world["killed"]["timeline"]

    @pytest.mark.parametrize(
        "words",
        [
            "**Kill switch ordered**",
            "**Kill switch confirmed**",
            "**Evidence received**: `plain.json",
            "**Evidence received**: `settings.json",
            "**Verification finished**",
        ],
    )
    def test_it_has_what_was_done_to_policy_and_evidence(self, texts, words):
        assert [line for line in texts if words in line["text"]], [
            line["text"] for line in texts
        ]

    def test_confirmation_stands_at_the_moment_of_its_effect(self, texts):
        times = {
            word: line
            for line in texts
            for word in ("ordered", "confirmed")
            if f"**Kill switch {word}**" in line["text"]
        }
        ordered, confirmed = times["ordered"], times["confirmed"]
        assert confirmed["offset_seconds"] - ordered["offset_seconds"] == 7
        assert confirmed["event_at"] < confirmed["entered_at"]

    def test_it_is_in_the_order_of_events(self, texts):
        moments = [line["event_at"] for line in texts]
        assert moments == sorted(moments)

    def test_it_leaves_out_what_was_only_asked_for(self, texts):
        assert not [line for line in texts if "requested" in line["text"]]


class TestHowAnItemPassed:
    """What a version says of each item of the checklist."""

    @pytest.fixture
    def items(self, world):
        return {item["key"]: item for item in world["waived"]["checklist"]}

    def test_what_a_machine_proved_names_the_system_and_its_report(self, items):
        passed = items["verify-bundle-hash"]
        assert (passed["standing"], passed["answered_by"]) == ("done", "system")
        assert passed["note"].startswith("Checked by report ")

    def test_what_was_waived_names_the_reviewer_and_the_reason(self, items):
        waived = items["secret-exposure-alert"]
        assert (waived["state"], waived["standing"]) == ("open", "waived")
        assert waived["passed"] == (
            "not answered, waived by reviewer: the runtime is gone"
        )

    def test_what_is_not_required_says_so(self, items):
        assert items["disable-all-extensions"]["passed"] == (
            "not answered, and not required"
        )

    def test_what_waits_is_open(self, items):
        assert items["identify-exposure"]["standing"] == "open"
        assert items["identify-exposure"]["passed"] == ""


def test_first_text_ticks_what_passed_and_says_how_the_rest_stands(world):
    lines = world["first text"]["verification"].split("\n")
    said = {line.split(". (")[0]: line for line in lines}
    assert "(Checked by report" in said["- [x] The bundle hash is the recomputed one"]
    assert "waived by reviewer" in said["- [ ] Kill the extension"]
