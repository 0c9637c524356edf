"""docs/access.md: the stated matrix as tables that a person can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

DOCUMENT = Path(__file__).parents[2] / "docs" / "access.md"
HEAD = """# Who may do what

This page is written by `make access` from what is stated in `tests/access`. Tests fail
while it is not current and for a route that is not stated (`make test`). Others ask
every page, button and resource as everybody, with the forms that the pages offer, count
in the database what changed, and compare (`tests/access/asked`, in `make walk`).

**●** is let through, **·** is refused. Visitors are asked to sign in, except at
the pages for signing in and out; so are accounts that are switched off and accounts for
machines. What is not listed here does not exist, and every other method is refused.

*Row* says whose row an address names. **A case's** is there for whom its case is: the
table then holds for it, for open cases, for members of a case's team, and for who is
named on a restricted one. For whom the case is hidden, every method and button of the
address is answered as for a row that is not there, and changes nothing: cases that are
restricted and do not name them, and those of other teams for those in a team that
sees only its own. Auditors see all. *Everybody's* is seen by all who may open the page;
*one's own* by its owner alone.
"""
API_HEAD = """## API

The columns are the owner of the token. A token needs the scope too: it narrows what its
owner may do and adds nothing. With the session of a browser the API is only read.
Tokens that expired, were revoked or belong to an account that is switched off open
nothing.
"""


def write() -> str:
    """Return the document."""
    return "\n".join([HEAD, *_pages(), API_HEAD, *_api()]).rstrip() + "\n"


def _pages() -> Iterator[str]:
    from tests.access.stated import NONE, SITE, TABLES

    yield "## Pages\n"
    yield from _head(persons(), "Page", "", "Row")
    for path, page in SITE.items():
        if not page.closed:
            yield from _rows(f"`/{path}`", page.reads, page.sends, NONE)
    for label, table in TABLES.items():
        yield ""
        yield f"### {_title(label)}\n"
        yield from _head(persons(), "Page", "", "Row")
        row = table.rows
        yield from _rows("list, row, history", table.reads, frozenset(), row)
        opens = table.adds if table.add_page is None else table.add_page
        yield from _rows("`add/`", opens, table.adds, NONE)
        yield from _rows("row", frozenset(), table.changes, row)
        yield from _rows("`delete/`", table.deletes, table.deletes, row)
        yield from _rows("list", frozenset(), table.sends_list, NONE)
        stated = dict(table.routes(label))
        for path, page in table.pages.items():
            named = stated[f"admin/{label.replace('.', '/')}/{path}"].row
            yield from _rows(f"`{path}`", page.reads, page.sends, named)
        for name, roles in {**table.bulk, **table.buttons}.items():
            yield from _rows(f"button `{name}`", frozenset(), roles, row)
    yield ""


def _title(label: str) -> str:
    from django.apps import apps

    name = str(apps.get_model(label)._meta.verbose_name_plural)
    return name[:1].upper() + name[1:]


def _rows(
    name: str, reads: frozenset[Any], sends: frozenset[Any], row: Any
) -> Iterator[str]:
    for verb, roles in (("open", reads), ("send", sends)):
        if roles:
            yield _line(name, verb, row, [who in roles for who in persons()])


def _api() -> Iterator[str]:
    from tests.access.stated import OF_A_CASE, READERS, SHARED
    from tests.access.stated_api import LISTS, OF_NO_CASE, OTHERS

    lists: list[str] = []
    yield from _head(owners(), "Resource", "scope", "Row")
    for path, resource in OTHERS.items():
        if resource.reads:
            held = [who in resource.reads for who in owners()]
            scopes = ", ".join(resource.scopes)
            yield _line(f"GET `{path}`", scopes, resource.row, held)
        for method, write in resource.writes.items():
            held = [who in write.roles for who in owners()]
            name = f"{method.upper()} `{path}`"
            yield _line(name, write.scope, resource.row, held)
    held = [who in READERS for who in owners()]
    for row, names in ((OF_A_CASE, {*LISTS} - OF_NO_CASE), (SHARED, OF_NO_CASE)):
        name = f"GET a list of rows that are {row}, or a row"
        yield _line(name, "read", row, held)
        lists.append(f"Rows are {row}: {', '.join(f'`{n}`' for n in sorted(names))}.")
    for told in lists:
        yield ""
        yield told


def persons() -> list[Any]:
    from tests.access.people import Who

    return [
        *(Who.OUTSIDER, Who.RESPONDER, Who.REVIEWER, Who.AUDITOR),
        *(Who.ADMINISTRATOR, Who.SUPERUSER),
    ]


def owners() -> list[Any]:
    from tests.access.people import Who

    return [*persons(), Who.MACHINE]


def _head(people: list[Any], *names: str) -> Iterator[str]:
    yield "| " + " | ".join([*names, *(who.value for who in people)]) + " |"
    yield "|" + "---|" * (len(names) + len(people))


def _line(name: str, verb: str, row: str, cells: list[bool]) -> str:
    return (
        f"| {name} | {verb} | {row} | "
        + " | ".join("·●"[cell] for cell in cells)
        + " |"
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    django.setup()
    DOCUMENT.write_text(write(), encoding="utf-8")
