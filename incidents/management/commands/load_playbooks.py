"""Load the built-in playbooks, a team's own, and the rules that open cases."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError
from evidence.wording import as_sentence
from incidents.services.alerts.rules import load_default_rules
from incidents.services.playbooks import BUILT_IN_FOLDER, LoadedPlaybook, load_folder


class Command(BaseCommand):
    help = (
        "Load the built-in playbooks, those of PLAYBOOK_FOLDERS and those of the "
        "folders named. Content that is loaded already changes nothing. Default alert "
        "rules that are missing are made; those that are there stay as they were set. "
        "Exit code 1: refused, and nothing of that folder is loaded."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")

    def handle(self, *, folders: list[Path], **options: Any) -> None:
        configured = [Path(folder) for folder in settings.PLAYBOOK_FOLDERS]
        for folder in [BUILT_IN_FOLDER, *configured, *folders]:
            for loaded in self._load(folder):
                self.stdout.write(_describe(loaded))
        for rule in load_default_rules(actor=None):
            self.stdout.write(f"alert rule {rule.key}: made")

    def _load(self, folder: Path) -> list[LoadedPlaybook]:
        try:
            return load_folder(folder, actor=None)
        except CasefileError as error:
            raise CommandError(as_sentence(error.message)) from error


def _describe(loaded: LoadedPlaybook) -> str:
    state = "loaded" if loaded.is_new else "unchanged"
    return f"{loaded.version.playbook.code} version {loaded.version.number}: {state}"
