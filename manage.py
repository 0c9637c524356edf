#!/usr/bin/env python
"""Django's command-line utility for Casefile."""

import os
import sys

from config.commands import OWNER_COMMANDS, is_document_command, is_offline
from evidence.call_stack import call_with_room

LIMITS = ("DATABASE_STATEMENT_SECONDS", "DATABASE_IDLE_SECONDS")


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", choose_settings(sys.argv[1:]))

    if OWNER_COMMANDS & set(sys.argv[1:2]):
        # A migration may take as long as it takes. For locks it waits no longer than
        # others do, since they wait behind it; it is tried again.
        for name in LIMITS:
            os.environ.setdefault(name, "0")

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import InterfaceError, OperationalError
    from redis.exceptions import RedisError

    try:
        call_with_room(execute_from_command_line, sys.argv)
    except ImproperlyConfigured as refusal:
        # Where the code was at says nothing to who has to set a variable.
        sys.exit(f"ImproperlyConfigured: {refusal}")
    except (OperationalError, InterfaceError, RedisError) as fault:
        if "--traceback" in sys.argv:
            raise
        server = "Redis" if isinstance(fault, RedisError) else "The database"
        sys.exit(
            f"{server} did not answer, or not in time: {fault}\n"
            "The command did not end its work. Run it again once the server answers; "
            "--traceback says where it was."
        )


def choose_settings(words: list[str]) -> str:
    """Return the settings that a command gets by: on a laptop, without a network, a
    document is verified without production's environment."""
    is_set = {"SECRET_KEY", "SECRET_KEY_FILE"} & os.environ.keys()
    if is_set or not is_offline(words):
        return "config.settings"
    if is_document_command(words):
        return "config.settings_documents"
    return "config.settings_offline"


if __name__ == "__main__":
    main()
