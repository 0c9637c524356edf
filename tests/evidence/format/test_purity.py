"""The package stands alone: no Django, no files, no clock, no network."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import evidence.format

FOLDER = Path(evidence.format.__file__).parent
OUTSIDE_WORLD = {
    *("django", "celery", "requests", "socket", "urllib", "http", "subprocess"),
    *("time", "datetime", "os", "pathlib", "random", "logging", "threading"),
}


def test_importing_the_package_imports_no_django():
    code = (
        "import sys, evidence.format; "
        "print([name for name in sys.modules if name.split('.')[0] == 'django'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem
)
def test_module_imports_nothing_of_the_outside_world(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add((node.module or "").split(".")[0])
    assert not imported & OUTSIDE_WORLD


def test_every_public_name_exists():
    for name in evidence.format.__all__:
        assert hasattr(evidence.format, name)
