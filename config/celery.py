"""The Celery application. Its settings are Django's `CELERY_…` settings."""

import os

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep

from config.heartbeat import HeartbeatStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("casefile", task_cls="config.tasks:NotedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)
app.steps["worker"].add(HeartbeatStep)
app.set_default()
