#!/usr/bin/env python
"""Django's command-line utility for Casefile."""

import os
import sys

# These commands read and write documents only. They run without a database and
# without production's environment: on a laptop, or on a machine without network.
OFFLINE_COMMANDS = frozenset({"verify_evidence", "build_evidence", "simulate"})


def main() -> None:
    """Run a management command."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    reads_file = command == "verify_audit" and any(
        argument.startswith("--file") for argument in sys.argv
    )
    offline = command in OFFLINE_COMMANDS or reads_file
    offline = offline and "SECRET_KEY" not in os.environ
    module = "config.settings_offline" if offline else "config.settings"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", module)

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
