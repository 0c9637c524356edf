"""`manage.py take_policy_snapshot`: settings.json into a case."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError
from evidence.models import Channel
from evidence.wording import as_sentence
from policy.rules.documents import MAX_DOCUMENT_BYTES
from policy.services.concerned_cases import (
    incident_model,
)
from policy.services.snapshots import SnapshotSource, list_decisions, take_snapshot


class Command(BaseCommand):
    help = (
        "Take a policy snapshot of settings.json, and of the output of "
        "`pi --explain-extension-policy`, into a case. Secrets are redacted before "
        "anything is stored. Exit code 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "document",
            metavar="SETTINGS",
            type=Path,
            help="the runtime's settings.json",
        )
        parser.add_argument("--incident", required=True, metavar="REF")
        parser.add_argument("--explanation", type=Path, metavar="FILE")
        parser.add_argument("--cli-profile", default="", metavar="NAME")
        parser.add_argument("--env-profile", default="", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        incidents: Any = incident_model().objects
        incident = incidents.filter(reference=options["incident"]).first()
        if incident is None:
            raise CommandError(
                f"There is no case {options['incident']}. Give --incident the "
                "reference of one, such as SEC-INC-2026-0001."
            )
        explanation: Path | None = options["explanation"]
        source = SnapshotSource(
            settings=_read(options["document"]),
            explanation=_read(explanation) if explanation else None,
            settings_name=options["document"].name,
            explanation_name=explanation.name if explanation else "",
            cli_profile=options["cli_profile"],
            env_profile=options["env_profile"],
        )
        try:
            snapshot = take_snapshot(
                incident_id=incident.pk,
                source=source,
                channel=Channel.COMMAND,
                actor=None,
            )
        except CasefileError as error:
            raise CommandError(as_sentence(error.message)) from error
        self.stdout.write(
            f"policy snapshot {snapshot.pk}: {len(snapshot.faults)} faults, "
            f"{len(snapshot.redactions)} redactions, "
            f"{len(snapshot.disagreements)} disagreements"
        )
        for decision in list_decisions(snapshot):
            if decision["extension"] is None:
                self.stdout.write(
                    f"  {decision['capability']}: {decision['decision']} "
                    f"({decision['reason']})"
                )


def _read(path: Path) -> bytes:
    """Return a file, one byte more than may be at most: the reader refuses it then."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise CommandError(
            f"The file {path} could not be read: {error.strerror}."
        ) from error
