"""A provider of OpenID Connect that does what a test says, right or wrong.

The code flow with PKCE, over HTTP, signed with a key of its own. `wrong` changes the
claims of the next ID token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

DOCUMENT = "/.well-known/openid-configuration"
CLIENT, SECRET = "casefile", "a-secret-of-both-sides-0123456789abcdef"


@cache
def make_key(name: str) -> RSAKey:
    """Return a key pair of this name, made once: making one takes long."""
    return RSAKey.generate_key(2048, {"kid": name})


class Provider:
    def __init__(self) -> None:
        self.key = make_key("one")
        self.claims: dict[str, Any] = {"sub": "ada-1", "groups": []}
        self.wrong: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.signing_key: Any = self.key
        self.metadata: dict[str, Any] = {}
        self.sends_token = True
        self.leads_to = ""
        self.pause_seconds = 0.0
        self.asked_anew = 0
        self.sent_along: dict[str, str] = {}
        self.asked: dict[str, dict[str, str]] = {}
        self.url = ""

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            **self.metadata,
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser goes once somebody has signed in there."""
        code = f"code-{len(self.asked)}"
        self.asked[code] = query
        sent = {"code": code, "state": query["state"], **self.sent_along}
        answer = urlencode(sent)
        return f"{query['redirect_uri']}?{answer}"

    def exchange(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self.asked.pop(form.get("code", ""), None)
        if asked is None:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (asked["code_challenge"], asked["code_challenge_method"]) != (
            challenge,
            "S256",
        ):
            return 400, {"error": "invalid_grant"}
        answer = {"access_token": "x", "token_type": "Bearer", "expires_in": 60}
        if self.sends_token:
            answer["id_token"] = self._sign(asked)
        return 200, answer

    def _sign(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        if "max_age" in asked:
            assert asked["prompt"] == "login"
            self.asked_anew += 1
        shown = {"auth_time": now} if "max_age" in asked else {}
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **shown,
            **self.claims,
            **self.wrong,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "one"}
        return jwt.encode(header, kept, self.signing_key, algorithms=[self.algorithm])

    def sign_out_token(self, typ: str = "logout+jwt", **wrong: Any) -> str:
        """Return what tells that somebody signed out here; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 120,
            "jti": uuid.uuid4().hex,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            **wrong,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid, "typ": typ}
        return jwt.encode(header, kept, self.signing_key, algorithms=[self.algorithm])

    def change_key(self) -> None:
        """Sign with a new key from now on, as providers do now and then."""
        self.key = self.signing_key = make_key("two")

    def forge_by_shared_secret(self) -> None:
        """Sign with what both sides know, as if that proved who signed."""
        self.algorithm = "HS256"
        self.signing_key = OctKey.import_key(SECRET)


def _make_handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == DOCUMENT and provider.leads_to:
                self.send_response(302)
                self.send_header("Location", provider.leads_to)
                self.end_headers()
            elif parts.path in (DOCUMENT, "/moved"):
                self._send(200, provider.describe())
            elif parts.path == "/jwks":
                keys = [provider.key.as_dict(private=False)]
                self._send(200, {"keys": keys})
            elif parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.end_headers()
            else:
                self._send(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {basic}":
                self._send(401, {"error": "invalid_client"})
            else:
                self._send(*provider.exchange(form))

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for start in range(20 if provider.pause_seconds else 0):
                    time.sleep(provider.pause_seconds)
                    self.wfile.write(body[start : start + 1])
                self.wfile.write(body[20 if provider.pause_seconds else 0 :])
            except OSError:
                return  # who asked has heard enough

        def log_message(self, *args: Any) -> None:
            """Say nothing: tests read what they need from answers."""

    return Handler


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider on a port of its own."""
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(provider))
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
