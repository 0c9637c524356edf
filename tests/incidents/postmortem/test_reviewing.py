"""Four eyes: who may sign, what is signed, what voids it, what the gate asks."""

import pytest
from celery import current_app
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry, EvidenceItem
from evidence.queue.sweeping import QUEUED_IS_LOST_AFTER, requeue_lost_work
from evidence.storage import read_verified
from incidents.errors import (
    FourEyesRefused,
    PostmortemRefused,
    ReasonMissing,
    TransitionError,
)
from incidents.models import Incident, PostmortemArchive, PostmortemReview
from incidents.services.gates.phases import complete_phase
from incidents.services.gates.waivers import waive_condition
from incidents.services.lifecycle.closing import close_incident
from incidents.services.postmortems.archive import archive_postmortem
from incidents.services.postmortems.drafts import open_postmortem, take_up_again
from incidents.services.postmortems.reviews import (
    return_postmortem,
    sign_postmortem,
)
from incidents.services.postmortems.signatures import current_signature
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import PHASE_ORDER, Phase
from tests.factories import NOON, make_outcome, make_user
from tests.incidents.gates import read_gates
from tests.incidents.postmortem.cases import (
    LATER,
    archive_case,
    make_signed,
    make_stages,
    make_version,
    sign,
    submit,
    write,
)
from tests.shared import share

pytestmark = pytest.mark.long

_kept, stages, _django_db_helper, evidence_folder = share(
    make_stages("case", "opened", "written", "version", "signed")
)
INSERT_SIGNATURE = """
    INSERT INTO incidents_postmortemreview
        (version_id, verdict, content_sha256, comment, reviewed_at, reviewer_id)
    VALUES (%s, %s, %s, %s, now(), %s)
"""


def make_superuser(name: str = "root") -> User:
    return User.objects.create_superuser(name, password="a long and quiet sentence")


def gate_of(incident: Incident) -> dict[ConditionKey, str]:
    """Return the conditions of POSTMORTEM: what each says, "" where it is met."""
    fresh = Incident.objects.get(pk=incident.pk)
    gate = read_gates(fresh, fresh.current_cycle)[Phase.POSTMORTEM]
    return {
        condition.key: "" if condition.met else condition.detail
        for condition in gate.conditions
    }


def insert_signature(version, reviewer, **changes):
    values = {
        "verdict": "signed",
        "content_sha256": version.content_sha256,
        "comment": "",
        **changes,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT_SIGNATURE, [version.pk, *values.values(), reviewer.pk])


def test_reviewer_signs_what_somebody_else_wrote(version):
    review = sign(version)
    assert review.content_sha256 == version.content_sha256
    version.postmortem.refresh_from_db()
    assert current_signature(version.postmortem) == review
    entry = AuditEntry.objects.get(
        stream=incident_stream(version.postmortem.incident.pk),
        action="postmortem.signed",
    )
    assert entry.after["content_sha256"] == version.content_sha256


def test_author_cannot_sign_though_a_reviewer(opened):
    author = make_user(Role.REVIEWER)
    version = submit(write(opened, actor=author), actor=author)
    with pytest.raises(FourEyesRefused, match="reviewer wrote a part"):
        sign(version, actor=author)


def test_who_wrote_only_an_earlier_draft_cannot_sign(opened):
    reviewer = make_user(Role.REVIEWER)
    postmortem = write(opened, actor=reviewer, summary="first words")
    version = submit(write(postmortem, summary="other words"))
    with pytest.raises(FourEyesRefused):
        sign(version, actor=reviewer)


def test_who_only_submitted_cannot_sign(written):
    reviewer = make_user(Role.REVIEWER)
    version = submit(written, actor=reviewer)
    with pytest.raises(FourEyesRefused):
        sign(version, actor=reviewer)


def test_author_of_an_earlier_version_cannot_sign_a_later_one(opened):
    reviewer = make_user(Role.REVIEWER)
    first = submit(write(opened, actor=reviewer), actor=reviewer)
    take_up_again(actor=reviewer, postmortem_id=first.postmortem_id, reason="x")
    second = submit(write(first.postmortem, summary="all new"))
    with pytest.raises(FourEyesRefused):
        sign(second, actor=reviewer)


def test_superuser_is_not_exempt(opened):
    root = make_superuser()
    version = submit(write(opened, actor=root), actor=root)
    with pytest.raises(FourEyesRefused):
        sign(version, actor=root)
    sign(version, actor=make_superuser("another"))


def test_author_cannot_return_it_either(opened):
    author = make_user(Role.REVIEWER)
    version = submit(write(opened, actor=author), actor=author)
    with pytest.raises(FourEyesRefused):
        return_postmortem(actor=author, version_id=version.pk, comment="more")


def test_who_opened_it_and_wrote_nothing_is_no_author(case):
    reviewer = make_user(Role.REVIEWER)
    open_postmortem(actor=reviewer, incident_id=case.pk)
    sign(make_version(case), actor=reviewer)


