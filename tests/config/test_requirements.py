"""What the code imports is asked for, pinned, taken by hash, and nothing beside it."""

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from config.launcher import bootstrap

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy.md"
# Run by `make` in a place for development, and by nothing in production.
TOOLS = {"config/launcher/sbom.py"}
OURS = {"config", "evidence", "incidents", "policy", "tests"}
PIN = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[^\s;]+( ; .+)?$")


NAMES = (
    *("requirements", "requirements-s3", "requirements-dev"),
    *("requirements-embedded", "requirements-manifests"),
)
WHOLE = NAMES[:3]
PYTHONS = ("3.11.0", "3.11.9", "3.12.4", "3.13.1", "3.14.0")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def read_asked(name: str) -> list[Requirement]:
    """Return what an .in file asks for, with what it includes."""
    found: list[Requirement] = []
    for line in (ROOT / f"{name}.in").read_text().splitlines():
        if line.startswith("-r "):
            found += read_asked(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def read_entries(name: str) -> list[str]:
    """Return the entries of a made file: a requirement and its hashes in one line."""
    text = (ROOT / f"{name}.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and line.lstrip()[0] != "#"]


def read_pinned(name: str) -> list[Requirement]:
    return [Requirement(entry.partition("--hash")[0]) for entry in read_entries(name)]


def select(found: list[Requirement], python: str) -> dict[str, Requirement]:
    """Return by name what is for Linux and a version of Python. Refuse a name twice."""
    chosen = [entry for entry in found if is_for(entry, python)]
    named = {normalize(entry.name): entry for entry in chosen}
    assert len(named) == len(chosen)
    return named


def get_version(entry: Requirement) -> str:
    (specifier,) = entry.specifier
    return specifier.version


def find_needed(entry: Requirement, extra: str, python: str) -> list[Requirement]:
    """Return what an installed package says that it needs."""
    place = {**get_place(python), "extra": extra}
    return [
        needed
        for needed in map(Requirement, requires(entry.name) or [])
        if needed.marker is None or needed.marker.evaluate(place)
    ]


def walk(roots: list[Requirement], pinned: dict[str, Requirement]) -> set[str]:
    """Return the names that are reached from the roots. Fail for what is not pinned."""
    here = ".".join(map(str, sys.version_info[:3]))
    todo = [(entry, entry.extras) for entry in roots if is_for(entry, here)]
    seen: set[tuple[str, str]] = set()
    while todo:
        entry, extras = todo.pop()
        name = normalize(entry.name)
        assert name in pinned, f"{entry} is not pinned: run `make lock`"
        version = get_version(pinned[name])
        assert entry.specifier.contains(version, prereleases=True), (
            f"{entry}: {version}"
        )
        for extra in {"", *extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                needed = find_needed(entry, extra, here)
                todo += [(child, child.extras) for child in needed]
    return {name for name, _ in seen}


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def find_imports() -> dict[str, Path]:
    """Return each top-level module that production code imports, with one importer."""
    found: dict[str, Path] = {}
    for app in ("config", "evidence", "incidents", "policy"):
        for path in sorted((ROOT / app).rglob("*.py")):
            if path.relative_to(ROOT).as_posix() in TOOLS:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                else:
                    continue
                found.update({name.split(".")[0]: path for name in names})
    return found


def is_for(requirement: Requirement, python: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(get_place(python))


def get_place(python: str) -> dict[str, str]:
    return {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "extra": "",
    }


def test_every_import_of_production_code_is_required() -> None:
    required = {normalize(entry.name) for entry in read_asked("requirements-s3")}
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


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_pinned_exactly(name: str) -> None:
    lines = (ROOT / f"{name}.in").read_text().splitlines()
    asked = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert asked
    assert [line for line in asked if not PIN.match(line)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_package_is_pinned_and_taken_by_hash(name: str) -> None:
    entries = read_entries(name)
    assert entries
    for entry in entries:
        pin, *hashes = entry.split("--hash=")
        assert PIN.match(pin.strip()), entry
        assert hashes, entry
        assert len(set(HASH.findall(entry))) == len(hashes), entry


@pytest.mark.parametrize("name", NAMES)
def test_requirements_name_no_place_to_fetch_from(name: str) -> None:
    for kind in ("in", "txt"):
        text = (ROOT / f"{name}.{kind}").read_text()
        found = re.findall(r"://|--(?:extra-)?index|--find|--trusted| @ |/", text)
        assert found == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_what_was_locked(name: str, python: str) -> None:
    pinned = select(read_pinned(name), python)
    for wanted, entry in select(read_asked(name), python).items():
        assert wanted in pinned, f"{entry} is not in {name}.txt: run `make lock`"
        assert get_version(pinned[wanted]) == get_version(entry), "run `make lock`"


@pytest.mark.parametrize("name", WHOLE)
def test_locked_files_are_whole_and_hold_nothing_else(name: str) -> None:
    here = ".".join(map(str, sys.version_info[:3]))
    pinned = select(read_pinned(name), here)
    assert walk(read_asked(name), pinned) == set(pinned)


def test_no_file_names_another_version_or_another_hash() -> None:
    def read_hashes(name: str) -> dict[str, set[str]]:
        entries = read_entries(name)
        return {entry.split()[0]: set(HASH.findall(entry)) for entry in entries}

    known = read_hashes("requirements-dev")
    for name in ("requirements", "requirements-s3"):
        found = read_hashes(name)
        assert {pin: known.get(pin) for pin in found} == found
    versions = {entry.split("==")[0]: entry for entry in known}
    for pin, hashes in read_hashes("requirements-manifests").items():
        if pin.split("==")[0] in versions:
            assert known.get(pin) == hashes


def test_what_tests_run_with_is_what_was_locked() -> None:
    here = ".".join(map(str, sys.version_info[:3]))
    pinned = select(read_pinned(NAMES[2]), here)
    # What installs the rest came with this Python, or from it.
    found = {name: version(name) for name in pinned if name != "pip"}
    assert found == {name: get_version(pinned[name]) for name in found}


def test_installing_takes_wheels_by_hash_only() -> None:
    options = "--require-hashes --no-deps --only-binary :all:"
    assert list(bootstrap.OPTIONS) == options.split()
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    installs = re.findall(r"pip install (.+)", image)
    assert installs
    for words in (*installs, *re.findall(r"pip install (-.+)", DEPLOY.read_text())):
        assert options in words
