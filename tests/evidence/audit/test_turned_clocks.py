"""A clock that is set back is told, and is no fault of the chain."""

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse

from evidence.admin.history import SET_BACK
from evidence.audit.history import record_entry
from evidence.audit.history_checks import check_history
from evidence.audit.walk import walk_streams
from evidence.models import AuditEntry
from evidence.set_clocks import TOLERANCE
from tests.factories import NOON

STREAM = "extension:ext.weather"
HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)


def write(auditor, *moments, stream=STREAM):
    with transaction.atomic():
        for moment in moments:
            record_entry(
                streams=[stream],
                action="thing.done",
                actor=auditor,
                obj=auditor,
                now=moment,
            )


def find_turned_clocks(*streams):
    walked = walk_streams(streams=streams or None)
    return [turned for stream in walked for turned in stream.turned_clocks]


@pytest.fixture
def turned(auditor):
    """Two streams; one in which the second and the third entry are an hour back."""
    write(auditor, NOON, NOON + SECOND, stream="extension:ext.steady")
    write(auditor, NOON, NOON - HOUR, NOON - HOUR + SECOND, NOON + SECOND)


def test_an_entry_dated_before_the_one_in_front_is_found_once(turned):
    assert [str(one) for one in find_turned_clocks()] == [f"{STREAM} #2 (3600 s back)"]
    assert find_turned_clocks("extension:ext.steady") == []


def test_writers_that_waited_in_turn_are_no_set_clock(auditor):
    write(auditor, NOON, NOON - TOLERANCE)
    assert find_turned_clocks(STREAM) == []
    write(auditor, NOON - 2 * TOLERANCE - SECOND)
    assert len(find_turned_clocks(STREAM)) == 1


def test_verify_audit_says_it_and_the_chain_holds(turned, capsys):
    call_command("verify_audit")
    said = capsys.readouterr().out
    assert f"clock is set back: {STREAM} #2 (3600 s back)" in said
    assert "every chain holds" in said
    call_command("verify_audit", "--json", "--stream", STREAM)
    line = json.loads(capsys.readouterr().out)
    assert line["clock_set_back"] == [{"sequence": 2, "seconds": 3600.0}]
    assert line["faults"] == []


def test_the_nightly_check_logs_it_and_finds_no_fault(turned, caplog):
    assert check_history(actor=None).is_passing
    assert f"a clock was set back: {STREAM} #2" in caplog.text


def test_the_history_page_says_it_at_the_entry(client, auditor, turned):
    client.force_login(auditor)
    url = reverse("admin:evidence_auditentry_changelist")
    page = client.get(url, {"stream": STREAM}).content.decode()
    assert page.count(SET_BACK) == 1
    entry = AuditEntry.objects.get(stream=STREAM, sequence=2)
    change = reverse("admin:evidence_auditentry_change", args=[entry.pk])
    assert SET_BACK in client.get(change).content.decode()
