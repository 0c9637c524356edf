"""`manage.py import_evidence`: files on this machine become evidence of an incident."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from evidence.accounts.access import Actor
from evidence.errors import CasefileError
from evidence.models import Channel, EvidenceItem, EvidenceKind
from evidence.services import receive_evidence
from evidence.wording import as_sentence


class Command(BaseCommand):
    help = "Take files in as evidence of an incident. Exit code 1 if one was refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--incident", required=True, help="its reference, such as SEC-INC-2026-0001"
        )
        parser.add_argument(
            "--kind",
            choices=EvidenceKind.values,
            help="what the files are; the content decides otherwise",
        )
        parser.add_argument("--source", default="", help="where they come from")
        parser.add_argument(
            "--as", dest="username", help="the person who imports; the system otherwise"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        incident_id = _find_incident(options["incident"])
        actor = _find_user(options["username"])
        refused = 0
        for path in options["files"]:
            try:
                item, created = _import(path, incident_id, actor, options)
            except (CasefileError, OSError) as error:
                self.stderr.write(f"{path}: {as_sentence(_why(error))}")
                refused += 1
                continue
            said = "received" if created else "was there already"
            self.stdout.write(
                f"{path}: {said} as item {item.pk}, {item.get_kind_display()}, "
                f"SHA-256 {item.sha256_hex}"
            )
        if refused:
            raise CommandError(
                f"Refused: {refused} of {len(options['files'])} files, each for the "
                "reason above. The others are received; send the rest again."
            )


def _why(error: CasefileError | OSError) -> str:
    if isinstance(error, OSError):
        return f"The file cannot be read: {error.strerror}"
    return error.message


def _import(
    path: Path, incident_id: int, actor: Actor, options: dict[str, Any]
) -> tuple[EvidenceItem, bool]:
    with path.open("rb") as file:
        return receive_evidence(
            incident_id=incident_id,
            stream=file,
            original_name=path.name,
            channel=Channel.COMMAND,
            actor=actor,
            kind=options["kind"],
            source=options["source"],
        )


def _find_incident(reference: str) -> int:
    incidents = EvidenceItem._meta.get_field("incident").related_model
    found = incidents._default_manager.filter(reference=reference).values_list(
        "pk", flat=True
    )
    if not found:
        raise CommandError(
            f"There is no case {reference}. Give --incident the reference of one, such "
            "as SEC-INC-2026-0001."
        )
    return int(found[0])


def _find_user(username: str | None) -> Actor:
    if username is None:
        return None
    try:
        return User.objects.get(username=username)
    except User.DoesNotExist as error:
        raise CommandError(
            f"There is no user {username}. Give --as the name that they sign in with."
        ) from error
