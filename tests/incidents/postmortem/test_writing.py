"""Writing: opened with the case's facts, drafts that never overwrite, versions."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream
from evidence.errors import PermissionRefused
from evidence.format import hash_value
from evidence.models import AuditEntry
from incidents.errors import (
    EditConflict,
    IncidentClosed,
    PostmortemRefused,
    TransitionError,
)
from incidents.models import PostmortemVersion
from incidents.services.checklists.proven_items import answer_proven_items
from incidents.services.findings.gathering import gather_findings
from incidents.services.postmortems.drafts import (
    current_draft,
    open_postmortem,
    save_draft,
    take_up_again,
)
from incidents.services.postmortems.reviews import submit_postmortem
from incidents.workflow.phases import Phase
from policy.services.kill_switches import activate_kill_switch, confirm_kill_switch
from tests.factories import (
    close_false_alarm,
    make_evidence,
    make_incident,
    make_snapshot,
    make_user,
)
from tests.incidents.postmortem.cases import (
    LATER,
    SOON,
    TEXTS,
    make_case,
    make_postmortem,
    make_version,
    submit,
    write,
)
from tests.incidents.services.test_phases import pass_with_waivers, reach

pytestmark = pytest.mark.django_db


def save(postmortem, revision, *, actor=None, now=LATER, **texts):
    base = postmortem.drafts.get(revision=revision).sections
    return save_draft(
        actor=actor or make_user(),
        postmortem_id=postmortem.pk,
        revision=revision,
        sections={**base, **texts},
        now=now,
    )


def test_opens_once_with_what_the_case_knows():
    incident = make_case()
    first = make_postmortem(incident)
    again = open_postmortem(actor=make_user(), incident_id=incident.pk, now=LATER)
    assert again == first
    text = current_draft(first).sections
    assert text["root_cause"] == "The broker was off."
    assert text["impact_duration"].startswith("Detected 2026-03-10 12:00 UTC")
    assert "- [ ] " in text["verification"]


def test_each_save_is_a_row_and_nobody_loses_one():
    postmortem = make_postmortem()
    save(postmortem, 1, summary="one")
    save(postmortem, 2, summary="two")
    assert [draft.sections["summary"] for draft in postmortem.drafts.all()] == [
        "two",
        "one",
        "",
    ]


def test_same_text_again_saves_nothing():
    postmortem = make_postmortem()
    save(postmortem, 1, summary="one")
    assert save(postmortem, 2, summary="one ").revision == 2
    assert postmortem.drafts.count() == 2


def test_two_editors_of_different_sections_are_joined():
    postmortem = make_postmortem()
    save(postmortem, 1, summary="mine")
    colleague = make_user(Role.RESPONDER, "colleague")
    draft = save(postmortem, 1, actor=colleague, lessons="theirs")
    assert draft.sections["summary"] == "mine"
    assert draft.sections["lessons"] == "theirs"


def test_two_editors_of_one_section_are_told_and_nothing_is_overwritten():
    postmortem = make_postmortem()
    save(postmortem, 1, summary="mine")
    colleague = make_user(Role.RESPONDER, "colleague")
    with pytest.raises(EditConflict, match="responder saved 1 of the sections") as told:
        save(postmortem, 1, actor=colleague, summary="theirs")
    change = told.value.changes[0]
    assert (change.before, change.current, change.wanted) == ("", "mine", "theirs")
    assert told.value.revision == 2
    assert current_draft(postmortem).sections["summary"] == "mine"


def test_unknown_section_and_unknown_revision_are_refused():
    postmortem = make_postmortem()
    with pytest.raises(PostmortemRefused, match="There is no section weather"):
        save(postmortem, 1, weather="fine")
    with pytest.raises(PostmortemRefused, match="There is no draft 9"):
        save_draft(
            actor=make_user(), postmortem_id=postmortem.pk, revision=9, sections=TEXTS
        )


def test_text_too_long_and_nul_are_handled():
    postmortem = make_postmortem()
    with pytest.raises(PostmortemRefused, match="Attach longer text as evidence"):
        save(postmortem, 1, summary="x" * 20_001)
    assert save(postmortem, 1, summary="a\x00b").sections["summary"] == "a\ufffdb"


def test_one_sitting_is_one_audit_entry_and_a_pause_or_a_person_another():
    postmortem = make_postmortem()
    save(postmortem, 1, summary="1")
    save(postmortem, 2, summary="2", now=LATER + dt.timedelta(minutes=5))
    save(postmortem, 3, summary="3", now=LATER + dt.timedelta(minutes=20))
    colleague = make_user(Role.RESPONDER, "colleague")
    save(postmortem, 4, actor=colleague, summary="4", now=LATER)
    entries = AuditEntry.objects.filter(
        stream=incident_stream(postmortem.incident.pk), action="postmortem.written"
    )
    assert [entry.after["draft"] for entry in entries.order_by("sequence")] == [2, 4, 5]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None])
def test_others_than_responders_and_reviewers_cannot_write(role):
    postmortem, actor = make_postmortem(), make_user(role)
    with pytest.raises(PermissionRefused):
        open_postmortem(actor=actor, incident_id=postmortem.incident.pk)
    with pytest.raises(PermissionRefused):
        save(postmortem, 1, actor=actor, summary="x")
    with pytest.raises(PermissionRefused):
        submit(postmortem, actor=actor)
    with pytest.raises(PermissionRefused):
        take_up_again(actor=actor, postmortem_id=postmortem.pk, reason="x")


def test_submission_lists_every_missing_section():
    postmortem = make_postmortem()
    with pytest.raises(PostmortemRefused, match=r"Summary: Summary.*Lessons") as told:
        submit(postmortem)
    assert told.value.code == "section_missing"
    assert "Short term" not in told.value.message


def test_submission_waits_for_the_findings():
    incident = make_case()
    postmortem = open_postmortem(actor=make_user(), incident_id=incident.pk, now=SOON)
    write(postmortem)
    with pytest.raises(PostmortemRefused, match=r"looked for in plain\.json"):
        submit(postmortem)
    gather_findings(incident_id=incident.pk)
    assert submit(postmortem).content["facts"]["findings"]


def test_submission_of_a_draft_that_was_saved_since_is_refused():
    postmortem = write(make_postmortem())
    with pytest.raises(PostmortemRefused, match="was saved since"):
        submit_postmortem(actor=make_user(), postmortem_id=postmortem.pk, revision=1)


def test_version_holds_facts_and_text_under_its_hash():
    version = make_version()
    content = version.content
    assert content["sections"]["summary"] == TEXTS["summary"]
    assert content["authors"] == ["responder"]
    facts = content["facts"]
    assert facts["incident"]["reference"] == content["reference"]
    assert facts["evidence"][0]["sha256"]
    assert facts["phases"][0]["phase"] == "detect"
    assert facts["timeline"][0]["offset_seconds"] == 0
    assert facts["decisions"][0]["text"] == "Root cause: The broker was off."
    assert hash_value(content) == version.content_sha256


def test_findings_are_gathered_once_and_again_when_they_change():
    incident = make_case()
    assert gather_findings(incident_id=incident.pk)
    assert gather_findings(incident_id=incident.pk) == 0
    make_evidence(incident, vector="odd-text")
    assert gather_findings(incident_id=incident.pk)


def test_submitted_text_cannot_be_changed_until_it_is_taken_up_again():
    version = make_version()
    with pytest.raises(TransitionError, match="take it up again"):
        save(version.postmortem, 2, summary="more")
    take_up_again(
        actor=make_user(), postmortem_id=version.postmortem_id, reason="a mistake"
    )
    save(version.postmortem, 2, summary="more")
    again = submit(version.postmortem)
    assert (again.number, again.content["sections"]["summary"]) == (2, "more")


def test_closed_case_takes_no_postmortem():
    incident = make_case()
    close_false_alarm(incident, reason="a test")
    with pytest.raises(IncidentClosed):
        open_postmortem(actor=make_user(), incident_id=incident.pk)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE incidents_postmortemdraft SET sections = '{}'",
        "UPDATE incidents_postmortemversion SET document = '{}'",
        "DELETE FROM incidents_postmortemversion",
        "DELETE FROM incidents_postmortem",
        "TRUNCATE incidents_postmortemdraft",
        "UPDATE incidents_postmortem SET state = 'signed'",
        "UPDATE incidents_postmortem SET opened_at = now()",
        "INSERT INTO incidents_postmortemdraft (postmortem_id, revision, sections,"
        " saved_at) SELECT id, 99, '{}', now() FROM incidents_postmortem",
    ],
)
def test_database_itself_keeps_drafts_and_versions(statement):
    make_version()
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_database_refuses_a_version_whose_hash_is_not_its_own():
    version = make_version()
    take_up_again(actor=make_user(), postmortem_id=version.postmortem_id, reason="x")
    with pytest.raises(DatabaseError, match="postmortem_version_hash"):
        PostmortemVersion.objects.create(
            postmortem=version.postmortem,
            number=2,
            document=version.document + " ",
            content_sha256=version.content_sha256,
            submitted_at=LATER,
            submitted_by=version.submitted_by,
        )


class TestTimelineOfTheVersion:
    @pytest.fixture
    def texts(self):
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
        version = make_version(incident)
        return version.content["facts"]["timeline"]

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
    def items(self):
        incident = make_incident()
        reach(incident, Phase.VERIFY)
        make_evidence(incident)
        answer_proven_items(incident_id=incident.pk)
        pass_with_waivers(incident, Phase.VERIFY)
        content = make_version(incident).content
        return {item["key"]: item for item in content["facts"]["checklist"]}

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


def test_first_text_ticks_what_passed_and_says_how_the_rest_stands():
    incident = make_incident()
    reach(incident, Phase.VERIFY)
    make_evidence(incident)
    answer_proven_items(incident_id=incident.pk)
    postmortem = open_postmortem(actor=make_user(), incident_id=incident.pk, now=SOON)
    lines = current_draft(postmortem).sections["verification"].split("\n")
    said = {line.split(". (")[0]: line for line in lines}
    assert "(Checked by report" in said["- [x] The bundle hash is the recomputed one"]
    assert "waived by reviewer" in said["- [ ] Kill the extension"]
