"""`manage.py verify_store`: read every stored file, and hold the store to the rows."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.errors import StorageUnavailable
from evidence.wording import as_sentence

UNSOUND, UNCHECKED = 1, 2


class Command(BaseCommand):
    help = (
        "Read and hash every stored file at once, as after a restore, and list files "
        "that belong to no row. Exit code 0: all is sound and claimed; 1: something "
        "is damaged, missing or unclaimed; 2: the store could not be checked."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument(
            "--keep-unclaimed",
            action="store_true",
            help="leave files without a row where they are, and report them no more",
        )
        choice.add_argument(
            "--remove-unclaimed",
            action="store_true",
            help="remove files without a row that are older than a day",
        )
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="take this store for the database's own, after it was moved",
        )
        parser.add_argument(
            "--json", action="store_true", help="one line of JSON for each finding"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._verify(**options)
        except StorageUnavailable as error:
            raise CommandError(
                as_sentence(error.message), returncode=UNCHECKED
            ) from error

    def _verify(self, *, json: bool, adopt: bool, **options: Any) -> None:
        # Read here, since --help needs no database.
        from evidence.services.store import checks, claims, marking

        if adopt:
            marking.adopt_store()
        marking.settle_store()
        self._as_json = json
        checked = faulty = 0
        for sha256_hex in claims.list_claimed():
            checked += 1
            if not checks.check_bytes(sha256_hex):
                faulty += 1
                self._tell_fault(sha256_hex)
        left = self._settle_unclaimed(**options)
        self._conclude(checked, faulty, left)
        if faulty or left:
            sys.exit(UNSOUND)

    def _settle_unclaimed(
        self, *, keep_unclaimed: bool, remove_unclaimed: bool, **options: Any
    ) -> int:
        """List what belongs to no row, do as asked, and return how much is left."""
        from evidence.services.store import unclaimed

        unclaimed.sweep_unclaimed()
        waiting = unclaimed.list_waiting()
        done = 0
        if keep_unclaimed:
            done = unclaimed.keep_unclaimed(waiting, actor=None)
            words = "kept"
        elif remove_unclaimed:
            done = unclaimed.remove_unclaimed(waiting, actor=None)
            words = "removed"
        else:
            words = "found"
        for row in waiting:
            self._write("unclaimed", row.sha256_hex, words, f"{row.size_bytes} bytes")
        return len(waiting) - done

    def _tell_fault(self, sha256_hex: str) -> None:
        from evidence.models import EvidenceItem, StoreFault

        fault = StoreFault.objects.standing().get(sha256_hex=sha256_hex)
        items = EvidenceItem.objects.filter(sha256_hex=sha256_hex)
        names = ", ".join(
            f"item {item.pk} of {item.incident.reference}"
            for item in items.select_related("incident").order_by("pk")
        )
        owners = names or "a file of Casefile's own"
        self._write("fault", sha256_hex, fault.kind, f"{owners}. {fault.detail}")

    def _conclude(self, checked: int, faulty: int, left: int) -> None:
        if self._as_json:
            line = {"checked": checked, "faulty": faulty, "unclaimed": left}
            self.stdout.write(json.dumps(line))
            return
        files = f"{checked} stored file{'' if checked == 1 else 's'}"
        verdict = f"{faulty} not sound" if faulty else "all sound"
        more = f", {left} without a row" if left else ""
        self.stdout.write(f"{files}: {verdict}{more}")

    def _write(self, what: str, sha256_hex: str, state: str, detail: str) -> None:
        if self._as_json:
            line = {what: sha256_hex, "state": state, "detail": detail}
            self.stdout.write(json.dumps(line))
        else:
            self.stdout.write(f"{what} {sha256_hex} {state}: {detail}")
