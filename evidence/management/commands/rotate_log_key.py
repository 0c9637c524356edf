"""`manage.py rotate_log_key`: another key for the history log, beside the old one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.audit.log.keys import make_key, rotate_log_key
from evidence.errors import LogKeyMissing
from evidence.proof.notes import encode_signing_key, encode_verifier
from evidence.wording import as_sentence


class Command(BaseCommand):
    help = (
        "Make a new key that signs the history log's checkpoints and archives. The old "
        "one signs beside it for 30 days, and its public half is kept for good. Tell "
        "those who keep the old public key the new one. Exit code 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--print",
            action="store_true",
            dest="only_print",
            help="only print a new secret key, for LOG_SIGNING_KEYS",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["only_print"]:
                key = make_key()
                self.stdout.write(encode_signing_key(key))
                self.stderr.write(f"public: {encode_verifier(key.verifier)}")
                return
            row = rotate_log_key(actor=None)
        except LogKeyMissing as error:
            raise CommandError(as_sentence(str(error))) from error
        self.stdout.write(row.verifier)
