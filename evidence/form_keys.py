"""The key of an open form, drawn anew with each page for the person who is to fill it.

It is signed, and so proves that a form is one of ours: only such a form is kept over a
sign-in, and only for the person whose it is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.core import signing

KEY_NAME = "form_key"
_SIGNER = signing.Signer(salt="casefile.form")


@dataclass(frozen=True)
class FormKey:
    """Whose form it is; one with a secret in it is never kept."""

    person_pk: int
    nonce: str
    is_secret: bool


def make_key(person_pk: int, *, is_secret: bool = False) -> str:
    """Return a new key for a form that is drawn for this person."""
    kind = "s" if is_secret else "o"
    return _SIGNER.sign(f"{person_pk}.{kind}.{secrets.token_urlsafe(16)}")


def read_key(text: str) -> FormKey | None:
    """Return what a key says; None where it is none of ours."""
    try:
        person, kind, nonce = _SIGNER.unsign(text).split(".")
    except (signing.BadSignature, ValueError):
        return None
    return FormKey(person_pk=int(person), nonce=nonce, is_secret=kind == "s")
