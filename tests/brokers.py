"""Brokers with a fault, for this very process."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app
from django.conf import settings

from evidence.queue.sending import broker_rest


@contextmanager
def broker_that(fault: str) -> Iterator[None]:
    """Send to a broker that refuses connections, or takes them and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if fault == "hangs":
            server.listen(64)
        _use_broker(f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        try:
            yield
        finally:
            _use_broker(settings.CELERY_BROKER_URL)
            broker_rest.end()


def _use_broker(url: str) -> None:
    conf = current_app.conf
    conf.broker_url = conf.broker_read_url = conf.broker_write_url = url
    # Drop the connections that are open, as a fork does.
    current_app._after_fork()
