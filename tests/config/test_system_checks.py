"""System checks run before there are tables: `migrate` on an empty database."""

from django.core.management import call_command


def test_checks_ask_the_database_nothing() -> None:
    """Without the `db` fixture, a query raises."""
    call_command("check")
