"""`manage.py restore FOLDER`: a backup into an empty installation, then verified."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError

REFUSED = 2
CHECKS = ("verify_audit", "verify_records", "verify_store")


class Command(BaseCommand):
    help = (
        "Restore a backup into an empty installation, as the owner of its database, "
        "and verify everything. Exit code 0: restored, and all of it verifies; 1: "
        "restored, and something does not verify; 2: nothing was restored."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="what `backup` made")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        # Read here, since --help needs no database.
        from evidence.services.store.backups import restore_backup

        try:
            restore_backup(folder, tell=self.stdout.write)
        except (CasefileError, OSError) as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        failed = [name for name in CHECKS if not self._verify(name)]
        if failed:
            self.stdout.write(f"restored, and not sound: {', '.join(failed)}")
            sys.exit(1)
        self.stdout.write(
            "restored and verified. Now run load_playbooks, and grant_app_role for the "
            "application's role; on a new server make that role first."
        )

    def _verify(self, name: str) -> bool:
        try:
            call_command(name, stdout=self.stdout)
        except SystemExit as ending:
            return not ending.code
        return True
