"""What beat sends exists, and can be sent."""

import pytest
from django.conf import settings

from config.celery import app
from config.queues import TASK_ROUTES, WORKERS
from evidence.queue.names import QueueName

NAMES = sorted(entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values())


@pytest.fixture(autouse=True)
def loaded_tasks() -> None:
    app.loader.import_default_modules()


@pytest.mark.parametrize("name", NAMES)
def test_scheduled_task_exists_with_limits_in_order(name: str) -> None:
    task = app.tasks[name]
    hard = task.time_limit or app.conf.task_time_limit
    soft = task.soft_time_limit or app.conf.task_soft_time_limit
    assert soft < hard
    assert hard < app.conf.broker_transport_options["visibility_timeout"]


def test_no_scheduled_task_is_ever_thrown_away_for_being_late() -> None:
    entries = settings.CELERY_BEAT_SCHEDULE.values()
    assert not [entry for entry in entries if "expires" in entry.get("options", {})]


def test_every_task_has_its_queue_and_no_other_has() -> None:
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    assert ours == set(TASK_ROUTES)


def test_every_queue_has_one_worker() -> None:
    taken = [queue for worker in WORKERS.values() for queue in worker.queues]
    assert sorted(taken) == sorted({*QueueName, "celery"})


def test_no_reminder_waits_in_a_queue_of_evidence() -> None:
    swift = {QueueName.CLOCKS, QueueName.FOLLOWUPS, QueueName.DELIVERY}
    for worker in WORKERS.values():
        assert not swift & set(worker.queues) or swift >= set(worker.queues)


def test_planning_waits_for_nothing_that_a_burst_makes_long() -> None:
    """Marking breaches, checks and sweeps grow with what happens; planning may not."""
    beside = {
        name for name, to in TASK_ROUTES.items() if to["queue"] == QueueName.CLOCKS
    }
    assert beside == {"incidents.plan_reminders", "incidents.notify_kill_all"}
    (worker,) = [one for one in WORKERS.values() if QueueName.CLOCKS in one.queues]
    assert worker.queues == (QueueName.CLOCKS,)


def test_what_each_bundle_leads_to_waits_where_evidence_does() -> None:
    for name in ("incidents.gather_findings", "incidents.answer_proven_items"):
        assert TASK_ROUTES[name] == {"queue": "documents"}


def test_every_task_has_limits_within_the_longest() -> None:
    longest = app.conf.task_time_limit
    for name in TASK_ROUTES:
        task = app.tasks[name]
        hard = task.time_limit or longest
        assert (task.soft_time_limit or app.conf.task_soft_time_limit) < hard <= longest


def test_nothing_that_is_waited_for_by_the_clock_may_take_long() -> None:
    swift = {
        name
        for name, route in TASK_ROUTES.items()
        if route["queue"] in (QueueName.CLOCKS, QueueName.FOLLOWUPS, QueueName.DELIVERY)
    }
    # The check walks through every open case, beside a second task of its worker.
    for name in swift - {"incidents.check_reminders"}:
        assert app.tasks[name].time_limit <= 90, name
