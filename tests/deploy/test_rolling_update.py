"""Two webs behind the shipped nginx.conf are restarted in turn; no request is lost."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.launcher.processes import Process, start_process
from tests.config.launching import find_free_port
from tests.deploy.proxies import (
    HOST,
    check_configuration,
    connect,
    place_configuration,
    require_nginx,
    running_proxy,
)
from tests.evidence.format.samples import make_alert
from tests.faults.installation import Installation, running_installation, vector

pytestmark = pytest.mark.deploy
SENDERS = 4
PATIENCE_SECONDS = 300
TOKEN = """
from django.contrib.auth.models import User
from evidence.accounts.tokens import create_token
_, secret = create_token(user=User.objects.get(username="machine"), name="rolling",
    scopes=["alerts:write", "evidence:write"], days=1, actor=None)
print("SECRET", secret)
"""


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """Ask the proxy as a client of the site would; 0 where nothing came back."""
    # Longer than the proxy waits: who gives up before it has lost the request itself.
    client = connect(port, seconds=PATIENCE_SECONDS)
    try:
        client.request(method, path, body, {"Host": HOST, **(headers or {})})
        answer = client.getresponse()
        return answer.status, answer.read()
    except OSError as error:
        return 0, repr(error).encode()
    finally:
        client.close()


class Traffic:
    """People and machines that go on working, and what they were answered."""

    def __init__(self, port: int, reference: str, secret: str) -> None:
        self.port, self.reference, self.secret = port, reference, secret
        self.answers: Counter[tuple[str, int]] = Counter()
        self.faults: list[str] = []
        self.sent: list[str] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(SENDERS)
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _work(self, number: int) -> None:
        token = {"Authorization": f"Bearer {self.secret}"}
        plain, count = vector(), 0
        while not self._ended.is_set():
            count += 1
            name = f"rolling-{number}-{count}"
            self._ask("GET", "/admin/login/", (200,))
            document = make_alert(count, alert_id=name, source="risk_controller")
            alert = json.dumps(document).encode()
            if self._ask(
                "POST",
                "/api/v1/alerts/",
                (201,),
                alert,
                {**token, "Content-Type": "application/json"},
            ):
                self._note(name)
            data = plain + b"\n" * (1 + number * 10_000 + count)
            path = f"/api/v1/evidence/{name}.json?incident={self.reference}"
            kind = {"Content-Type": "application/octet-stream"}
            # Asked of the next web too: what the first had kept is answered by 200.
            if self._ask("PUT", path, (200, 201), data, {**token, **kind}):
                self._note(hashlib.sha256(data).hexdigest())

    def _note(self, name: str) -> None:
        with self._lock:
            self.sent.append(name)

    def _ask(
        self,
        method: str,
        path: str,
        expected: tuple[int, ...],
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> bool:
        status, answer = ask(self.port, method, path, body, headers)
        with self._lock:
            self.answers[method, status] += 1
            if status not in expected:
                self.faults.append(f"{method} {path}: {status} {answer[:200]!r}")
        return status in expected


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    require_nginx()
    names = {"ALLOWED_HOSTS": f"{HOST},127.0.0.1", "TRUSTED_PROXY_COUNT": "1"}
    rates = {"API_WRITE_RATE": "1000000", "API_ALERT_RATE": "1000000"}
    with running_installation(**names, **rates, LOG_LEVEL="ERROR") as made:
        yield made


def start_web(installation: Installation, port: int) -> Process:
    """Start one web, and wait for it as the documents say."""
    log = installation.folders.data / f"web-{port}.log"
    environment = {**installation.environment, "GUNICORN_BIND": f"127.0.0.1:{port}"}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"]
    with log.open("ab") as output:
        web = start_process("web", command, environment=environment, output=output)
    installation.extra.append(web)
    installation.wait(lambda: is_ready(port), seconds=120)
    return web


def is_ready(port: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        client.request("GET", "/readyz")
        return client.getresponse().status == 200
    finally:
        client.close()


def restart_in_turn(
    installation: Installation, webs: dict[int, Process], traffic: Traffic
) -> None:
    for port, web in list(webs.items()):
        # systemctl restart: SIGTERM, and the new one once the old has ended.
        web.popen.send_signal(signal.SIGTERM)
        web.popen.wait(60)
        webs[port] = start_web(installation, port)
        before = traffic.answers.total()
        installation.wait(
            lambda seen=before: traffic.answers.total() > seen + 20, seconds=120
        )


def test_restarting_each_web_in_turn_loses_no_request(
    installation: Installation, tmp_path: Path
) -> None:
    told = installation.manage("shell", "-v", "0", "-c", code=TOKEN)
    secret = told.split("SECRET ")[1].split()[0]
    reference = installation.open_case()
    webs = {port: start_web(installation, port) for port in map(_free, range(2))}
    with running_proxy(tmp_path, list(webs)) as port:
        with Traffic(port, reference, secret) as traffic:
            installation.wait(lambda: traffic.answers.total() > 20, seconds=120)
            restart_in_turn(installation, webs, traffic)
            restart_in_turn(installation, webs, traffic)
        print(f"\nrolling update: {dict(traffic.answers)}")
    assert traffic.faults == []
    # What was acknowledged is there, once.
    kept = {
        row[0]
        for row in installation.query("SELECT sha256_hex FROM evidence_evidenceitem")
    }
    names = [name for name in traffic.sent if not name.startswith("rolling")]
    assert set(names) <= kept
    alerts = [name for name in traffic.sent if name.startswith("rolling")]
    assert installation.count(
        "SELECT count(*) FROM incidents_alert WHERE alert_id = ANY(%s)", alerts
    ) == len(alerts)


def _free(number: int) -> int:
    return find_free_port()


def test_the_shipped_configuration_is_sound(tmp_path: Path) -> None:
    require_nginx()
    place_configuration(tmp_path, [find_free_port()])
    told = check_configuration(tmp_path)
    assert told.returncode == 0, told.stderr
    assert "warn" not in told.stderr


def test_probes_and_metrics_are_not_for_the_outside(
    installation: Installation, tmp_path: Path
) -> None:
    with running_proxy(tmp_path, [installation.port]) as port:
        assert ask(port, "GET", "/admin/login/")[0] == 200
        assert ask(port, "GET", "/readyz")[0] == 404
        assert ask(port, "GET", "/metrics")[0] == 404


def test_a_web_that_is_away_is_not_asked_for_long(
    installation: Installation, tmp_path: Path
) -> None:
    """One of two never answers; each request is answered by the other."""
    with running_proxy(tmp_path, [find_free_port(), installation.port]) as port:
        assert [ask(port, "GET", "/admin/login/")[0] for _ in range(6)] == [200] * 6
