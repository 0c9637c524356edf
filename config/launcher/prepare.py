"""Bring the local run's database up to date, in one process: each costs seconds."""

from __future__ import annotations

import io
import os
import sys


def main(roles: list[str]) -> None:
    """Migrate, load the playbooks, and give the named roles their rights."""
    import django
    from django.core.management import call_command

    for name in ("DATABASE_LOCK_SECONDS", "DATABASE_IDLE_SECONDS"):
        os.environ[name] = "0"  # a migration takes as long as it takes
    django.setup()
    call_command("migrate", verbosity=0)
    # Ends or fails: what it did otherwise nobody reads at a start.
    call_command("load_playbooks", stdout=io.StringIO())
    for role in roles:
        call_command("grant_app_role", role, stdout=io.StringIO())


if __name__ == "__main__":
    main(sys.argv[1:])
