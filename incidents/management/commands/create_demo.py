"""On a first run, make people of every role and cases to practise on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError
from incidents.services.demo import create_demo_cases, create_demo_people, has_people
from incidents.services.playbooks import BUILT_IN_FOLDER, load_folder


class Command(BaseCommand):
    help = (
        "Make one person of each role, with passwords that are printed once and never "
        "the same, and practice cases. Does nothing where anybody can sign in already."
    )

    def handle(self, **options: Any) -> None:
        if has_people():
            self.stdout.write("People exist already: nothing to do.")
            return
        try:
            load_folder(BUILT_IN_FOLDER, actor=None)
            passwords = create_demo_people()
            # Before the cases: whatever becomes of them, the people exist.
            self._print(passwords)
            cases = create_demo_cases()
        except CasefileError as error:
            raise CommandError(error.message) from error
        for case in cases:
            self.stdout.write(f"Opened {case}")

    def _print(self, passwords: dict[str, str]) -> None:
        width = max(map(len, passwords))
        self.stdout.write("Sign in as one of these. The passwords are shown only now:")
        for name, password in passwords.items():
            self.stdout.write(f"  {name:<{width}}  {password}")
        self.stdout.flush()
