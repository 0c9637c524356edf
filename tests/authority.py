"""Outside services that tests play themselves: what listens, and who stamps time."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIG = """
[ca]
basicConstraints = critical, CA:TRUE
[tsa]
extendedKeyUsage = critical, timeStamping
keyUsage = critical, digitalSignature
[stamp]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
"""


@contextmanager
def listening(answer: Callable[[bytes], tuple[int, str | bytes]]) -> Iterator[str]:
    """Answer every POST on an address of this machine, which it gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = answer(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text if isinstance(text, bytes) else text.encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Authority:
    """A time-stamping authority that OpenSSL plays, with its files in a folder."""

    url = ""
    status = 200

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        self.asked = 0
        self.respond: Callable[[bytes], tuple[int, bytes]] = self.answer
        (folder / "ts.cnf").write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        self.openssl(
            "req -new -newkey rsa:2048 -nodes -keyout root.key -subj /CN=R -out r"
        )
        self.openssl(
            "x509 -req -in r -key root.key -days 30 -extfile ts.cnf -extensions ca "
            "-out root.pem"
        )
        self.openssl(
            "req -new -newkey rsa:2048 -nodes -keyout tsa.key -subj /CN=T -out t"
        )
        self.openssl(
            "x509 -req -in t -CA root.pem -CAkey root.key -days 30 -extfile ts.cnf "
            "-extensions tsa -set_serial 2 -out tsa.pem"
        )

    @property
    def place(self) -> str:
        """How LOG_PLACES names it."""
        return f"rfc3161+{self.url}#{self.root}"

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Stamp what is asked for."""
        self.asked += 1
        if self.status != 200:
            return self.status, b"not now"
        (self.folder / "query").write_bytes(body)
        reply = "ts -reply -config ts.cnf -section stamp -queryfile query"
        return 200, self.openssl(reply).stdout

    def verifies(self, token: bytes, data: bytes) -> bool:
        """Return whether `openssl ts -verify` takes a token for one over data."""
        (self.folder / "token.tsr").write_bytes(token)
        (self.folder / "data").write_bytes(data)
        verify = "ts -verify -data data -in token.tsr -CAfile root.pem"
        return self.openssl(verify, check=False).returncode == 0

    def describe(self, token: bytes) -> str:
        """Return what OpenSSL says a token is."""
        (self.folder / "token.tsr").write_bytes(token)
        return self.openssl("ts -reply -in token.tsr -text").stdout.decode()

    def openssl(
        self, words: str, *, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        command = ["openssl", *words.split()]
        return subprocess.run(
            command, cwd=self.folder, check=check, capture_output=True
        )


@contextmanager
def time_stamping(folder: Path) -> Iterator[Authority]:
    """Run an authority of its own below a folder."""
    made = Authority(folder)
    with listening(lambda body: made.respond(body)) as made.url:
        yield made