@pytest.mark.parametrize(
    "role",
    [Role.RESPONDER, Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None],
)
def test_only_reviewers_sign_or_return(role, version):
    actor = make_user(role, "somebody")
    with pytest.raises(PermissionRefused):
        sign(version, actor=actor)
    with pytest.raises(PermissionRefused):
        return_postmortem(actor=actor, version_id=version.pk, comment="more")


@pytest.mark.parametrize("verdict", ["signed", "returned"])
def test_database_refuses_a_review_by_an_author(verdict, version):
    author = User.objects.get(username="responder")
    with pytest.raises(DatabaseError, match="four eyes"):
        insert_signature(version, author, verdict=verdict, comment="mine")


def test_database_refuses_a_superuser_who_is_an_author(opened):
    root = make_superuser()
    version = submit(write(opened, actor=root))
    with pytest.raises(DatabaseError, match="four eyes"):
        insert_signature(version, root)


def test_database_refuses_who_only_submitted(written):
    version = submit(written, actor=make_user(Role.REVIEWER))
    with pytest.raises(DatabaseError, match="four eyes"):
        insert_signature(version, make_user(Role.REVIEWER))


def test_database_refuses_a_signature_on_another_hash(version):
    with pytest.raises(DatabaseError, match="its very content"):
        insert_signature(version, make_user(Role.REVIEWER), content_sha256="0" * 64)


def test_database_refuses_a_signature_on_an_older_version(version):
    take_up_again(actor=make_user(), postmortem_id=version.postmortem_id, reason="x")
    submit(write(version.postmortem, summary="new"))
    with pytest.raises(DatabaseError, match="newest version"):
        insert_signature(version, make_user(Role.REVIEWER))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE incidents_postmortemreview SET reviewer_id = reviewer_id + 1",
        "DELETE FROM incidents_postmortemreview",
        "DELETE FROM incidents_postmortemarchive",
        "TRUNCATE incidents_postmortemreview CASCADE",
    ],
)
def test_database_keeps_signatures(statement, signed):
    assert signed.reviews.exists()
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_signature_is_on_the_hash_that_was_read(version):
    with pytest.raises(PostmortemRefused, match="Read the version that you sign"):
        sign_postmortem(
            actor=make_user(Role.REVIEWER),
            version_id=version.pk,
            content_sha256="0" * 64,
        )


def test_older_version_cannot_be_signed(version):
    take_up_again(actor=make_user(), postmortem_id=version.postmortem_id, reason="x")
    submit(write(version.postmortem, summary="new"))
    with pytest.raises(PostmortemRefused, match="is not the newest: read version 2"):
        sign(version)


def test_return_needs_a_comment_and_opens_the_text_again(version):
    reviewer = make_user(Role.REVIEWER)
    with pytest.raises(ReasonMissing):
        return_postmortem(actor=reviewer, version_id=version.pk, comment=" ")
    return_postmortem(actor=reviewer, version_id=version.pk, comment="say why")
    with pytest.raises(TransitionError):
        sign(version)
    again = submit(write(version.postmortem, root_cause="Because."))
    assert sign(again).version.number == 2


def test_version_is_reviewed_once(version):
    sign(version)
    with pytest.raises(TransitionError, match="cannot become"):
        sign(version, actor=make_user(Role.REVIEWER, "second"))


def test_edit_voids_the_signature_visibly(signed):
    postmortem, incident = signed.postmortem, signed.postmortem.incident
    assert set(gate_of(incident).values()) == {""}
    take_up_again(actor=make_user(), postmortem_id=postmortem.pk, reason="a mistake")
    gate = gate_of(incident)
    assert "edited after reviewer signed" in gate[ConditionKey.POSTMORTEM_SIGNED]
    assert gate[ConditionKey.ARTIFACTS_ARCHIVED]
    postmortem.refresh_from_db()
    assert current_signature(postmortem) is None
    assert PostmortemReview.objects.filter(version=signed).exists()
    assert incident.timeline.filter(body__contains="its signature is void").exists()
    submit(write(postmortem, summary="put right"))
    gate = gate_of(incident)
    assert not gate[ConditionKey.POSTMORTEM_WRITTEN]
    assert "sign it again" in gate[ConditionKey.POSTMORTEM_SIGNED]


def test_gate_asks_for_text_signature_and_archive_in_turn(case):
    assert all(gate_of(case).values())
    version = make_version(case)
    gate = gate_of(case)
    assert not gate[ConditionKey.POSTMORTEM_WRITTEN]
    assert gate[ConditionKey.POSTMORTEM_SIGNED] == "a reviewer has to sign it"
    review = sign(version)
    gate = gate_of(case)
    assert not gate[ConditionKey.POSTMORTEM_SIGNED]
    assert gate[ConditionKey.ARTIFACTS_ARCHIVED]
    archive_postmortem(review_id=review.pk)
    assert gate_of(case)[ConditionKey.ARTIFACTS_ARCHIVED]
    archive_case(case)
    assert set(gate_of(case).values()) == {""}


