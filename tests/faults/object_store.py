"""S3 on loopback: moto's, behind a server that fails or delays as a test wants it.

moto answers calls to AWS made inside its own process; this serves them to others, over
HTTP. A fault is one of a real service: an answer that says 503, a connection that is
broken off once everything was done, or an answer that takes its time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import requests
from moto import mock_aws

BUCKET = "evidence-of-faults"
REGION = "us-east-1"
AWS = f"https://s3.{REGION}.amazonaws.com"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
# Of one connection or for the next hop only.
OWN_HEADERS = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class ObjectStore:
    """How the store behaves, and how often it was asked."""

    port: int = 0
    fails_every: int = 0
    """Every n-th call fails: by turns nothing is done, or only the answer is lost."""
    delay_seconds: float = 0.0
    is_away: bool = False
    """Connections are broken off without an answer, and nothing is done."""
    asked: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def variables(self) -> dict[str, str]:
        """What an installation has to be given to keep its evidence here."""
        return {
            "EVIDENCE_S3_BUCKET": BUCKET,
            "EVIDENCE_S3_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "EVIDENCE_S3_REGION": REGION,
            "EVIDENCE_S3_ACCESS_KEY": "testing",
            "EVIDENCE_S3_SECRET_KEY": "testing",
            "EVIDENCE_S3_PATH_STYLE": "true",
        }

    def list_keys(self) -> list[str]:
        """Return the names of all objects."""
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def count_call(self) -> int:
        """Count a call; return its number among those that fail, 0 if it does not."""
        with self.lock:
            self.asked += 1
            if not self.fails_every or self.asked % self.fails_every:
                return 0
            self.failed += 1
            return self.failed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: ObjectStore
    moto: threading.Lock

    def _answer(self) -> None:
        body = self._read_body()
        if self.store.is_away:
            self.close_connection = True
            return
        failure = self.store.count_call()
        time.sleep(self.store.delay_seconds)
        if failure % 2 == 1:
            self._send(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
            return
        with self.moto:
            answer = requests.request(
                self.command,
                AWS + self.path,
                data=body,
                headers=self._headers(),
                stream=True,
                timeout=60,
            )
            # A HEAD's length is that of a body which does not come.
            content = b"" if self.command == "HEAD" else answer.content
        if failure:
            self.close_connection = True
        else:
            self._send(answer.status_code, dict(answer.headers), content)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer

    def _headers(self) -> dict[str, str]:
        told = self.headers.items()
        return {name: value for name, value in told if name.lower() != "host"}

    def _read_body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_expect_100(self) -> bool:
        return True

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        length = str(len(body))
        for name, value in headers.items():
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away: they are part of the test."""


def _client() -> Any:
    return boto3.client("s3", region_name=REGION, **KEYS)


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """Serve an empty bucket until the block ends."""
    store = ObjectStore()
    attributes = {"store": store, "moto": threading.Lock()}
    with mock_aws():
        _client().create_bucket(Bucket=BUCKET)
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), attributes))
        store.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
