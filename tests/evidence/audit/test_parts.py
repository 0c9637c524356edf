"""The whole history is checked in parts; only the one that ends it counts as whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.audit import history_checks
from evidence.audit.history import extension_stream, record_entry
from evidence.audit.history_checks import (
    check_history,
    go_on_checking,
    read_history_health,
)
from evidence.errors import HealthWarning, HistoryError
from evidence.models import HistoryCheck, NotedHead
from tests.evidence.helpers import without_triggers
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NAMES = [extension_stream(f"ext.{letter}") for letter in "abcd"]


@pytest.fixture
def streams() -> list[str]:
    """Write two entries to each of four streams; return all there are, in order."""
    person = make_user("responder")
    with transaction.atomic():
        for name in (*NAMES, *NAMES):
            record_entry(streams=[name], action="thing.done", actor=person, obj=person)
    return NAMES


@pytest.fixture
def one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_checks, "PART_STREAMS", 1)


def run_to_the_end() -> list[HistoryCheck]:
    parts = [go_on_checking()]
    while parts[-1].reached:
        parts.append(go_on_checking())
    return parts


def change_an_entry(stream: str) -> None:
    without_triggers(
        "UPDATE evidence_auditentry SET reason = 'x' "
        "WHERE stream = %s AND sequence = 1",
        stream,
    )


def break_off(monkeypatch: pytest.MonkeyPatch, error: Exception, after: int) -> None:
    """Let reading the history fail behind some streams."""
    walk = history_checks.walk_streams

    def walk_and_fail(**words: Any) -> Iterator[Any]:
        for number, walked in enumerate(walk(**words)):
            if number == after:
                raise error
            yield walked

    monkeypatch.setattr(history_checks, "walk_streams", walk_and_fail)


@pytest.mark.usefixtures("one_each")
def test_parts_add_up_to_what_one_go_finds(streams: list[str]) -> None:
    parts = run_to_the_end()
    last = parts[-1]
    assert [part.reached for part in parts[: len(streams)]] == streams
    assert [part.is_whole for part in parts] == [False] * (len(parts) - 1) + [True]
    assert [part.stream_count for part in parts] == sorted(
        part.stream_count for part in parts
    )
    assert last.started_at == parts[0].started_at
    noted = set(NotedHead.objects.values_list("stream", "sequence"))
    assert {(name, 2) for name in streams} <= noted
    # What the parts wrote themselves is newer than where they stood.
    assert last.stream_count == len({stream for stream, _ in noted})
    assert last.is_passing


@pytest.mark.usefixtures("one_each", "streams")
def test_a_part_is_no_good_news(client: Any) -> None:
    part = go_on_checking()
    assert part.reached
    with pytest.raises(HealthWarning, match="not checked yet"):
        read_history_health()
    assert str(part).endswith("not at its end")
    run_to_the_end()
    assert read_history_health().startswith("holds, checked ")


@pytest.mark.usefixtures("one_each")
def test_faults_of_a_part_are_told_at_once_and_stand_in_the_sum(
    streams: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    change_an_entry(streams[0])
    with django_capture_on_commit_callbacks() as callbacks:
        first = go_on_checking()
    queued = [callback.args[0] for callback in callbacks]
    assert queued == ["incidents.notify_broken_history", "evidence.check_history"]
    with pytest.raises(HistoryError, match=f"check {first.pk} found"):
        read_history_health()
    with django_capture_on_commit_callbacks() as callbacks:
        last = run_to_the_end()[-1]
    # The others found nothing new, so nobody is told again.
    again = {callback.args[0] for callback in callbacks}
    assert again == {"evidence.check_history"}
    assert last.is_whole
    assert last.fault_count == 1
    assert [fault["stream"] for fault in last.faults] == streams[:1]
    assert not NotedHead.objects.filter(stream=streams[0]).exists()


@pytest.mark.usefixtures("one_each")
def test_a_stream_that_is_gone_is_missed_by_the_part_that_would_have_read_it(
    streams: list[str],
) -> None:
    run_to_the_end()
    without_triggers("DELETE FROM evidence_auditentry WHERE stream = %s", streams[1])
    parts = run_to_the_end()
    assert [part.fault_count for part in parts[:3]] == [0, 1, 1]
    assert parts[-1].faults[0]["code"] == "head_lost"


@pytest.mark.usefixtures("one_each")
def test_the_last_stream_is_missed_too() -> None:
    person = make_user("responder")
    with transaction.atomic():
        record_entry(streams=["~"], action="thing.done", actor=person, obj=person)
    last = list(history_checks.walk_streams())[-1].stream
    run_to_the_end()
    without_triggers("DELETE FROM evidence_auditentry WHERE stream = %s", last)
    found = [fault["stream"] for fault in run_to_the_end()[-1].faults]
    assert found == [last]


@pytest.mark.parametrize(
    "error", [SoftTimeLimitExceeded(), history_checks.DatabaseError("gone")]
)
def test_what_was_read_before_the_work_was_cut_off_is_kept(
    streams: list[str],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with monkeypatch.context() as patch:
        break_off(patch, error, after=2)
        with django_capture_on_commit_callbacks() as callbacks:
            cut = go_on_checking()
    assert (cut.reached, cut.stream_count, cut.is_whole) == (streams[1], 2, False)
    assert [callback.args[0] for callback in callbacks] == ["evidence.check_history"]
    whole = go_on_checking()
    assert (whole.continues, whole.is_whole) == (cut, True)


def test_work_that_read_nothing_fails_and_is_not_begun_again(
    streams: list[str],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    break_off(monkeypatch, SoftTimeLimitExceeded(), after=0)
    with (
        django_capture_on_commit_callbacks() as callbacks,
        pytest.raises(SoftTimeLimitExceeded),
    ):
        go_on_checking()
    assert callbacks == []
    assert not HistoryCheck.objects.exists()


@pytest.mark.usefixtures("one_each", "streams")
def test_a_part_that_was_left_for_long_is_begun_anew() -> None:
    left = go_on_checking()
    later = timezone.now() + dt.timedelta(hours=13)
    anew = go_on_checking(now=later)
    assert (anew.continues, anew.reached) == (None, left.reached)


@pytest.mark.usefixtures("one_each", "streams")
def test_two_workers_that_go_on_from_one_part_count_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = go_on_checking()
    theirs = go_on_checking()
    monkeypatch.setattr(type(HistoryCheck.objects), "unfinished", lambda rows: left)
    assert go_on_checking() == theirs
    assert HistoryCheck.objects.count() == 2


@pytest.mark.usefixtures("one_each")
def test_chosen_streams_are_read_to_their_ends(streams: list[str]) -> None:
    check = check_history(actor=None, streams=streams[:3], seconds=0)
    assert (check.stream_count, check.reached, check.is_whole) == (3, "", False)


@pytest.mark.usefixtures("streams")
def test_who_does_not_wait_leaves_the_rest_to_a_worker(
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        check = check_history(actor=None, seconds=0)
    assert (check.stream_count, check.reached) == (1, NAMES[0])
    assert [callback.args[0] for callback in callbacks] == ["evidence.check_history"]


def count_queries() -> int:
    with CaptureQueriesContext(
        connection,
    ) as found:
        check_history(actor=None)
    return len(found)


def test_more_streams_cost_no_more_queries(streams: list[str]) -> None:
    first = count_queries()
    person = make_user("responder")
    with transaction.atomic():
        for number in range(50):
            name = extension_stream(f"ext.more{number}")
            record_entry(streams=[name], action="thing.done", actor=person, obj=person)
    assert count_queries() == first
