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
from incidents.services.findings.gathering import gather_findings
from incidents.services.postmortems.drafts import (
    current_draft,
    open_postmortem,
    save_draft,
    take_up_again,
)
from incidents.services.postmortems.reviews import submit_postmortem
from tests.factories import (
    close_false_alarm,
    make_evidence,
    make_user,
)
from tests.incidents.postmortem.cases import (
    LATER,
    SOON,
    TEXTS,
    make_postmortem,
    make_stages,
    submit,
    write,
)
from tests.shared import share

_kept, stages, _django_db_helper, evidence_folder = share(
    make_stages("case", "opened", "written", "version")
)


def save(postmortem, revision, *, actor=None, now=LATER, **texts):
    base = postmortem.drafts.get(revision=revision).sections
    return save_draft(
        actor=actor or make_user(),
        postmortem_id=postmortem.pk,
        revision=revision,
        sections={**base, **texts},
        now=now,
    )


def test_opens_once_with_what_the_case_knows(case):
    first = make_postmortem(case)
    again = open_postmortem(actor=make_user(), incident_id=case.pk, now=LATER)
    assert again == first
    text = current_draft(first).sections
    assert text["root_cause"] == "The broker was off."
    assert text["impact_duration"].startswith("Detected 2026-03-10 12:00 UTC")
    assert "- [ ] " in text["verification"]


def test_each_save_is_a_row_and_nobody_loses_one(opened):
    save(opened, 1, summary="one")
    save(opened, 2, summary="two")
    assert [draft.sections["summary"] for draft in opened.drafts.all()] == [
        "two",
        "one",
        "",
    ]


def test_same_text_again_saves_nothing(opened):
    save(opened, 1, summary="one")
    assert save(opened, 2, summary="one ").revision == 2
    assert opened.drafts.count() == 2


def test_two_editors_of_different_sections_are_joined(opened):
    save(opened, 1, summary="mine")
    colleague = make_user(Role.RESPONDER, "colleague")
    draft = save(opened, 1, actor=colleague, lessons="theirs")
    assert draft.sections["summary"] == "mine"
    assert draft.sections["lessons"] == "theirs"


def test_two_editors_of_one_section_are_told_and_nothing_is_overwritten(opened):
    save(opened, 1, summary="mine")
    colleague = make_user(Role.RESPONDER, "colleague")
    with pytest.raises(EditConflict, match="responder saved 1 of the sections") as told:
        save(opened, 1, actor=colleague, summary="theirs")
    change = told.value.changes[0]
    assert (change.before, change.current, change.wanted) == ("", "mine", "theirs")
    assert told.value.revision == 2
    assert current_draft(opened).sections["summary"] == "mine"


def test_unknown_section_and_unknown_revision_are_refused(opened):
    with pytest.raises(PostmortemRefused, match="There is no section weather"):
        save(opened, 1, weather="fine")
    with pytest.raises(PostmortemRefused, match="There is no draft 9"):
        save_draft(
            actor=make_user(), postmortem_id=opened.pk, revision=9, sections=TEXTS
        )


def test_text_too_long_and_nul_are_handled(opened):
    with pytest.raises(PostmortemRefused, match="Attach longer text as evidence"):
        save(opened, 1, summary="x" * 20_001)
    assert save(opened, 1, summary="a\x00b").sections["summary"] == "a\ufffdb"


def test_one_sitting_is_one_audit_entry_and_a_pause_or_a_person_another(opened):
    save(opened, 1, summary="1")
    save(opened, 2, summary="2", now=LATER + dt.timedelta(minutes=5))
    save(opened, 3, summary="3", now=LATER + dt.timedelta(minutes=20))
    colleague = make_user(Role.RESPONDER, "colleague")
    save(opened, 4, actor=colleague, summary="4", now=LATER)
    entries = AuditEntry.objects.filter(
        stream=incident_stream(opened.incident.pk), action="postmortem.written"
    )
    assert [entry.after["draft"] for entry in entries.order_by("sequence")] == [2, 4, 5]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None])
def test_others_than_responders_and_reviewers_cannot_write(role, opened):
    actor = make_user(role)
    with pytest.raises(PermissionRefused):
        open_postmortem(actor=actor, incident_id=opened.incident.pk)
    with pytest.raises(PermissionRefused):
        save(opened, 1, actor=actor, summary="x")
    with pytest.raises(PermissionRefused):
        submit(opened, actor=actor)
    with pytest.raises(PermissionRefused):
        take_up_again(actor=actor, postmortem_id=opened.pk, reason="x")


def test_submission_lists_every_missing_section(opened):
    with pytest.raises(PostmortemRefused, match=r"Summary: Summary.*Lessons") as told:
        submit(opened)
    assert told.value.code == "section_missing"
    assert "Short term" not in told.value.message


def test_submission_waits_for_the_findings(case):
    postmortem = open_postmortem(actor=make_user(), incident_id=case.pk, now=SOON)
    write(postmortem)
    with pytest.raises(PostmortemRefused, match=r"looked for in plain\.json"):
        submit(postmortem)
    gather_findings(incident_id=case.pk)
    assert submit(postmortem).content["facts"]["findings"]


def test_submission_of_a_draft_that_was_saved_since_is_refused(written):
    with pytest.raises(PostmortemRefused, match="was saved since"):
        submit_postmortem(actor=make_user(), postmortem_id=written.pk, revision=1)


def test_version_holds_facts_and_text_under_its_hash(version):
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


def test_findings_are_gathered_once_and_again_when_they_change(case):
    assert gather_findings(incident_id=case.pk)
    assert gather_findings(incident_id=case.pk) == 0
    make_evidence(case, vector="odd-text")
    assert gather_findings(incident_id=case.pk)


def test_submitted_text_cannot_be_changed_until_it_is_taken_up_again(version):
    with pytest.raises(TransitionError, match="take it up again"):
        save(version.postmortem, 2, summary="more")
    take_up_again(
        actor=make_user(), postmortem_id=version.postmortem_id, reason="a mistake"
    )
    save(version.postmortem, 2, summary="more")
    again = submit(version.postmortem)
    assert (again.number, again.content["sections"]["summary"]) == (2, "more")


def test_closed_case_takes_no_postmortem(case):
    close_false_alarm(case, reason="a test")
    with pytest.raises(IncidentClosed):
        open_postmortem(actor=make_user(), incident_id=case.pk)


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
def test_database_itself_keeps_drafts_and_versions(statement, version):
    assert version.postmortem.drafts.exists()
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_database_refuses_a_version_whose_hash_is_not_its_own(version):
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
