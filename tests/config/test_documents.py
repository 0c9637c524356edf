"""docs/deploy.md and the deployment files say what the code does."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
READING = re.compile(
    r"""(?:read_\w+|environ\.get|environ\.setdefault)\(\s*["']([A-Z][A-Z0-9_]+)["']"""
)
S3_OPTION = re.compile(r'"(EVIDENCE_S3_[A-Z_]+)"')
# Set by the launcher for its own processes, or read by Django itself.
INTERNAL = {"CASEFILE_TEST_FOLDER", "DJANGO_SETTINGS_MODULE", "PYTEST_XDIST_WORKER"}


def find_variables() -> set[str]:
    names: set[str] = set()
    for path in (ROOT / "config").glob("*.py"):
        text = path.read_text()
        names |= set(READING.findall(text)) | set(S3_OPTION.findall(text))
    return names - INTERNAL


def test_every_variable_is_documented() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", read("docs/deploy.md")))
    assert find_variables() - documented == set()


def test_every_documented_setting_is_read() -> None:
    table = read("docs/deploy.md").split("## 5. Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", " ".join(rows)))
    assert documented - find_variables() == set()


def test_files_named_in_the_document_exist() -> None:
    named = re.findall(r"`((?:deploy|config)/[\w./-]+)`", read("docs/deploy.md"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_compose_runs_every_part_as_the_restricted_role() -> None:
    services = yaml.safe_load(read("deploy/compose.yaml"))["services"]
    assert set(services) == {"database", "valkey", "migrate", "web", "worker", "beat"}
    for name in ("web", "worker", "beat"):
        url = services[name]["environment"]["DATABASE_URL"]
        assert url.startswith("postgres://casefile_app:")
        assert "migrate" in services[name]["depends_on"]
    assert "casefile_owner" in services["migrate"]["environment"]["DATABASE_URL"]


def read(name: str) -> str:
    return (ROOT / name).read_text()
