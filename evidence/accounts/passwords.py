"""Passwords that are refused, by lists and rules that are shipped: nobody is asked.

`zxcvbn` estimates how many guesses a password takes that begin with what was breached
most often: lists of passwords, names and words, also spelled with digits, repeated, as
rows of keys and as dates. What it reads is bounded, since its work is not linear.
"""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables
from zxcvbn import zxcvbn

PRODUCT_WORDS = ("casefile",)
LEAST_GUESSES = 10**10
"""Below, zxcvbn calls a password guessable offline against a slow hash."""
READ_CHARACTERS = 72
SHORTEST_WORD = 4
"""Shorter names are in half of all sentences."""
LOOKS = str.maketrans("0134578@$!|€l", "oieastbasiiei")
NOT_WORDS = re.compile(r"[\W_]+")


class GuessablePasswordValidator:
    """Refuse what was breached often, and what is made from it."""

    @sensitive_variables("password")
    def validate(self, password: str, user: User | None = None) -> None:
        words = [*PRODUCT_WORDS, *_words_about(user)]
        found = zxcvbn(password[:READ_CHARACTERS], user_inputs=words)
        if found["guesses"] < LEAST_GUESSES:
            raise ValidationError(
                "This password, or the pattern behind it, is among the first that "
                "are guessed. Take four or more words that do not belong together.",
                code="password_guessable",
            )

    def get_help_text(self) -> str:
        return "Not a password that was breached, nor one made from it."


class PersonalPasswordValidator:
    """Refuse a password with one's own name, address or the product in it.

    Digits and signs that stand for letters are read as these, in both directions.
    """

    @sensitive_variables("password", "read")
    def validate(self, password: str, user: User | None = None) -> None:
        read = look_of(password)
        for word in [*PRODUCT_WORDS, *_words_about(user)]:
            look = look_of(word)
            if len(look) >= SHORTEST_WORD and (look in read or look[::-1] in read):
                raise ValidationError(
                    "Your name, your e-mail address and the name of this product "
                    "are guessed first, also with digits in place of letters. "
                    "Leave them out.",
                    code="password_personal",
                )

    def get_help_text(self) -> str:
        return "Without your name, your e-mail address or the name of this product."


def look_of(text: str) -> str:
    """Return the letters that a text shows: `C4s3-F1le` as `casefile`."""
    return NOT_WORDS.sub("", text.casefold().translate(LOOKS))


def _words_about(user: User | None) -> list[str]:
    """Return what a person is called, whole and in parts."""
    if user is None:
        return []
    names = [user.get_username(), user.first_name, user.last_name]
    mailbox, _, domain = user.email.partition("@")
    host = domain.rpartition(".")[0]
    parts = [part for text in (*names, mailbox, host) for part in NOT_WORDS.split(text)]
    whole = [*names, mailbox]
    return [word for word in dict.fromkeys([*whole, *parts]) if word]
