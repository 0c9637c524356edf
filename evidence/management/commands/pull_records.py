"""Pull what changed since the last time, of every list of another Casefile's API."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.pulling import PullFailed, pull_everything


class Command(BaseCommand):
    help = (
        "Pull all records by the API into a folder: a file of JSON lines for each "
        "list. Run it again, and only what changed since is added; of lines with the "
        "same id the last counts. CASEFILE_TOKEN holds a token with the scope read. "
        "Exit code 1: refused or broken off; what was pulled before is kept."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="For example https://casefile.example.org")
        parser.add_argument("folder", type=Path, help="Where the records are kept.")
        parser.add_argument("--list", action="append", help="Only this list; repeat.")

    def handle(self, *args: Any, **options: Any) -> None:
        token = os.environ.get("CASEFILE_TOKEN", "")
        if not token:
            raise CommandError("Set CASEFILE_TOKEN to a token with the scope read.")
        try:
            for pulled in pull_everything(
                url=options["url"],
                token=token,
                folder=options["folder"],
                only=options["list"],
            ):
                self.stdout.write(f"{pulled.name}: {pulled.rows} rows")
        except PullFailed as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"{options['folder']} cannot be written: {error.strerror}."
            ) from error
