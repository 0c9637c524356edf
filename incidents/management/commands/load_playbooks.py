"""Load the built-in playbooks and a team's own."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError
from incidents.services.playbooks import BUILT_IN_FOLDER, LoadedPlaybook, load_folder


class Command(BaseCommand):
    help = (
        "Load the built-in playbooks, those of PLAYBOOK_FOLDERS and those of the "
        "folders named. Content that is loaded already changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")

    def handle(self, *, folders: list[Path], **options: Any) -> None:
        configured = [Path(folder) for folder in settings.PLAYBOOK_FOLDERS]
        for folder in [BUILT_IN_FOLDER, *configured, *folders]:
            for loaded in self._load(folder):
                self.stdout.write(_describe(loaded))

    def _load(self, folder: Path) -> list[LoadedPlaybook]:
        try:
            return load_folder(folder, actor=None)
        except CasefileError as error:
            raise CommandError(error.message) from error


def _describe(loaded: LoadedPlaybook) -> str:
    state = "loaded" if loaded.is_new else "unchanged"
    return f"{loaded.version.playbook.code} version {loaded.version.number}: {state}"
