"""The installation's keys: made at the first start, rotated, the public halves kept.

The secret is in the environment (LOG_SIGNING_KEYS) or in a file that only its owner may
read (LOG_KEY_FILE); never in the database, so that rewriting the history there is not
enough to sign it. The newest key comes first.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import stat
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from evidence.accounts.access import Actor
from evidence.audit.history import record_entry
from evidence.errors import LogKeyMissing
from evidence.models import LogKey
from evidence.proof.notes import (
    SEED_BYTES,
    SigningKey,
    encode_signing_key,
    encode_verifier,
    parse_signing_key,
)
from evidence.proof.verify_archive import Key, is_key_name, parse_key

OVERLAP = dt.timedelta(days=30)
OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO
KEY_LOCK = 0x0CA5E10C


def origin() -> str:
    """Return the log's name. Raise LogKeyMissing where the setting is none."""
    if not is_key_name(settings.LOG_ORIGIN):
        raise LogKeyMissing(
            "LOG_ORIGIN names the history log: give it without white space and plus "
            "signs, such as casefile.example.org/log."
        )
    return str(settings.LOG_ORIGIN)


def signing_keys(*, now: dt.datetime | None = None) -> list[SigningKey]:
    """Return the keys that sign now, newest first; make the first where there is none.

    Raise LogKeyMissing where a key was there once and is not any more: a new one in its
    place would look like another log's.
    """
    held = _read_keys()
    if not held:
        held = [_make_first_key()]
    newest = _register(held[0], now=now or timezone.now())
    if newest.overlap_until and newest.overlap_until > (now or timezone.now()):
        return held
    return held[:1]


def has_signing_key() -> bool:
    """Return whether a key can sign; make none. Raise LogKeyMissing where one was."""
    if _read_keys():
        return True
    require_never_had_key()
    return False


def require_never_had_key() -> None:
    """Raise LogKeyMissing where a key has signed, which is not there any more."""
    if LogKey.objects.exists():
        raise LogKeyMissing(
            "The history log's key is gone from LOG_KEY_FILE. Put it back from a "
            "backup; a new key would look like another log's."
        )


def verifier_keys() -> list[Key]:
    """Return the public keys of this log, newest first."""
    return [parse_key(row.verifier) for row in LogKey.objects.all()]


@transaction.atomic
def rotate_log_key(*, actor: Actor, now: dt.datetime | None = None) -> LogKey:
    """Make a new key that signs from now on; the old signs beside it for a month.

    Raise LogKeyMissing where the key is in the environment: only its owner can put
    another there.
    """
    if settings.LOG_SIGNING_KEYS:
        raise LogKeyMissing(
            "The key is in LOG_SIGNING_KEYS. Make one with `rotate_log_key --print`, "
            "put it first there, before the old one and a comma, and start again."
        )
    moment = now or timezone.now()
    _lock()
    old = signing_keys(now=moment)
    new = make_key()
    _write_keys([new, old[0]])
    row = _register(new, now=moment, overlap_until=moment + OVERLAP)
    record_entry(
        action="log_key.rotated",
        actor=actor,
        obj=row,
        before={"key": old[0].verifier.key_id.hex()},
        after={"key": row.key_id_hex},
        now=moment,
    )
    return row


def make_key() -> SigningKey:
    """Return a new key under the log's name."""
    return SigningKey(origin(), secrets.token_bytes(SEED_BYTES))


def _read_keys() -> list[SigningKey]:
    lines = settings.LOG_SIGNING_KEYS or _read_file(Path(settings.LOG_KEY_FILE))
    try:
        keys = [parse_signing_key(line) for line in lines]
    except ValueError as error:
        raise LogKeyMissing(f"The history log's key cannot be read: {error}") from None
    if any(key.name != origin() for key in keys):
        raise LogKeyMissing(
            f"The history log's key is not named {origin()}, as LOG_ORIGIN has it."
        )
    return keys


def _read_file(path: Path) -> list[str]:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise LogKeyMissing(
            f"The history log's key cannot be read: {type(error).__name__}. Look at "
            "LOG_KEY_FILE."
        ) from error
    if mode & OTHERS_MAY_READ:
        raise LogKeyMissing(
            "Others than its owner may read the file of the history log's key. Run "
            "`chmod 600` on LOG_KEY_FILE, and then `manage.py rotate_log_key`."
        )
    return [line for line in text.splitlines() if line.strip()]


@transaction.atomic
def _make_first_key() -> SigningKey:
    _lock()
    # Another process that started at the same time may have made it meanwhile.
    held = _read_keys()
    if held:
        return held[0]
    require_never_had_key()
    key = make_key()
    _write_keys([key])
    return key


def _write_keys(keys: list[SigningKey]) -> None:
    """Write the file beside itself and move it: a crash leaves the old or the new."""
    path = Path(settings.LOG_KEY_FILE)
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(encode_signing_key(key) + "\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise LogKeyMissing(
            f"The history log's key cannot be written: {type(error).__name__}. Let "
            "LOG_KEY_FILE name a file that the application may make, or give the key "
            "in LOG_SIGNING_KEYS."
        ) from error


def _register(
    key: SigningKey, *, now: dt.datetime, overlap_until: dt.datetime | None = None
) -> LogKey:
    verifier = key.verifier
    row, _ = LogKey.objects.get_or_create(
        verifier=encode_verifier(verifier),
        defaults={
            "name": key.name,
            "key_id_hex": verifier.key_id.hex(),
            "since": now,
            # A key put into the environment by hand overlaps with those beside it.
            "overlap_until": overlap_until
            or (now + OVERLAP if LogKey.objects.exists() else None),
        },
    )
    return row


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [KEY_LOCK])
