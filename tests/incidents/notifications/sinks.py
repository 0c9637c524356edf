"""A mail server and a webhook service on loopback, that note what they are given.

Both can be told to hang before they answer, which is where a worker gets killed, and
to answer with an error. What was answered well counts as accepted.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOLD_SECONDS = 60


@dataclass
class Received:
    key: str
    to: str
    text: str
    headers: dict[str, str]


@dataclass
class Sink:
    """What came in, and how to answer it."""

    port: int = 0
    code: int = 0
    received: list[Received] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    holding: bool = False
    slow_seconds: float = 0
    is_pausing: bool = False
    release: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hold_next(self) -> None:
        """Take the next message and leave its sender without an answer."""
        self.holding = True
        self.release.clear()

    def pause(self) -> None:
        """Keep every sender waiting until `release` is set; then take what it sent."""
        self.is_pausing = True
        self.release.clear()

    def take(self, got: Received, drip: Callable[[], None]) -> bool:
        """Note a message; return whether it is to be answered.

        While a sender is held, `drip` begins an answer that never ends, so that it
        is not the sender's patience that ends the wait.
        """
        with self.lock:
            self.received.append(got)
            hold, self.holding = self.holding, False
            if hold:
                self.held.append(got.key)
        if not hold:
            self._take_time(drip)
            return True
        with contextlib.suppress(OSError):
            for _ in range(HOLD_SECONDS):
                drip()
                if self.release.wait(1):
                    break
        return False

    def _take_time(self, drip: Callable[[], None]) -> None:
        """Be slow over a message that is taken in the end: a line a second."""
        ends = time.monotonic() + self.slow_seconds
        while time.monotonic() < ends:
            drip()
            time.sleep(1)
        while self.is_pausing and not self.release.wait(1):
            drip()

    def accept(self, key: str) -> None:
        with self.lock:
            self.accepted.append(key)


class _Webhook(BaseHTTPRequestHandler):
    sink: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        key = self.headers.get("Idempotency-Key", "")
        got = Received(key, self.path, body, dict(self.headers))
        if not self.sink.take(got, self._drip):
            return
        self.send_response(self.sink.code or 200)
        self.end_headers()
        if not self.sink.code:
            self.sink.accept(key)

    def _drip(self) -> None:
        if not getattr(self, "has_begun", False):
            self.has_begun = True
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        self.wfile.write(b"X-Wait: on\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Mail(socketserver.StreamRequestHandler):
    sink: Sink

    def handle(self) -> None:
        self._say("220 sink")
        recipient = ""
        for line in iter(self.rfile.readline, b""):
            command = line.decode().strip()
            verb = command[:4].upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            if verb == "RCPT":
                recipient = command.partition("<")[2].rstrip(">")
            if verb == "RCPT" and self.sink.code:
                self._say(f"{self.sink.code} no")
            elif verb == "DATA":
                self._say("354 go on")
                if not self._take_message(recipient):
                    return
            else:
                self._say("250 ok")

    def _take_message(self, recipient: str) -> bool:
        lines = []
        for line in iter(self.rfile.readline, b".\r\n"):
            if not line:
                return False
            lines.append(line)
        message = message_from_bytes(b"".join(lines))
        key = str(message["Message-ID"]).strip()
        text = f"{message['Subject']}\n{_text_of(message)}"
        got = Received(key, recipient, text, dict(message.items()))
        if not self.sink.take(got, lambda: self._say("250-wait")):
            return False
        self._say("250 taken")
        self.sink.accept(key)
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def _text_of(message: Message) -> str:
    payload = message.get_payload(decode=True)
    return payload.decode() if isinstance(payload, bytes) else ""


class _MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def run_webhook_sink() -> Iterator[Sink]:
    sink = Sink()
    handler = type("Webhook", (_Webhook,), {"sink": sink})
    yield from _serve(ThreadingHTTPServer(("127.0.0.1", 0), handler), sink)


@contextmanager
def run_mail_sink() -> Iterator[Sink]:
    sink = Sink()
    handler = type("Mail", (_Mail,), {"sink": sink})
    yield from _serve(_MailServer(("127.0.0.1", 0), handler), sink)


def _serve(server: socketserver.TCPServer, sink: Sink) -> Iterator[Sink]:
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
