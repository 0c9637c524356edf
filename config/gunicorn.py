"""gunicorn's settings, from the environment: `gunicorn -c config/gunicorn.py`."""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
from importlib import import_module
from typing import Any

import gunicorn
from django.core.exceptions import ImproperlyConfigured

from config.environment import (
    gather_faults,
    read_choice,
    read_folder,
    read_text,
    read_whole_number,
)
from config.logs import LEVELS, STYLES, make_logging

gather_faults()
# What answers is nobody's business: neither the server's name nor its version is told.
gunicorn.SERVER = "-"
wsgi_app = "config.wsgi:application"
bind = read_text("GUNICORN_BIND", default="0.0.0.0:8000")
worker_class = "config.web_worker.ProbingWorker"
workers = read_whole_number("WEB_CONCURRENCY", default=2, least=1, most=1000)
threads = read_whole_number("WEB_THREADS", default=8, least=1, most=1000)
# Somebody waits for each answer. Half of the threads may wait for locks, not more.
os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "30")
os.environ.setdefault("DATABASE_WAITERS", str(max(1, threads // 2)))
# And as many for the evidence store.
os.environ.setdefault("STORE_WAITERS", str(max(1, threads // 2)))
# A thread worker tells that it lives between requests; this is for one that hangs.
timeout = 120
graceful_timeout = 20
keepalive = 5
# Slow leaks end with the process; the spread keeps workers from ending together.
max_requests = 5000
max_requests_jitter = 500
forwarded_allow_ips = ""
# In memory where there is some to share: writing to a mapped file on a full disk would
# end the process (SIGBUS).
MEMORY = "/dev/shm"  # noqa: S108  (a private folder is made in it)
worker_tmp_dir = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else None
accesslog = None  # requests are logged by Django, with their ids
control_socket_disable = True  # it would lie in the user's home
logconfig_dict = make_logging(
    level=read_choice("LOG_LEVEL", default="INFO", choices=LEVELS),
    as_json=read_choice("LOG_FORMAT", default="json", choices=STYLES) == "json",
) | {"loggers": {"gunicorn.error": {"handlers": [], "propagate": True}}}

# Each worker keeps its own counts; /metrics adds up what they leave in this folder.
_own_folder = None
_folder = read_folder("PROMETHEUS_MULTIPROC_DIR")
# Django's settings refuse what is wrong here too. Before a worker is made: each would
# fail by itself, and say so with the whole way there.
_settings = os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
try:
    import_module(_settings)
except ImproperlyConfigured as refusal:
    raise SystemExit(f"Casefile does not start: {refusal}") from None
if not _folder:
    _own_folder = tempfile.mkdtemp(prefix="casefile-metrics-", dir=worker_tmp_dir)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _own_folder

PR_SET_PDEATHSIG = 1


def post_fork(server: Any, worker: Any) -> None:
    """Let workers die with a master that was killed: nobody else would end them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def on_exit(server: Any) -> None:
    """Leave no folder behind."""
    if _own_folder is not None:
        shutil.rmtree(_own_folder, ignore_errors=True)


def child_exit(server: Any, worker: Any) -> None:
    """Take the gauges of an ended worker out of the sum."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
