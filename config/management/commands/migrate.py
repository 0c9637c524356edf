"""`manage.py migrate`: Django's own, beside a version that goes on working.

A migration locks one table after another, and who works holds others: they may wait
for each other, and everybody behind them. So a migration waits for a lock a few seconds
only. Then it is undone whole, lets everybody pass, and is tried again.

An empty database is migrated by `evidence.database.first_migration`, which is quicker;
Django's own command then finds nothing to apply, and does the rest.
"""

import time
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import (
    CommandError,
    CommandParser,
    no_translations,
)
from django.core.management.commands import migrate
from django.db import OperationalError

from evidence.database.first_migration import is_empty, migrate_first
from evidence.database.reading_role import drop_reading_views, renew_reading_views

CONFLICTS = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
TRIES = 60
PAUSE_SECONDS = 2.0
"""Room for what has waited behind the migration."""
# With one of these Django is asked for something else than everything.
NARROWER = ("app_label", "fake", "fake_initial", "plan", "check_unapplied", "prune")


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--tries",
            type=int,
            default=TRIES,
            help="How often a migration is tried that meets the changes of others "
            f"(default: {TRIES}, {PAUSE_SECONDS:.0f} seconds apart).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        had_views = drop_reading_views()
        try:
            self._migrate(args, options)
        finally:
            if had_views:
                renew_reading_views(settings.DATABASE_READ_ROLE)

    def _migrate(self, args: Any, options: Any) -> None:
        left = options["tries"]
        while not self._is_done(args, options):
            left -= 1
            if left <= 0:
                raise CommandError(
                    "Others hold the same tables all the time. The last migration was "
                    "undone whole, those before it stay: run migrate again, or stop "
                    "workers and webs first."
                )
            self.stdout.write(
                "\nOthers are changing the same tables: this migration was undone "
                "whole, and is tried again."
            )
            time.sleep(PAUSE_SECONDS)

    def _is_done(self, args: Any, options: Any) -> bool:
        """Migrate; return False where a lock was not had."""
        try:
            if not any(options[name] for name in NARROWER) and is_empty():
                self._migrate_first(options)
            super().handle(*args, **options)
        except OperationalError as error:
            if not _is_conflict(error):
                raise
            return False
        return True

    @no_translations
    def _migrate_first(self, options: Any) -> None:
        self.verbosity = options["verbosity"]
        if self.verbosity >= 1:
            told = self.style.MIGRATE_HEADING("Migrating an empty database:")
            self.stdout.write(told)
        migrate_first(self.migration_progress_callback)


def _is_conflict(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, CONFLICTS):
            return True
        error = error.__cause__
    return False
