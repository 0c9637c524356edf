import argparse

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from evidence.accounts.tokens import create_token, require_usable
from evidence.errors import CasefileError
from evidence.models import TokenScope
from evidence.wording import as_sentence

DEFAULT_DAYS = 90


class Command(BaseCommand):
    help = (
        "Make an API token and print it. It is shown this once and never again. "
        "Exit code 1: refused."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username", help="whose permissions the token uses")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=TokenScope.values,
            help="what it may do; give the option again for more",
        )
        parser.add_argument("--days", type=int, default=DEFAULT_DAYS)
        parser.add_argument("--name", default="", help="what it is for")
        parser.add_argument(
            "--network",
            action="append",
            default=[],
            help="where it may be used from, such as 192.0.2.0/24; give the option "
            "again for more; without: from anywhere",
        )

    def handle(
        self,
        *,
        username: str,
        scope: list[str],
        days: int,
        name: str,
        network: list[str],
        **options: object,
    ) -> None:
        if not all(map(str.strip, network)):
            # An empty variable of a script would open what was meant to be closed.
            raise CommandError(
                "Give --network a network such as 192.0.2.0/24, or leave it out: "
                "then the token is used from anywhere. It is empty."
            )
        users = get_user_model()._default_manager
        user = users.filter(username=username).first()
        if user is None:
            raise CommandError(
                f"There is no user {username}. Give the name that they sign in with."
            )
        try:
            require_usable(user, scope)
            token, secret = create_token(
                user=user,
                name=name or f"made for {username} on the command line",
                scopes=scope,
                days=days,
                networks=network,
                actor=None,
            )
        except CasefileError as error:
            raise CommandError(as_sentence(error.message)) from error
        self.stderr.write(
            f"Token {token}: scopes {', '.join(token.scopes)}; used from "
            f"{', '.join(token.networks) or 'anywhere'}; "
            f"expires {token.expiry:%Y-%m-%d %H:%M} UTC. Keep it: it is not stored."
        )
        self.stdout.write(secret)
