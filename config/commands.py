"""What a management command needs: nothing, a database, or the queue as well.

Standard library only: the launcher asks before anything is installed, and `manage.py`
before Django is imported. A test holds the lists complete.
"""

from __future__ import annotations

from collections.abc import Sequence

# They read and write documents only, and run with as little of Django as that takes.
DOCUMENT_COMMANDS = frozenset(
    {
        *("verify_evidence", "build_evidence", "simulate", "answer_playbook"),
        "pull_records",
    }
)
# They look at the code alone.
CODE_COMMANDS = frozenset(
    {
        *("", "help", "version", "--help", "-h", "--version"),
        *("compilemessages", "diffsettings", "findstatic", "makemessages"),
        *("optimizemigration", "spectacular", "startapp", "startproject"),
    }
)
# They read or change rows, and queue nothing.
DATABASE_COMMANDS = frozenset(
    {
        *("verify_audit", "export_audit", "create_token", "grant_app_role"),
        *("load_playbooks", "changepassword", "createsuperuser", "rotate_log_key"),
        *("dbshell", "dumpdata", "inspectdb", "makemigrations", "migrate"),
        *("showmigrations", "sqlmigrate", "clearsessions"),
    }
)
# They change tables or rights, which only the tables' owner may.
OWNER_COMMANDS = frozenset({"migrate", "grant_app_role", "restore"})


def is_document_command(words: Sequence[str]) -> bool:
    """Return whether a command reads and writes documents and touches nothing else."""
    name = words[0] if words else ""
    reads_export = name == "verify_audit" and any(
        word == "--file" or word.startswith("--file=") for word in words
    )
    return name in DOCUMENT_COMMANDS or reads_export


def is_offline(words: Sequence[str]) -> bool:
    """Return whether a command runs without a database and production's environment."""
    name = words[0] if words else ""
    asks_for_help = "--help" in words or "-h" in words
    return asks_for_help or name in CODE_COMMANDS or is_document_command(words)


def needs_queue(words: Sequence[str]) -> bool:
    """Return whether a command may queue tasks or ask the cache."""
    return not is_offline(words) and words[0] not in DATABASE_COMMANDS
