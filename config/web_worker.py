"""gunicorn's thread worker, in which probes have threads of their own.

Whatever the others wait for, a database or a disk, /healthz is answered. A connection
is given to a thread once there is something to read on it: only then it can be told
what it asks for, and one that says nothing holds no thread.
"""

from __future__ import annotations

import errno
import gc
import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from evidence.call_stack import call_with_room

# Each with threads of its own: a readiness answer may have to be waited for.
PROBES = {b"GET /healthz": 1, b"GET /readyz": 2}
LONGEST = max(map(len, PROBES))


class ProbingWorker(ThreadWorker):
    def init_process(self) -> None:
        self.probe_pools = {
            start: ThreadPoolExecutor(count, thread_name_prefix="probe")
            for start, count in PROBES.items()
        }
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application, and have the collector leave alone what that made.

        It stays as long as the process does. To go through it took a third of a second
        of about one request in twenty.
        """
        super().load_wsgi()
        gc.collect()
        gc.freeze()

    def _accept_next(self, listener: socket.socket) -> bool:
        """Take in one connection; return False where nobody waits."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):
                return error.errno == errno.ECONNABORTED
            raise
        self.nr_conns += 1
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(client, selectors.EVENT_READ, readable)
        return True

    def set_accept_enabled(self, enabled: bool) -> None:
        """Turn accepting on or off; one that ends takes in who waits, then refuses.

        A socket that is left open goes on taking connections that nobody will answer:
        a proxy would lose what it sent there. Where it is refused, it asks the next.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while self._accept_next(listener):
                    pass
                listener.close()

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, and wait for its first bytes in this loop."""
        self._accept_next(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Give the request to a thread: a probe to one of its own."""
        pool: Any = self.probe_pools.get(_first_words(conn.sock), self.tpool)
        future = pool.submit(call_with_room, self.handle, conn)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )


def _first_words(client: socket.socket) -> bytes:
    """Return the beginning of the request, if it is a probe's; read nothing away."""
    try:
        begun = client.recv(LONGEST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""
    return next((start for start in PROBES if begun.startswith(start)), b"")
