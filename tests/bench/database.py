"""A bench that needs a database: servers of its own, and a fresh test database."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def run_with_database(module: str, measure: Callable[[], int]) -> int:
    """Measure on a test database and return the exit code.

    Without servers in the environment, the module is run again beside its own.
    """
    if "DATABASE_URL" not in os.environ:
        from config.launcher.testing import run_beside_servers

        return run_beside_servers([sys.executable, "-m", module, *sys.argv[1:]])
    import django

    django.setup()
    from django.test.utils import setup_databases, setup_test_environment

    setup_test_environment()
    setup_databases(verbosity=0, interactive=False)
    return measure()