def test_checklist_follows(signed):
    states = dict(
        signed.postmortem.cycle.checklist.filter(phase="postmortem").values_list(
            "key", "state"
        )
    )
    assert set(states.values()) == {"done"}
    take_up_again(actor=make_user(), postmortem_id=signed.postmortem_id, reason="x")
    items = signed.postmortem.cycle.checklist.filter(phase="postmortem")
    assert set(items.values_list("state", flat=True)) == {"open"}


def complete_up_to(incident: Incident, last: Phase) -> None:
    for phase in PHASE_ORDER[1 : last.position + 1]:
        fresh = Incident.objects.get(pk=incident.pk)
        for failed in read_gates(fresh, fresh.current_cycle)[phase].failed:
            waive_condition(
                actor=make_user(Role.REVIEWER),
                incident_id=incident.pk,
                condition=failed.key,
                reason="not of this test",
                now=LATER,
            )
        gate = complete_phase(
            actor=make_user(), incident_id=incident.pk, phase=phase, now=LATER
        )
        assert gate.passed


def test_case_closes_with_a_signed_and_archived_postmortem_which_then_stays(case):
    complete_up_to(case, Phase.REMEDIATE)
    version = make_signed(case)
    gate = complete_phase(
        actor=make_user(), incident_id=case.pk, phase=Phase.POSTMORTEM, now=LATER
    )
    assert gate.passed
    assert not gate.waived
    with pytest.raises(TransitionError, match="stays as it was signed"):
        take_up_again(
            actor=make_user(), postmortem_id=version.postmortem_id, reason="x"
        )
    close_incident(
        actor=make_user(),
        incident_id=case.pk,
        outcome=make_outcome(resolution="true_positive"),
        lead=make_user(),
        now=LATER,
    )
    with pytest.raises(DatabaseError, match="not open for writing"):
        version.postmortem.drafts.create(revision=77, sections={}, saved_at=NOON)


def test_unsigned_postmortem_refuses_the_phase(case):
    complete_up_to(case, Phase.REMEDIATE)
    make_version(case)
    gate = complete_phase(
        actor=make_user(), incident_id=case.pk, phase=Phase.POSTMORTEM, now=LATER
    )
    assert set(gate.decision.codes) == {
        ConditionKey.POSTMORTEM_SIGNED,
        ConditionKey.ARTIFACTS_ARCHIVED,
    }


def test_archive_holds_the_very_document_and_twice_is_once(version):
    review = sign(version)
    archive = archive_postmortem(review_id=review.pk)
    stored = read_verified(archive.json_item.sha256_hex)
    assert stored == version.document.encode()
    assert archive.json_item.sha256_hex == version.content_sha256
    assert read_verified(archive.pdf_item.sha256_hex).startswith(b"%PDF-")
    assert b"signed by reviewer" in read_verified(archive.markdown_item.sha256_hex)
    before = EvidenceItem.objects.count()
    assert archive_postmortem(review_id=review.pk) == archive
    assert EvidenceItem.objects.count() == before
    assert {item.kind for item in archive.items} == {"other"}


def test_archive_interrupted_between_files_ends_with_the_same_items(version):
    review = sign(version)
    first = archive_postmortem(review_id=review.pk)
    sums = [item.sha256_hex for item in first.items]
    with connection.cursor() as cursor:  # as if the last row had not been written
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE;"
            "ALTER TABLE incidents_postmortemarchive DISABLE TRIGGER USER;"
            "DELETE FROM incidents_postmortemarchive;"
            "ALTER TABLE incidents_postmortemarchive ENABLE TRIGGER USER"
        )
    again = archive_postmortem(review_id=review.pk)
    assert [item.sha256_hex for item in again.items] == sums
    assert PostmortemArchive.objects.count() == 1


def test_sweep_queues_what_a_lost_message_left(
    django_capture_on_commit_callbacks, version
):
    review = sign(version)
    archiving = review.archivings.get()
    current_app.control.purge()  # The message of other tests' work.
    with django_capture_on_commit_callbacks() as callbacks:
        assert requeue_lost_work(now=LATER + QUEUED_IS_LOST_AFTER * 2) >= 1
    sent = [getattr(callback, "args", None) for callback in callbacks]
    assert ("incidents.archive_postmortem", [archiving.pk]) in sent


def test_group_of_a_person_decides_and_not_a_name(version):
    person = make_user(Role.RESPONDER, "promoted")
    with pytest.raises(PermissionRefused):
        sign(version, actor=person)
    person.groups.add(Group.objects.get(name="reviewer"))
    assert sign(version, actor=User.objects.get(pk=person.pk))
