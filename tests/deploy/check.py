"""Run what deploy/ ships, step by step: `make deploy-check`.

Each step says ok, failed, or not run and why. A step that lacks its program or its
network is not run, and no step is called ok for it. Exit code 1 where one failed.

DEPLOY_CHECK_BASE names an image to build on where no registry is reached; it has to
have Python and pip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.launcher.folders import ROOT
from tests.deploy.manifests import check_manifests
from tests.deploy.services import check_services

DEPLOY = ROOT / "deploy"
BUILDERS = ("buildah", "podman", "docker")
COMPOSERS = (("docker", "compose"), ("podman", "compose"), ("docker-compose",))
IMAGE = "casefile-deploy-check"
UNREACHED = ("no such host", "pinging container registry", "i/o timeout", "dial tcp")
NO_DAEMON = "Cannot connect to the Docker daemon"
EXAMPLE = dict.fromkeys(
    (
        *("SECRET_KEY", "ALLOWED_HOSTS", "CASEFILE_BASE_URL", "EMAIL_URL"),
        *("DEFAULT_FROM_EMAIL", "OWNER_PASSWORD", "APP_PASSWORD"),
    ),
    "example",
)


class NotRun(Exception):
    """A step cannot be tried here; the message says what is missing."""


@dataclass(frozen=True)
class Step:
    name: str
    run: Callable[[], str]


def check_settings() -> str:
    """Production's settings, as strictly as production starts."""
    _require(_run([sys.executable, "-m", "config.launcher.deploy_check"]))
    return "no warning"


def check_compose() -> str:
    """The compose file, by whatever reads it here; Compose 1 knows no project name."""
    words = next(filter(_is_there, COMPOSERS), None)
    if words is None:
        raise NotRun("no docker compose, podman-compose or docker-compose")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "compose.yaml"
        text = (DEPLOY / "compose.yaml").read_text()
        if words == ("docker-compose",):
            text = text.replace("name: casefile\n", "", 1)
        path.write_text(text)
        _require(_run([*words, "-f", str(path), "config"], **EXAMPLE))
    return f"read by {' '.join(words)}"


def check_kubernetes() -> str:
    """The manifests, by the schemas that Kubernetes publishes."""
    try:
        return check_manifests()
    except ModuleNotFoundError as missing:
        if missing.name != "kubernetes_validate":
            raise
        raise NotRun("requirements-manifests.txt is not installed") from None


def check_units() -> str:
    """The units, with this folder in the place of /opt/casefile."""
    if shutil.which("systemd-analyze") is None:
        raise NotRun("no systemd-analyze")
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for unit in sorted((DEPLOY / "systemd").glob("*.service")):
            copy = Path(folder) / unit.name
            copy.write_text(unit.read_text().replace("/opt/casefile", str(ROOT)))
            units.append(str(copy))
        told = _require(_run(["systemd-analyze", "verify", *units]))
    if told.strip():
        raise AssertionError(told)
    return f"{len(units)} units"


def check_proxy() -> str:
    return _run_tests("tests/deploy/test_rolling_update.py", "nginx")


def check_pooler() -> str:
    return _run_tests("tests/deploy/test_pooling.py", "pgbouncer")


def check_image() -> str:
    """Build the image, static files and all."""
    builder = next(filter(shutil.which, BUILDERS), None)
    if builder is None:
        raise NotRun(f"none of {', '.join(BUILDERS)} is installed")
    words = [builder, "build", "-f", "deploy/Dockerfile", "-t", IMAGE]
    if base := os.environ.get("DEPLOY_CHECK_BASE"):
        words += ["--from", base]
    _require_reachable(_run([*words, "."]))
    return f"built with {builder}{f' on {base}' if base else ''}"


def check_started() -> str:
    """Start the compose file's services of ours, in the image built before."""
    if shutil.which("buildah") is None:
        raise NotRun("no buildah")
    if not _is_built():
        raise NotRun("there is no image: see the step before")
    return check_services(IMAGE)


STEPS = (
    Step("settings", check_settings),
    Step("compose file", check_compose),
    Step("systemd units", check_units),
    Step("Kubernetes manifests", check_kubernetes),
    Step("nginx, and two webs restarted behind it", check_proxy),
    Step("PgBouncer", check_pooler),
    Step("image", check_image),
    Step("services of the compose file, started in the image", check_started),
)


def main(names: list[str]) -> int:
    """Run the steps whose names contain one of the words, or all; print the table."""
    failed = 0
    print("| Step | Result | |\n| --- | --- | --- |", flush=True)
    for step in STEPS:
        if names and not any(word in step.name for word in names):
            continue
        try:
            result, detail = "ok", step.run()
        except NotRun as reason:
            result, detail = "not run", str(reason)
        except AssertionError as fault:
            result, detail, failed = "failed", _in_one_line(str(fault)), failed + 1
        print(f"| {step.name} | {result} | {detail} |", flush=True)
    return 1 if failed else 0


def _run(words: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _require(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout
    return done.stdout


def _require_reachable(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode and NO_DAEMON in done.stdout:
        raise NotRun("docker's daemon does not run")
    if done.returncode and any(words in done.stdout for words in UNREACHED):
        raise NotRun(
            "the registry of the base image is not reached; DEPLOY_CHECK_BASE names "
            "another base"
        )
    _require(done)


def _is_built() -> bool:
    return _run(["buildah", "inspect", "--type", "image", IMAGE]).returncode == 0


def _is_there(words: tuple[str, ...]) -> bool:
    if shutil.which(words[0]) is None:
        return False
    return _run([*words, "version"]).returncode == 0


def _run_tests(path: str, program: str) -> str:
    """Run a file of tests; what it skips was not run."""
    if not (shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")):
        raise NotRun(f"no {program}")
    words = [sys.executable, "-m", "pytest", "-q", "-rs", "-m", "", path]
    told = _require(_run(words))
    if " skipped" in told:
        raise NotRun(_in_one_line(told))
    return told.strip().splitlines()[-1]


def _in_one_line(text: str) -> str:
    """Return the end of what a program said, fit for a table's cell."""
    return " ".join(text.split())[-400:].replace("|", "/")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
