"""`manage.py export_scan`: a stored scan as a SARIF file."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from policy.models import ScanReport
from policy.services.sarif import sarif_of


class Command(BaseCommand):
    help = "Write a stored scan report as SARIF 2.1.0. Exit code 1: refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("report", type=int, help="the number of the scan report")
        parser.add_argument("--output", type=Path, required=True, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        report = ScanReport.objects.filter(pk=options["report"]).first()
        if report is None:
            raise CommandError(
                f"There is no scan report {options['report']}. Its number is at the "
                "end of the address of its page."
            )
        text = json.dumps(sarif_of(report), indent=2)
        try:
            options["output"].write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"{options['output']} could not be written: {error.strerror}. "
                "Name a file in a folder that you may write to."
            ) from error
        self.stdout.write(f"scan report {report.pk}: {report.entry_count} results")
