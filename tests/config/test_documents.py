"""The documents and the deployment files say what there is."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from django.core.management import get_commands

from config.environment import FROM_FILES, file_variable
from config.queues import WORKERS

ROOT = Path(__file__).resolve().parents[2]
READING = re.compile(
    r"""(?:read_\w+|environ\.get|environ\.setdefault)\(\s*["']([A-Z][A-Z0-9_]+)["']"""
)
S3_OPTION = re.compile(r'"(EVIDENCE_S3_[A-Z_]+)"')
# Set by the launcher for its own processes, or read by Django itself.
INTERNAL = {"CASEFILE_TEST_FOLDER", "DJANGO_SETTINGS_MODULE", "PYTEST_XDIST_WORKER"}

DOCUMENTS = [
    "README.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
CODE = re.compile(r"^```.*?^```|(?<!`)`[^`]+`", re.MULTILINE | re.DOTALL)
MANAGED = re.compile(r"""(?:manage\.py|make\s+manage\s+ARGS=["'])\s*([a-z]\w*)""")
MADE = re.compile(r"(?<![\w./-])make\s+([a-z][a-z-]*)\b")
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//")


def find_variables() -> set[str]:
    names: set[str] = set()
    folder = ROOT / "config"
    for path in (*folder.glob("*.py"), *folder.glob("environment/*.py")):
        text = path.read_text()
        names |= set(READING.findall(text)) | set(S3_OPTION.findall(text))
    # Read by a composed name: one for each worker.
    return (names | {f"WORKER_{name.upper()}" for name in WORKERS}) - INTERNAL


def test_every_variable_is_documented() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", read("docs/deploy.md")))
    assert find_variables() - documented == set()
    assert set(map(file_variable, FROM_FILES)) - documented == set()


def test_every_documented_setting_is_read() -> None:
    table = read("docs/deploy.md").split("## 5. Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", " ".join(rows)))
    assert documented - find_variables() == set()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_links_and_images_lead_to_files(name: str) -> None:
    links = [link for link in LINK.findall(read(name)) if not ELSEWHERE.match(link)]
    places = {link: unquote(link.partition("#")[0]) for link in links}
    folder = (ROOT / name).parent
    missing = {link for link in links if not (folder / places[link]).exists()}
    assert missing == set()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_links_to_a_section_lead_to_its_heading(name: str) -> None:
    broken = set()
    for link in LINK.findall(read(name)):
        place, _, section = link.partition("#")
        if ELSEWHERE.match(link) or not section:
            continue
        target = (ROOT / name).parent / place if place else ROOT / name
        if section not in find_sections(target.read_text()):
            broken.add(link)
    assert broken == set()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_commands_named_in_a_document_exist(name: str) -> None:
    code = "\n".join(CODE.findall(read(name)))
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert set(MANAGED.findall(code)) - set(get_commands()) == set()
    assert set(MADE.findall(code)) - targets == set()


def test_commands_are_found_however_they_are_written() -> None:
    code = "\n".join(
        CODE.findall(
            "`manage.py one` and `make\nlint`\n```console\n"
            '$ make manage ARGS="two -v"\n'
            "DATABASE_URL=x .venv/bin/python manage.py three\n```\nthey make nothing"
        )
    )
    assert MANAGED.findall(code) == ["one", "two", "three"]
    assert MADE.findall(code) == ["lint", "manage"]


def test_readme_leads_to_every_document() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(read("README.md"))}
    assert set(DOCUMENTS) - {"README.md"} - linked == set()


def test_files_named_in_the_document_exist() -> None:
    named = re.findall(r"`((?:deploy|config)/[\w./-]+)`", read("docs/deploy.md"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_example_says_the_same_to_a_shell_as_to_the_service(tmp_path: Path) -> None:
    lines = [
        line.removeprefix("#")
        for line in read("deploy/env.example").splitlines()
        if re.match(r"#?[A-Z][A-Z0-9_]*=", line)
    ]
    assert len(lines) > 10
    # What a person fills in: an address with options, and a blank.
    filled = [f"{line[:-1]}&a=b c#d'" for line in lines if line.endswith("'")]
    assert len(filled) == len(lines), "a value stands without quotes"
    (tmp_path / "env").write_text("\n".join(filled))
    told = subprocess.run(
        ["sh", "-c", f"set -a; . {tmp_path / 'env'}; set +a; env"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    ).stdout.splitlines()
    assert {line.replace("'", "") for line in filled} <= set(told)


def test_roles_with_passwords_come_in_where_debian_lets_them() -> None:
    """On Debian's own pg_hba.conf only TCP takes a password; the socket asks `peer`."""
    text = read("docs/deploy.md") + read("deploy/env.example")
    urls = re.findall(r"(?m)^[#$ ]*DATABASE_URL='?(postgres://[^\s']+)", text)
    assert len(urls) >= 3
    assert [url for url in urls if urlsplit(url).hostname != "127.0.0.1"] == []


def test_compose_runs_every_part_as_the_restricted_role() -> None:
    services = yaml.safe_load(read("deploy/compose.yaml"))["services"]
    assert set(services) == {"database", "valkey", "migrate", "web", "worker", "beat"}
    for name in ("web", "worker", "beat"):
        url = services[name]["environment"]["DATABASE_URL"]
        assert url.startswith("postgres://casefile_app:")
        assert "migrate" in services[name]["depends_on"]
    assert "casefile_owner" in services["migrate"]["environment"]["DATABASE_URL"]


def test_compose_lets_uploads_wait_on_a_disk() -> None:
    services = yaml.safe_load(read("deploy/compose.yaml"))["services"]
    for name in ("web", "worker"):
        folder = services[name]["environment"]["UPLOAD_TEMP_DIR"]
        mounted = {volume.split(":")[1] for volume in services[name]["volumes"]}
        assert folder in mounted
        assert folder not in services[name]["tmpfs"]
        # A new volume takes its owner from the image's folder.
        assert folder in read("deploy/Dockerfile")


def find_sections(text: str) -> set[str]:
    """Return the anchors of the headings, as code hosts make them."""
    titles = re.findall(r"^#+\s+(.+?)\s*$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles
    }


def read(name: str) -> str:
    return (ROOT / name).read_text()
