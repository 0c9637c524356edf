"""The manifests start what compose starts, as strictly, with settings of production."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.launcher.folders import ROOT
from config.queues import WORKERS
from tests.deploy import manifests
from tests.deploy.manifests import BASE, EXAMPLE
from tests.deploy.services import COMPOSE, FILLED_IN

DOCUMENT = (ROOT / "docs/deploy.md").read_text()
PODS = manifests.read_pods()
SETTINGS = manifests.read_settings()
# What the secret holds, by the names of its keys.
SECRETS = {
    "secret_key": FILLED_IN["SECRET_KEY"],
    "database_url": "postgres://casefile_app:secret@db.example.org/casefile",
    "redis_url": "rediss://:secret@valkey.example.org:6379/0",
    "email_url": FILLED_IN["EMAIL_URL"],
    "log_signing_keys": "",
    "metrics_token": "only-for-this-check-0123456789",
}


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def mount(folder: Path) -> dict[str, str]:
    """Write the secret's files, and return the settings that name them there."""
    key = make_log_key()
    for name, value in {**SECRETS, "log_signing_keys": key}.items():
        (folder / name).write_text(value)
    return {
        name: value.replace("/run/secrets/casefile", str(folder))
        for name, value in SETTINGS.items()
    } | {"EVIDENCE_ROOT": str(folder / "evidence")}


def make_log_key() -> str:
    """Make a key for the log's name, as docs/deploy.md has it."""
    origin = f"{SETTINGS['ALLOWED_HOSTS']}/log"
    made = run(
        *("manage.py", "rotate_log_key", "--print"),
        DJANGO_SETTINGS_MODULE="config.settings_offline",
        LOG_ORIGIN=origin,
    )
    return made.stdout.strip()


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_every_file_is_listed(folder: Path) -> None:
    listed = set(manifests.read_kustomization(folder)["resources"])
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert listed - {"../base"} == there


def test_every_pod_keeps_to_the_strictest_rules() -> None:
    for name, pod in PODS.items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] == read_image_user(), name
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert pod["automountServiceAccountToken"] is False, name
        # Its variables would be taken for ours.
        assert pod["enableServiceLinks"] is False, name
        assert "memory" in container["resources"]["limits"], name


def read_image_user() -> int:
    text = (ROOT / "deploy/Dockerfile").read_text()
    (found,) = re.findall(r"useradd .*--uid (\d+)", text)
    return int(found)


def test_the_same_commands_run_as_by_compose() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    commands = {name: pod["containers"][0]["command"] for name, pod in PODS.items()}
    assert commands["migrate"] == services["migrate"]["command"]
    assert commands["beat"] == services["beat"]["command"]
    image = (ROOT / "deploy/Dockerfile").read_text()
    assert yaml.safe_load(image.split("CMD ")[-1]) == commands["web"]


def test_every_kind_of_worker_runs_in_one_deployment() -> None:
    found: list[str] = []
    for pod in PODS.values():
        command = pod["containers"][0]["command"]
        if "config.workers" in command:
            found += command[command.index("config.workers") + 1 :]
    assert sorted(found) == sorted(WORKERS)


def test_what_is_written_to_is_a_volume_of_the_pod() -> None:
    for name, pod in PODS.items():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {
            mount["mountPath"]: volumes[mount["name"]]
            for mount in pod["containers"][0]["volumeMounts"]
        }
        for path in ("/tmp", SETTINGS["EVIDENCE_ROOT"]):
            assert "emptyDir" in mounts[path], (name, path)
        # As large as what one may need there: on the node's disk, not in memory.
        assert "medium" not in mounts["/tmp"]["emptyDir"], name


def test_every_setting_is_one_and_every_secret_comes_as_a_file() -> None:
    for name in SETTINGS:
        assert f"`{name.removesuffix('_FILE')}`" in DOCUMENT, name
    for name, value in SETTINGS.items():
        if name.endswith("_FILE"):
            assert f"`{name}`" in DOCUMENT
            assert Path(value).name in SECRETS
    assert "LOG_SIGNING_KEYS_FILE" in SETTINGS, "every pod would make a key of its own"


def test_only_migrating_is_given_the_owners_rights() -> None:
    owners = {name for name, pod in PODS.items() if "casefile-owner" in str(pod)}
    assert owners == {"migrate"}


def test_probes_ask_what_web_answers() -> None:
    (web,) = PODS["web"]["containers"]
    asked = {
        name: web[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert web["readinessProbe"]["timeoutSeconds"] >= 10


def test_what_web_may_take_to_end_is_within_the_clusters_patience() -> None:
    text = (ROOT / "config/gunicorn.py").read_text()
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)", text, re.MULTILINE)
    (web,) = PODS["web"]["containers"]
    _, before = web["lifecycle"]["preStop"]["exec"]["command"]
    assert PODS["web"]["terminationGracePeriodSeconds"] > int(graceful) + int(before)


def test_nobody_outside_reaches_probes_and_metrics() -> None:
    (ingress,) = [
        resource
        for resource in manifests.read_resources(EXAMPLE)
        if resource["kind"] == "Ingress"
    ]
    paths = {
        path["path"]: path["backend"]["service"]["name"]
        for path in ingress["spec"]["rules"][0]["http"]["paths"]
    }
    assert paths == {"/": "web", "/readyz": "nowhere", "/metrics": "nowhere"}


@pytest.mark.walk
def test_production_starts_with_the_settings_of_a_pod(tmp_path: Path) -> None:
    settings = mount(tmp_path) | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    started = run("manage.py", "check", **settings)
    assert started.returncode == 0, started.stderr
    # And what is not filled in is said, by its name.
    (tmp_path / "metrics_token").write_text("")
    refused = run("manage.py", "check", **settings)
    assert refused.returncode != 0
    assert "METRICS_TOKEN_FILE" in refused.stderr
