"""A check that finds the history broken is heard: log, figures, start page, mail."""

import logging

import pytest
from django.core import mail
from django.urls import reverse
from prometheus_client import CollectorRegistry, generate_latest

from evidence.audit.history_checks import check_history, read_history_health
from evidence.errors import HealthWarning, HistoryError
from evidence.metrics import HistoryCollector
from evidence.models import HistoryCheck
from incidents.models import Notification
from incidents.services.notifications.delivery import deliver_notifications
from incidents.services.notifications.notices import notify_broken_history
from tests.evidence.helpers import without_triggers

pytestmark = pytest.mark.django_db
TAMPER = (
    "UPDATE evidence_auditentry SET reason = 'x' WHERE id = "
    "(SELECT min(id) FROM evidence_auditentry WHERE stream = %s)"
)


@pytest.fixture
def broken(case, django_capture_on_commit_callbacks):
    """Check a history with a changed entry; return the check and what it queued."""
    without_triggers(TAMPER, f"incident:{case.pk}")
    with django_capture_on_commit_callbacks() as callbacks:
        check = check_history(actor=None)
    assert check.fault_count == 1
    return check, [callback.args for callback in callbacks]


def figures() -> str:
    registry = CollectorRegistry()
    registry.register(HistoryCollector())
    return generate_latest(registry).decode()


def test_faults_are_logged_as_errors(case, caplog):
    without_triggers(TAMPER, f"incident:{case.pk}")
    logging.getLogger("evidence").propagate = True
    with caplog.at_level(logging.ERROR):
        check_history(actor=None)
    assert f"the history is broken: hash_mismatch in incident:{case.pk}" in caplog.text


def test_probe_and_figures_tell_of_them(broken):
    check, _ = broken
    with pytest.raises(HistoryError, match=f"check {check.pk} found 1 faults"):
        read_history_health()
    assert "casefile_history_faults 1.0" in figures()
    last = "casefile_history_last_check_timestamp_seconds"
    seconds = figures().rpartition(f"{last} ")[2]
    assert float(seconds) == pytest.approx(check.finished_at.timestamp())


def test_faults_stand_until_every_stream_was_found_to_hold(broken, auditor, client):
    check, _ = broken
    check_history(actor=None, streams=["system"])
    with pytest.raises(HistoryError, match=f"check {check.pk} found"):
        read_history_health()
    assert "casefile_history_faults 1.0" in figures()
    client.force_login(auditor)
    page = client.get(reverse("admin:index")).content.decode()
    assert "Faults in the audit history" in page
    again = check_history(actor=None)
    assert HistoryCheck.objects.standing() == again


def test_history_that_holds_raises_no_alarm(case, django_capture_on_commit_callbacks):
    with pytest.raises(HealthWarning, match="not checked yet"):
        read_history_health()
    with django_capture_on_commit_callbacks() as callbacks:
        check = check_history(actor=None)
    assert callbacks == []
    assert read_history_health().startswith("holds, checked ")
    assert "casefile_history_faults 0.0" in figures()
    assert notify_broken_history(check_id=check.pk) == 0


def test_those_who_answer_for_it_are_told_once(
    broken, someone_reviewing, auditor, administrator, lead
):
    check, queued = broken
    assert ("incidents.notify_broken_history", [check.pk]) in queued
    for _ in range(2):
        notify_broken_history(check_id=check.pk)
    rows = Notification.objects.filter(key=f"history-check:{check.pk}")
    told = {row.recipient for row in rows}
    assert told == {someone_reviewing, auditor, administrator}
    assert lead not in told
    assert len(rows) == len(told)
    deliver_notifications()
    page = reverse("admin:evidence_historycheck_change", args=[check.pk])
    assert len(mail.outbox) == len(told)
    assert all(page in message.body for message in mail.outbox)


def test_start_page_says_so(broken, client, auditor):
    client.force_login(auditor)
    page = client.get(reverse("admin:index")).content.decode()
    assert "Faults in the audit history" in page
    assert reverse("admin:evidence_historycheck_change", args=[broken[0].pk]) in page


def test_start_page_of_a_sound_history_says_nothing(case, client, auditor):
    check_history(actor=None)
    client.force_login(auditor)
    page = client.get(reverse("admin:index")).content.decode()
    assert "Faults in the audit history" not in page
