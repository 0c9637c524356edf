"""Codes of authenticator apps (RFC 6238): six digits, a new one every 30 seconds."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SEED_BYTES = 20
"""As long as the digest, as RFC 4226 section 4 recommends."""
DIGITS = 6
INTERVAL_SECONDS = 30
DRIFT_STEPS = 1
"""How far a phone's clock may be off: one interval, as RFC 6238 section 5.2 has it."""


def make_seed() -> bytes:
    """Return a new seed."""
    return secrets.token_bytes(SEED_BYTES)


def code_at(seed: bytes, step: int) -> str:
    """Return the code of an interval, counted from 1970."""
    return _totp(seed).generate(step * INTERVAL_SECONDS).decode()


def step_at(seconds: float) -> int:
    """Return the interval of a moment, in seconds since 1970."""
    return int(seconds) // INTERVAL_SECONDS


def find_step(seed: bytes, code: str, *, now_step: int, after: int = -1) -> int | None:
    """Return the interval whose code this is; None for a wrong, old or used one."""
    given = code.encode()
    found = None
    for step in range(now_step - DRIFT_STEPS, now_step + DRIFT_STEPS + 1):
        # Each is compared, so that the time taken says nothing.
        if bytes_eq(code_at(seed, step).encode(), given) and step > after:
            found = step
    return found


def make_uri(seed: bytes, *, username: str, site: str) -> str:
    """Return the otpauth: address that an app reads from a QR code."""
    return _totp(seed).get_provisioning_uri(f"{username}@{site}", "Casefile")


def _totp(seed: bytes) -> TOTP:
    # SHA-1 is what every app computes; in an HMAC it is sound (RFC 6238 section 1.2).
    return TOTP(seed, DIGITS, SHA1(), INTERVAL_SECONDS)  # noqa: S303
