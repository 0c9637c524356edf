"""`manage.py import_runtime_history`: the runtime's record of trust into a case."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError
from evidence.models import Channel
from evidence.wording import as_sentence
from policy.rules.runtime_history import MAX_HISTORY_BYTES
from policy.services.concerned_cases import (
    incident_model,
)
from policy.services.runtime_histories import import_runtime_history


class Command(BaseCommand):
    help = (
        "Keep the runtime's record (JSON lines of transitions and kill-switch events) "
        "as evidence of a case, and list what the rules would have refused. "
        "Exit code 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--incident", required=True, metavar="REF")

    def handle(self, *args: Any, **options: Any) -> None:
        incidents: Any = incident_model().objects
        incident = incidents.filter(reference=options["incident"]).first()
        if incident is None:
            raise CommandError(
                f"There is no case {options['incident']}. Give --incident the "
                "reference of one, such as SEC-INC-2026-0001."
            )
        try:
            with options["file"].open("rb") as file:
                data = file.read(MAX_HISTORY_BYTES + 1)
            row = import_runtime_history(
                incident_id=incident.pk,
                data=data,
                original_name=options["file"].name,
                channel=Channel.COMMAND,
                actor=None,
            )
        except OSError as error:
            raise CommandError(
                f"The file {options['file']} could not be read: {error.strerror}."
            ) from error
        except CasefileError as error:
            raise CommandError(as_sentence(error.message)) from error
        self.stdout.write(
            f"runtime history {row.pk}: {row.record_count} records, "
            f"{row.refused_count} refused, {row.fault_count} faulty lines"
        )
        for finding in row.findings:
            self.stdout.write(
                f"  line {finding['line']}: {finding['code']}: {finding['message']}"
            )
