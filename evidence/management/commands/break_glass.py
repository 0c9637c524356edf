import argparse

from django.core.management.base import BaseCommand, CommandError

from evidence.accounts.emergency import open_break_glass
from evidence.errors import CasefileError
from evidence.wording import as_sentence


class Command(BaseCommand):
    help = (
        "For an emergency: make an account an administrator that can sign in, and "
        "print its password. Its second factors are taken away. It is recorded, and "
        "reviewers, auditors and administrators are told. Exit code 1: refused."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username", help="whose account; made where there is none")
        parser.add_argument("--reason", required=True, help="kept in the history")

    def handle(self, *, username: str, reason: str, **options: object) -> None:
        try:
            person, password = open_break_glass(username=username, reason=reason)
        except CasefileError as error:
            raise CommandError(as_sentence(error.message)) from error
        name = person.get_username()
        if person.last_login is None:
            self.stderr.write(f"Nobody has signed in as {name} before: is it right?")
        self.stderr.write(
            f"{name} is an administrator now. This is recorded and told. The password "
            "is changed at the first sign-in, within seven days:"
        )
        self.stdout.write(password)
