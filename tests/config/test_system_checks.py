"""System checks, and what starting without a page loads."""

import subprocess
import sys

from django.core.management import call_command

from tests.test_architecture import ROOT

STARTED = """
import sys

import django

django.setup()

from django.core.checks import run_checks

from config.celery import app

app.loader.import_default_modules()


def pages():
    apps = {name.partition(".admin.")[0] for name in sys.modules if ".admin." in name}
    return sorted(apps & {"evidence", "incidents", "policy"})


print(*pages())
run_checks(tags=["admin"])
print(*pages())
"""


def test_checks_ask_the_database_nothing() -> None:
    """Without the `db` fixture, a query raises."""
    call_command("check")


def test_a_worker_loads_no_page_and_the_checks_load_all() -> None:
    """Pages are half of what starting costs; a worker and a command show none."""
    done = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["", "evidence incidents policy"], done.stderr
