"""The Celery application. Its settings are Django's `CELERY_…` settings."""

import os
import sys

from celery import Celery
from celery.signals import beat_init, worker_init
from django.core.exceptions import ImproperlyConfigured
from django_structlog.celery.steps import DjangoStructLogInitStep

from config.heartbeat import HeartbeatStep
from config.startup import end_in_words, require_own_sessions

# Celery's own commands begin here; the settings are read only after this.
sys.excepthook = end_in_words
# Celery would run Django's checks at each start, which loads every page, and pass over
# what they find. `manage.py check --deploy` runs them.
os.environ["CELERY_SKIP_CHECKS"] = "1"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("casefile", task_cls="config.tasks:NotedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)
app.steps["worker"].add(HeartbeatStep)
app.set_default()


@worker_init.connect
@beat_init.connect
def refuse_shared_sessions(**kwargs: object) -> None:
    """End a worker or a scheduler whose database it could not work with."""
    try:
        require_own_sessions()
    except ImproperlyConfigured as refusal:
        # Celery logs what a receiver raises, and goes on.
        raise SystemExit(f"Casefile does not start: {refusal}") from None
