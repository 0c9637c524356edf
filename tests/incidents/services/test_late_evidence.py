"""Evidence that comes late says so, and void files are marked."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.accounts.access import Role
from evidence.models import EvidenceItem
from incidents.models import Incident
from incidents.services.gates.late_evidence import find_late
from incidents.services.postmortems.archive import find_void_files
from incidents.services.postmortems.drafts import take_up_again
from incidents.workflow.phases import Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_user,
)
from tests.incidents.postmortem.cases import make_signed
from tests.incidents.services.test_phases import reach

pytestmark = [pytest.mark.django_db, pytest.mark.long]
LATER = NOON + dt.timedelta(hours=1)
LATEST = NOON + dt.timedelta(hours=2)


def late_words(incident: Incident) -> list[str]:
    items = incident.evidence_items.order_by("pk")
    return [find_late(items).get(item.pk, "") for item in items]


def test_evidence_in_time_is_not_late():
    incident = make_incident()
    make_evidence(incident)
    assert late_words(incident) == [""]


def test_evidence_after_verify_is_late_and_moves_the_last_activity():
    incident = make_incident()
    make_evidence(incident)
    reach(incident, Phase.ANALYZE)
    make_evidence(incident, vector="redacted-full", now=LATEST)
    assert late_words(incident) == ["", "Late: after VERIFY was complete"]
    assert Incident.objects.get(pk=incident.pk).last_activity_at == LATEST


def test_evidence_after_closing_is_late():
    incident = make_incident()
    close_false_alarm(incident, now=LATER)
    make_evidence(incident, now=LATEST)
    assert late_words(incident) == ["Late: after the case was closed"]


def test_files_of_a_void_signature_are_marked_and_others_are_not():
    version = make_signed()
    incident = version.postmortem.incident
    files = incident.evidence_items.all()
    assert find_void_files(files) == {}
    take_up_again(
        actor=make_user(), postmortem_id=version.postmortem_id, reason="one more"
    )
    marked = find_void_files(files.all())
    assert len(marked) == 3
    assert set(marked.values()) == {"Void: version 1 was taken up again"}


def make_late() -> tuple[EvidenceItem, str]:
    """Return evidence that came after its case was closed, and what is said of it."""
    incident = make_incident()
    close_false_alarm(incident, now=LATER)
    return make_evidence(incident, now=LATEST), "Late: after the case was closed"


def make_void() -> tuple[EvidenceItem, str]:
    """Return an archived file of a signature that is void, and what is said of it."""
    version = make_signed()
    take_up_again(
        actor=make_user(), postmortem_id=version.postmortem_id, reason="one more"
    )
    files = version.postmortem.incident.evidence_items
    return files.get(original_name__endswith=".pdf"), (
        "Void: version 1 was taken up again"
    )


@pytest.fixture(params=[make_late, make_void])
def remarked(request) -> tuple[EvidenceItem, str]:
    item, said = request.param()
    return item, said


@pytest.fixture
def reader(client):
    client.force_login(make_user(Role.AUDITOR))
    return client


PAGES = (
    "/admin/incidents/incident/{item.incident_id}/change/?tab=evidence",
    "/admin/evidence/evidenceitem/{item.pk}/change/",
    "/admin/evidence/evidenceitem/?incident__id__exact={item.incident_id}",
)


def test_pages_remark_nothing_on_evidence_in_time(reader):
    item = make_evidence(make_incident())
    for address in PAGES:
        page = reader.get(address.format(item=item)).content.decode()
        assert item.original_name in page, address
        assert "Late:" not in page, address
        assert "Void:" not in page, address


def test_every_page_and_the_api_say_what_is_to_be_known_of_evidence(reader, remarked):
    item, said = remarked
    for address in PAGES:
        assert said in reader.get(address.format(item=item)).content.decode(), address
    code = said.partition(":")[0].lower()
    wanted = [{"code": code, "text": said}]
    assert reader.get(f"/api/v1/evidence/{item.pk}/").json()["remarks"] == wanted
    rows = reader.get("/api/v1/evidence/").json()["results"]
    found = {row["id"]: row["remarks"] for row in rows}
    assert found[item.pk] == wanted


def test_late_evidence_of_one_case_says_nothing_of_anothers(reader):
    late, _ = make_late()
    other = make_evidence(make_incident(), now=LATEST)
    rows = reader.get("/api/v1/evidence/").json()["results"]
    assert {row["id"]: bool(row["remarks"]) for row in rows} == {
        late.pk: True,
        other.pk: False,
    }


def test_list_asks_for_remarks_once_however_long_it_is(
    reader, django_assert_max_num_queries
):
    address = "/admin/evidence/evidenceitem/"
    make_late()
    reader.get(address)
    with CaptureQueriesContext(connection) as few:
        reader.get(address)
    for _ in range(3):
        make_late()
    with django_assert_max_num_queries(len(few)):
        reader.get(address)
