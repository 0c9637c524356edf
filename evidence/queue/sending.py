"""Queueing work: a service names the task, and the task starts after the commit.

Services import no task module (style: services <- tasks), so they name it. Nothing
is sent where the transaction rolls back; where the broker is away at the moment of
the commit, the row that asked for the work is still there, and the sweep that the
scheduler runs finds it and queues it again.
"""

import logging
from functools import partial

import kombu.exceptions
from celery import current_app
from django.db import transaction

log = logging.getLogger(__name__)


def queue_on_commit(task_name: str, *args: object) -> None:
    """Send a Celery task by name once the current transaction has committed.

    Arguments must be plain JSON values: ids, not rows. A broker that cannot be
    reached is logged and not raised, because the change it belongs to is committed.
    """
    transaction.on_commit(partial(_send, task_name, list(args)))


def _send(task_name: str, args: list[object]) -> None:
    try:
        current_app.send_task(task_name, args=args)
    except kombu.exceptions.OperationalError:
        log.exception("could not queue %s; the sweep will queue it again", task_name)
