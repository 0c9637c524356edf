"""Brokers with a fault, for this very process."""

import itertools
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import redis
from celery import current_app
from django.conf import settings

from config.environment.servers import make_broker_url
from config.launcher.folders import fresh_folder
from config.launcher.valkey import start_valkey
from evidence.queue.sending import broker_rest

FAULTS = ("refuses", "hangs", "is full")


@contextmanager
def broker_that(fault: str) -> Iterator[socket.socket]:
    """Send to a broker that refuses connections, or takes them and never answers, or
    answers and has no memory for a message.

    Give its socket, of which `count_visits` tells how many came to one that hangs.
    """
    if fault == "is full":
        with full_broker() as server:
            yield server
        return
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if fault == "hangs":
            server.listen(64)
        _use_broker(f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        try:
            yield server
        finally:
            _use_broker(settings.CELERY_BROKER_URL)
            broker_rest.end()


@contextmanager
def full_broker() -> Iterator[socket.socket]:
    """Send to a real Valkey that has less memory than it needs."""
    with fresh_folder() as folders, socket.socket() as nobody:
        valkey, url = start_valkey(folders, durable=False)
        try:
            with redis.Redis.from_url(url) as client:
                client.config_set("maxmemory", 1)
            _use_broker(make_broker_url(url))
            yield nobody
        finally:
            _use_broker(settings.CELERY_BROKER_URL)
            broker_rest.end()
            valkey.stop()


def count_visits(server: socket.socket) -> int:
    """Return how many connections a broker that hangs was asked for since the last."""
    server.setblocking(False)
    with ExitStack() as taken:
        for count in itertools.count():
            try:
                taken.enter_context(server.accept()[0])
            except BlockingIOError:
                return count
    raise AssertionError("unreachable")


def _use_broker(url: str) -> None:
    conf = current_app.conf
    conf.broker_url = conf.broker_read_url = conf.broker_write_url = url
    # Drop the connections that are open, as a fork does.
    current_app._after_fork()
