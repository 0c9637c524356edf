"""`manage.py verify_records`: hold every row against what was recorded of it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

UNCHECKED = 2


class Command(BaseCommand):
    help = (
        "Compare every row with what was recorded when it was written, and name what "
        "differs. Exit code 0: everything is as it was written; 1: something differs; "
        "2: it could not be checked."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--accept",
            metavar="REASON",
            help="after finding out why rows differ: take them as they are now",
        )
        parser.add_argument(
            "--json", action="store_true", help="one line of JSON for each difference"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Read here, since --help needs no database.
        from evidence.audit.records.checking import accept_records, check_records
        from evidence.errors import RecordsRefused

        try:
            if options["accept"] is not None:
                count = accept_records(reason=options["accept"], actor=None)
                self.stdout.write(f"{count} rows are accepted as they are")
            check, faults = check_records(actor=None)
        except (RecordsRefused, DatabaseError) as error:
            raise CommandError(str(error).strip(), returncode=UNCHECKED) from error
        for fault in faults:
            line = (
                json.dumps(asdict(fault))
                if options["json"]
                else f"{fault.code}: {fault.message} ({fault.table})"
            )
            self.stdout.write(line)
        if not options["json"]:
            verdict = (
                f"{len(faults)} differences"
                if faults
                else "everything is as it was written"
            )
            self.stdout.write(f"{check.table_count} tables: {verdict}")
        if faults:
            sys.exit(1)
