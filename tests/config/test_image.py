"""What the Dockerfile copies is all that the program needs, and nothing secret.

`make deploy-check` builds the image; this runs its steps on what it would copy.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.config.test_settings import PRODUCTION, ROOT

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
IGNORED = [
    line
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]
PRIVATE = (
    *(".env", "deploy/.env", ".git/config", ".casefile/owner-password"),
    *(".venv/bin/python", "tests/conftest.py", "config/__pycache__/settings.pyc"),
)


def find_copied() -> list[str]:
    """Return the paths that the Dockerfile copies, from the top of the repository."""
    lines = re.findall(r"^COPY (.+)$", DOCKERFILE, re.M)
    return [path for line in lines for path in shlex.split(line)[:-1]]


def is_ignored(path: str) -> bool:
    """Tell whether a path is kept out by its own pattern or by that of a folder."""
    parts = path.split("/")
    places = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    patterns = [pattern.removeprefix("**/") for pattern in IGNORED]
    return any(
        fnmatch(place, pattern) or fnmatch(place.rpartition("/")[2], pattern)
        for place in places
        for pattern in patterns
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the working folder of the image, from what it copies and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    for name in find_copied():
        source, target = ROOT / name.rstrip("/"), folder / name.rstrip("/")
        if source.is_dir():
            kept = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, target, ignore=kept)
        else:
            shutil.copyfile(source, target)
    return folder


def run_in(folder: Path, words: list[str], **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.live
def test_static_files_are_collected_from_what_is_copied(image: Path) -> None:
    [step] = re.findall(
        r"^RUN (\w+=\S+) python (manage\.py collect.+)$", DOCKERFILE, re.M
    )
    name, _, value = step[0].partition("=")
    run_in(image, [sys.executable, *shlex.split(step[1])], **{name: value})
    assert (image / "staticfiles/staticfiles.json").is_file()


@pytest.mark.live
@pytest.mark.parametrize("program", ["config.wsgi", "config.celery", "config.workers"])
def test_every_part_loads_from_what_is_copied(program: str, image: Path) -> None:
    code = f"import django, {program} as part; django.setup(); print(part.__file__)"
    settings = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "config.settings"}
    assert str(image) in run_in(image, [sys.executable, "-c", code], **settings)


@pytest.mark.parametrize("path", PRIVATE)
def test_what_is_private_is_kept_out(path: str) -> None:
    assert is_ignored(path)


def test_nothing_that_is_copied_is_kept_out() -> None:
    assert [path for path in find_copied() if is_ignored(path)] == []
