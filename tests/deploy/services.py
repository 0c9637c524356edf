"""The services of the compose file, by their own commands, in the image that was built.

Compose itself needs a daemon and a registry. What it would start of ours is started
here without: migrating, web, workers and beat, each with the command, the variables and
the health check that stand in the compose file, as the image's own user. PostgreSQL and
Valkey are the launcher's, on sockets in a folder that the containers see.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from config.launcher.folders import ROOT, ServerFolders, fresh_folder
from config.launcher.postgres import start_postgres
from config.launcher.processes import Process, start_process
from config.launcher.roles import make_app_role
from config.launcher.valkey import start_valkey
from tests.config.launching import find_free_port, wait_until

COMPOSE = ROOT / "deploy/compose.yaml"
# What a person fills in, as env.example has it.
FILLED_IN = {
    "SECRET_KEY": "only-for-this-check-0123456789-abcdefghijklmnopqrstu",
    "ALLOWED_HOSTS": "127.0.0.1",
    "CASEFILE_BASE_URL": "https://casefile.example.org",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.org:587",
    "DEFAULT_FROM_EMAIL": "casefile@example.org",
}
PATIENCE_SECONDS = 600
VARIABLE = re.compile(r"\$\{(\w+):[-?]([^}]*)\}")
STYLE = re.compile(r'href="(/static/[^"]+\.css)"')


@dataclass(frozen=True)
class Services:
    """A container of the image, and what the compose file says of each service."""

    container: str
    folders: ServerFolders
    port: int
    described: dict[str, Any]
    servers: dict[str, str]

    def command(self, name: str, words: Sequence[str], **variables: str) -> list[str]:
        """Return what runs this in the container with the service's variables."""
        told = self.described[name]["environment"]
        values = {key: fill_in(str(value)) for key, value in told.items()}
        values |= self.servers | variables
        values["GUNICORN_BIND"] = f"127.0.0.1:{self.port}"
        options = [word for pair in values.items() for word in ("-e", "=".join(pair))]
        shared = str(self.folders.sockets)
        options += ["-v", f"{shared}:{shared}"]
        return ["buildah", "run", *options, self.container, "--", *words]

    def run(self, name: str, words: Sequence[str], **variables: str) -> None:
        command = self.command(name, words, **variables)
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def is_healthy(self) -> bool:
        """Ask as the compose file's own health check does."""
        _, *words = self.described["web"]["healthcheck"]["test"]
        here = [word.replace(":8000/", f":{self.port}/") for word in words]
        command = self.command("web", here)
        return subprocess.run(command, capture_output=True).returncode == 0

    def get(self, path: str) -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            # As the proxy in front, which ends TLS.
            client.request("GET", path, headers={"X-Forwarded-Proto": "https"})
            answer = client.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            client.close()


def fill_in(value: str) -> str:
    """Put in what a person filled in, or what the compose file has in its place."""
    return VARIABLE.sub(lambda found: FILLED_IN.get(found[1], found[2]), value)


def check_services(image: str) -> str:
    """Start all in the image until it is ready; return what answered."""
    with running_services(image) as services:
        wait_until(services.is_healthy, seconds=PATIENCE_SECONDS)
        wait_until(lambda: _is_ready(services), seconds=PATIENCE_SECONDS)
        status, page = services.get("/admin/login/")
        assert status == 200, page[-2000:]
        styles = STYLE.findall(page)
        assert styles, "the page names no style sheet"
        answers = {services.get(path)[0] for path in styles}
        assert answers == {200}, f"style sheets answered {answers}"
    return (
        f"migrate, web, worker and beat by their commands; healthy, ready, a page and "
        f"its {len(styles)} style sheets"
    )


def _is_ready(services: Services) -> bool:
    """Return whether the web is ready, and hears of every queue's worker and beat."""
    status, told = services.get("/readyz")
    parts = json.loads(told)["parts"]
    return status == 200 and all(
        parts[name]["status"] == "ok"
        for name in ("database", "broker", "workers", "beat")
    )


@contextmanager
def running_services(image: str) -> Iterator[Services]:
    with ExitStack() as stack:
        folders = stack.enter_context(fresh_folder())
        postgres, owner_url = start_postgres(folders, durable=False)
        stack.callback(postgres.stop)
        valkey, redis_url = start_valkey(folders, durable=False)
        stack.callback(valkey.stop)
        servers = {
            "DATABASE_URL": make_app_role(folders, owner_url),
            "REDIS_URL": redis_url,
        }
        # The containers' user is not who started the servers.
        for path in (folders.data, folders.sockets):
            path.chmod(0o711)
        for path in folders.sockets.iterdir():
            path.chmod(0o666)
        container = _buildah("from", image)
        stack.callback(_buildah, "rm", container)
        described = yaml.safe_load(COMPOSE.read_text())["services"]
        services = Services(container, folders, find_free_port(), described, servers)
        services.run("migrate", described["migrate"]["command"], DATABASE_URL=owner_url)
        log = folders.data / "containers.log"
        for part in _start(services, log):
            stack.callback(part.stop)
        try:
            yield services
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{log.read_text()[-3000:]}") from None


def _start(services: Services, log: Path) -> Iterator[Process]:
    """Start web by the image's own command, worker and beat by the compose file's."""
    inspected = subprocess.run(
        ["buildah", "inspect", services.container],
        capture_output=True,
        check=True,
    )
    commands = {
        "web": json.loads(inspected.stdout)["OCIv1"]["config"]["Cmd"],
        **{name: services.described[name]["command"] for name in ("worker", "beat")},
    }
    for name, words in commands.items():
        with log.open("ab") as output:
            yield start_process(name, services.command(name, words), output=output)


def _buildah(*words: str) -> str:
    done = subprocess.run(["buildah", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]
