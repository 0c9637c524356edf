"""Names of accounts: of a form that can be written, and not to be taken for others."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import connection

from evidence.accounts.access import SYSTEM_NAME
from evidence.errors import PersonError
from evidence.lookalikes import (
    find_lookalike,
    lookalike_key,
    prototypes,
    show_hidden,
)

NOBODYS = (SYSTEM_NAME, "anonymous")
"""What history calls who is no account; one of this name would pass for them."""


DRAWN_AS = re.compile(
    r"LATIN (?:LETTER SMALL CAPITAL|SMALL LETTER|CAPITAL LETTER)(?: INSULAR)?"
    r" ([A-Z]|KRA)(?: WITH .*)?"
)
"""Letters that differ from plain ones in their drawing alone, by Unicode's names."""

SEPARATORS = re.compile(r"[-._+]+")
"""What parts a name's words; readers remember that it does, and not by which."""

LOCK = 0x0CA5E4A
"""Two new accounts at once take turns on it: they could be of one name, or look it."""


def require_free_name(username: str) -> str:
    """Return a new account's name as it is kept; raise PersonError for another.

    No other name is given out until the caller's transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    name = User.normalize_username(username.strip())
    limit = User._meta.get_field("username").max_length or 0
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError as error:
        raise PersonError(
            f"The username cannot be used. {' '.join(error.messages)}", field="username"
        ) from error
    if len(name) > limit:
        raise PersonError(
            f"The username is too long: {limit} characters are the most.",
            field="username",
        )
    require_own_look(name, list(User.objects.values_list("username", flat=True)))
    return name


def require_own_look(name: str, others: list[str]) -> None:
    """Raise PersonError for a name that a reader could take for somebody else's."""
    if show_hidden(name) != name:
        raise PersonError(
            f"The username has characters that nobody sees: {show_hidden(name)}. "
            "Leave them out.",
            code="name_looks_alike",
            field="username",
        )
    names = [*others, *NOBODYS]
    if name in NOBODYS:
        raise PersonError(
            f"History calls what no person did {name}. Choose another username.",
            code="name_looks_alike",
            field="username",
        )
    if name in names:
        raise PersonError(f"There is somebody called {name} already.", field="username")
    if (other := find_lookalike(name, names, read=_glanced_at)) is not None:
        raise PersonError(
            f"{show_hidden(name)} looks like {other}, who is here already: "
            "history would not tell them apart. Choose a name that differs in more "
            "than case, accents, separators, hidden characters or look-alike letters.",
            code="name_looks_alike",
            field="username",
        )


def _glanced_at(name: str) -> str:
    """Return what is read of a name: stricter than of what machines are called.

    A refused one costs another name; one that passes for another signs as them. So
    accents say nothing here, nor does `vv` differ from `w`, or `lead_one` from
    `lead.one`; where something is parted at all still does.
    """
    parts = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in parts if not unicodedata.combining(char))
    key = lookalike_key("".join(_plain_letter(char) or char for char in plain))
    table = _plain_look()
    # Again: a letter found so may have look-alikes of its own, as `m` has `rn`.
    key = lookalike_key("".join(table.get(char, char) for char in key))
    return SEPARATORS.sub("-", key.replace("vv", "w")).strip("-")


def _plain_letter(char: str) -> str:
    """Return the plain letter that this is another drawing of; "" for any other."""
    found = DRAWN_AS.fullmatch(unicodedata.name(char, ""))
    return found[1][0].lower() if found else ""


@cache
def _plain_look() -> dict[str, str]:
    """Return the plain letter of what only another drawing of it looks like.

    By Unicode's table Cyrillic `м` looks like a small capital M, and not like `m`.
    """
    return {
        shown: letter
        for char, shown in sorted(prototypes().items(), reverse=True)
        if len(shown) == 1 and not shown.isascii() and (letter := _plain_letter(char))
    }
