"""On a first run, make people of every role and cases to practise on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.errors import CasefileError
from evidence.wording import as_sentence
from incidents.services.demo import (
    create_demo_cases,
    create_demo_people,
    has_people,
    list_accounts,
)
from incidents.services.playbooks import BUILT_IN_FOLDER, load_folder

MOST_NAMED = 10


class Command(BaseCommand):
    help = (
        "Make one person of each role, with passwords that are printed once and never "
        "the same, and practice cases. Does nothing where anybody can sign in already. "
        "Exit code 1: refused."
    )

    def handle(self, **options: Any) -> None:
        if has_people():
            self.stdout.write(
                f"People exist already, and nothing was made: {_list_people()}. "
                "Passwords were shown when they were made, and are kept nowhere."
            )
            return
        try:
            load_folder(BUILT_IN_FOLDER, actor=None)
            passwords = create_demo_people()
            # Before the cases: whatever becomes of them, the people exist.
            self._print(passwords)
            cases = create_demo_cases()
        except CasefileError as error:
            raise CommandError(as_sentence(error.message)) from error
        for case in cases:
            self.stdout.write(f"Opened {case}")

    def _print(self, passwords: dict[str, str]) -> None:
        width = max(map(len, passwords))
        self.stdout.write("Sign in as one of these. The passwords are shown only now:")
        for name, password in passwords.items():
            self.stdout.write(f"  {name:<{width}}  {password}")
        self.stdout.flush()


def _list_people() -> str:
    names = list(list_accounts()[: MOST_NAMED + 1])
    more = [" and more"] if len(names) > MOST_NAMED else []
    return ", ".join(names[:MOST_NAMED]) + "".join(more)
