"""A small object store of S3's kind on a real socket, that keeps objects in files.

It takes and gives bytes as they come, so that what its client holds in memory can be
measured: a stand-in inside the client's process would hold them too.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

CHUNK_BYTES = 64 * 1024
NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
TAKEN = b"<Error><Code>PreconditionFailed</Code><Message>taken</Message></Error>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_PUT(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.close_connection = True
        path, left = self._path(), int(self.headers["Content-Length"])
        is_taken = self.headers.get("If-None-Match") == "*" and path.exists()
        with (Path("/dev/null") if is_taken else path).open("wb") as file:
            while left:
                chunk = self.rfile.read(min(left, CHUNK_BYTES))
                if not chunk:
                    break
                file.write(chunk)
                left -= len(chunk)
        if is_taken:
            self._answer(HTTPStatus.PRECONDITION_FAILED, TAKEN)
        else:
            self._answer(HTTPStatus.OK)

    def do_GET(self) -> None:
        path = self._path()
        if not path.is_file():
            self._answer(HTTPStatus.NOT_FOUND, NO_SUCH_KEY)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.send_header("ETag", '"made-up"')
        self.end_headers()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self.wfile.write(chunk)

    def log_message(self, *words: Any) -> None:
        """Say nothing."""

    def _path(self) -> Path:
        return self.folder / quote(urlsplit(self.path).path, safe="")

    def _answer(self, status: HTTPStatus, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"made-up"')
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_object_store(folder: Path) -> Iterator[str]:
    """Run a store that keeps its objects in this folder; yield its address."""
    handler = type("HandlerOfFolder", (Handler,), {"folder": folder})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def storage_options(address: str) -> dict[str, Any]:
    """Return the options of the storage `evidence` for this store."""
    return {
        "bucket_name": "evidence",
        "file_overwrite": False,
        "endpoint_url": address,
        "region_name": "eu-central-1",
        "access_key": "testing",
        "secret_key": "testing",
        "addressing_style": "path",
    }
