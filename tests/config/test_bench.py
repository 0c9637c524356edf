"""Every bench runs from its start to its end; `make bench` is not told of it first."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from tests.backend.template import name_template
from tests.bench.sizes import SMALLEST

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    *sorted(path.stem for path in (ROOT / "tests" / "bench").glob("bench_*.py")),
    "scale",
]


@pytest.fixture
def bench_database(transactional_db: None) -> Iterator[str]:
    """Give the URL of a migrated database that only the bench uses."""
    name = f"{connection.settings_dict['NAME']}_bench"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{name_template()}"')
    yield urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    with connection.cursor() as cursor:
        for made in (name, f"test_{name}"):
            cursor.execute(f'DROP DATABASE IF EXISTS "{made}" WITH (FORCE)')


def test_benches_are_found() -> None:
    assert MODULES


@pytest.mark.parametrize("module", MODULES)
def test_bench_runs_to_its_end(module: str, bench_database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", SMALLEST],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": bench_database},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("|") > 10, "no table was printed"
    assert "Traceback" not in done.stderr
