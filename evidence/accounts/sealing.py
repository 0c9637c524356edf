"""Secrets that are needed again, such as seeds and addresses, kept under SECRET_KEY.

Who reads the database alone cannot read them. What was sealed under a key of
SECRET_KEY_FALLBACKS can still be opened.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


def make_cipher(purpose: bytes) -> MultiFernet:
    """Return the cipher of one purpose; what one seals, another cannot open."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derive_key(key, purpose)) for key in keys])


def _derive_key(secret: str | bytes, purpose: bytes) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(
        force_bytes(secret)
    )
    return base64.urlsafe_b64encode(derived)
