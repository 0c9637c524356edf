"""`manage.py backup FOLDER`: the database and the store, verified while written."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError

UNSOUND, REFUSED = 1, 2


class Command(BaseCommand):
    help = (
        "Back the database and the evidence store up into a folder. One that was "
        "interrupted goes on where it stopped. Exit code 0: all is there and sound; "
        "1: the store had damaged or missing files, the rest is there; 2: no backup."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a new folder, or an unfinished")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        # Read here, since --help needs no database.
        from evidence.services.store.backups import make_backup

        try:
            made = make_backup(folder, tell=self.stdout.write)
        except (CasefileError, OSError) as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        self.stdout.write(f"evidence: {made.file_count} files, {made.file_bytes} bytes")
        for sha256_hex in made.unsound:
            self.stdout.write(f"not in the backup, damaged in the store: {sha256_hex}")
        if made.unsound:
            raise CommandError(
                f"{len(made.unsound)} files are not in the backup: run verify_store.",
                returncode=UNSOUND,
            )
        self.stdout.write(f"{folder} is a whole backup")
