"""What beat sends exists, and can be sent."""

import pytest
from django.conf import settings

from config.celery import app

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
