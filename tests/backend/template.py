"""One migrated database, kept under the hash of what made it, cloned for each worker.

Migrating takes most of a test run's start. The first process that needs the template
makes it, the others wait for that and copy it, which takes a fraction of a second.
`make test` keeps a server with a template between its runs; `python -m` this module
makes one there.
"""

from config.launcher.source_hash import hash_schema

PREFIX = "casefile_template_"


def name_template() -> str:
    """Return the template's name: another one after any change of what makes it."""
    return PREFIX + hash_schema()[:16]


def lock_key(template: str) -> int:
    """Return the advisory lock held while this template is looked for or made."""
    return int(template.removeprefix(PREFIX)[:15], 16)


def main() -> None:
    """Make the template where it is missing, in the database server of the settings."""
    import django

    django.setup()
    from django.db import connection

    connection.creation.make_missing_template()


if __name__ == "__main__":
    main()
