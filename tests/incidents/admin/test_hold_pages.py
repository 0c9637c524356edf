"""Holds on pages: shown on the case, in the list and at its archives."""

import pytest
from django.urls import reverse

from incidents.models import CaseHold
from incidents.services.archives.requests import request_archive
from incidents.services.lifecycle.holds import find_hold, place_hold
from tests.conftest import make_user as make_person
from tests.factories import close_false_alarm, make_incident

pytestmark = pytest.mark.long


@pytest.fixture
def case(db):
    return make_incident()


def page_of(case):
    return reverse("admin:incidents_incident_change", args=[case.pk])


def do(client, case, action, **data):
    url = reverse("admin:incidents_incident_do", args=[case.pk, action])
    return client.post(url, data, follow=True)


def shown(client, url):
    return client.get(url).content.decode()


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_case_is_held_and_released_from_its_page(case, client, reviewer, is_closed):
    if is_closed:
        close_false_alarm(case)
    client.force_login(reviewer)
    assert "Put on hold" in shown(client, page_of(case))
    do(client, case, "hold", reason="A court asked for it.")
    own = shown(client, page_of(case))
    assert "A court asked for it." in own
    assert "On hold" in own
    assert "Release the hold" not in own
    refused = do(client, case, "release-hold", reason="Done.")
    assert "Another reviewer has to release it" in refused.content.decode()
    assert find_hold(case)

    client.force_login(make_person("second", "reviewer"))
    assert "Release the hold" in shown(client, page_of(case))
    do(client, case, "release-hold", reason="The court is done.")
    assert find_hold(case) is None
    assert "On hold" not in shown(client, page_of(case))


def test_a_hold_without_a_reason_comes_back_at_its_field(case, client, responder):
    client.force_login(responder)
    answer = do(client, case, "hold", reason="").content.decode()
    assert 'aria-invalid="true"' in answer
    assert not CaseHold.objects.exists()


@pytest.mark.parametrize("role", ["auditor", "administrator"])
def test_who_works_no_case_sees_the_hold_and_changes_none(
    case, client, request, responder, role
):
    place_hold(actor=responder, incident_id=case.pk, reason="Kept for a court.")
    client.force_login(request.getfixturevalue(role))
    page = shown(client, page_of(case))
    assert "Kept for a court." in page
    assert "Release the hold" not in page
    assert do(client, case, "release-hold", reason="x").status_code == 403


def test_the_list_is_narrowed_to_cases_on_hold(case, client, responder):
    make_incident()
    place_hold(actor=responder, incident_id=case.pk, reason="Kept for a court.")
    client.force_login(responder)
    listed = reverse("admin:incidents_incident_changelist")
    answer = client.get(f"{listed}?on_hold=yes")
    assert list(answer.context["cl"].result_list) == [case]


def test_archives_and_the_form_for_one_say_that_the_case_is_on_hold(
    case, client, reviewer
):
    client.force_login(reviewer)
    archive = request_archive(incident_id=case.pk, actor=reviewer)
    form = f"{reverse('admin:incidents_casearchive_add')}?case={case.reference}"
    page = reverse("admin:incidents_casearchive_change", args=[archive.pk])
    assert "is on hold" not in shown(client, form)
    assert "Not on hold" in shown(client, page)
    place_hold(actor=reviewer, incident_id=case.pk, reason="Kept for a court.")
    assert "is on hold" in shown(client, form)
    assert "On hold" in shown(client, page)
