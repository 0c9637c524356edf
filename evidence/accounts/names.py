"""Names of accounts: of a form that can be written, and not to be taken for others."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError

from evidence.errors import PersonError
from evidence.lookalikes import find_lookalike, show_hidden


def require_free_name(username: str) -> str:
    """Return a new account's name as it is kept; raise PersonError for another."""
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
    _require_own_look(name)
    return name


def _require_own_look(name: str) -> None:
    """Refuse a name that a reader could take for somebody else's."""
    names = list(User.objects.values_list("username", flat=True))
    if name in names:
        raise PersonError(f"There is somebody called {name} already.", field="username")
    if (other := find_lookalike(name, names)) is not None:
        raise PersonError(
            f"{show_hidden(name)} looks like {other}, who has an account already: "
            "history would not tell them apart. Choose a name that differs in more "
            "than case, hidden characters or look-alike letters.",
            code="name_looks_alike",
            field="username",
        )
