"""Where checkpoints are published: the places of LOG_PLACES, and how each is sent."""

from __future__ import annotations

import base64
import datetime as dt
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import requests
from django.conf import settings
from django.core.mail import EmailMessage

from evidence.audit.log.addresses import Place, read_place
from evidence.audit.log.reading import prove_consistency
from evidence.errors import LogPlaceRefused
from evidence.models import LogCheckpoint
from evidence.proof.notes import find_cosignature, parse_witness_key
from evidence.proof.verify_archive import split_note
from evidence.storage.locked_bucket import put_locked

if TYPE_CHECKING:
    from rfc3161_client import TimeStampRequest

TIMEOUT_SECONDS = 20
LOCK_DAYS = 3650
FILE_SUFFIX = ".checkpoint"
"""An address that ends so names one file, any other a folder: whether it is there says
nothing, since a folder that is not mounted is not there either."""
MAX_ANSWER_BYTES = 64 * 1024


def read_places() -> list[Place]:
    """Return the places of LOG_PLACES. Raise LogPlaceRefused for one that is none."""
    return [read_place(text) for text in settings.LOG_PLACES]


def send_checkpoint(place: Place, checkpoint: LogCheckpoint, known_size: int) -> str:
    """Give a place a checkpoint and return what it answered with, to be kept.

    `known_size` is the size of the last checkpoint that the place holds; 0 for none.
    Raise LogPlaceRefused, or the transport's own error.
    """
    senders: dict[str, Callable[[Place, LogCheckpoint, int], str]] = {
        "file": _write_file,
        "s3": _put_object,
        "mailto": _send_mail,
        "http": _post,
        "https": _post,
        "witness": _ask_witness,
        "rfc3161": _ask_time,
    }
    return senders[place.kind](place, checkpoint, known_size)


def _file_name(checkpoint: LogCheckpoint) -> str:
    return f"{checkpoint.tree_size:020d}{FILE_SUFFIX}"


def _write_file(place: Place, checkpoint: LogCheckpoint, known_size: int) -> str:
    """Write another file into the folder, or the one file that is named anew."""
    path = Path(unquote(urlsplit(place.url).path))
    if path.suffix != FILE_SUFFIX:
        path /= _file_name(checkpoint)
    folder = path.parent
    if not folder.is_dir():
        raise LogPlaceRefused("The folder for checkpoints is not there.")
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as draft:
        draft.write(checkpoint.note.encode())
        draft.flush()
        os.fsync(draft.fileno())
    Path(draft.name).chmod(0o444)
    Path(draft.name).replace(path)
    return path.name


def _put_object(place: Place, checkpoint: LogCheckpoint, known_size: int) -> str:
    parts = urlsplit(place.url)
    days = int(place.options.get("lock_days", LOCK_DAYS))
    key = "/".join(filter(None, (parts.path.strip("/"), _file_name(checkpoint))))
    put_locked(
        parts.netloc,
        key,
        io.BytesIO(checkpoint.note.encode()),
        retain_until=checkpoint.made_at + dt.timedelta(days=days),
        content_type="text/plain; charset=utf-8",
    )
    return key


def _send_mail(place: Place, checkpoint: LogCheckpoint, known_size: int) -> str:
    message = EmailMessage(
        subject=f"Checkpoint of {settings.LOG_ORIGIN}, {checkpoint.tree_size} entries",
        body="Keep this message. It shows later whether the history before it was "
        f"changed: docs/history-log.md.\n\n{checkpoint.note}",
        to=[unquote(urlsplit(place.url).path)],
    )
    message.send()
    return ""


def _post(place: Place, checkpoint: LogCheckpoint, known_size: int) -> str:
    answer = requests.post(
        place.url,
        data=checkpoint.note.encode(),
        headers={"Content-Type": "text/plain; charset=utf-8"},
        timeout=TIMEOUT_SECONDS,
        verify=settings.WEBHOOK_CA_FILE or True,
        allow_redirects=False,
    )
    # A redirect without an address is `ok` to requests, and took nothing either.
    if not 200 <= answer.status_code < 300:
        raise LogPlaceRefused(f"The webhook answered with {answer.status_code}.")
    return ""


def _ask_time(place: Place, checkpoint: LogCheckpoint, known_size: int) -> str:
    """Have an authority stamp the checkpoint's bytes; return its answer in base64."""
    return base64.b64encode(ask_time_stamp(place, checkpoint.note.encode())).decode()


def ask_time_stamp(place: Place, data: bytes) -> bytes:
    """Return an authority's time stamp over the SHA-256 of data (RFC 3161), verified.

    Raise LogPlaceRefused, or the transport's own error.
    """
    from rfc3161_client import TimestampRequestBuilder
    from rfc3161_client.base import HashAlgorithm

    builder = TimestampRequestBuilder().data(data)
    request = builder.hash_algorithm(HashAlgorithm.SHA256).build()
    answer = requests.post(
        place.url,
        data=request.as_bytes(),
        headers={"Content-Type": "application/timestamp-query"},
        timeout=TIMEOUT_SECONDS,
        verify=settings.WEBHOOK_CA_FILE or True,
        allow_redirects=False,
    )
    if answer.status_code != requests.codes.ok:
        raise LogPlaceRefused(f"The authority answered with {answer.status_code}.")
    require_time_stamp(answer.content, data, Path(place.fragment).read_bytes(), request)
    return answer.content


def require_time_stamp(
    token: bytes, data: bytes, roots: bytes, request: TimeStampRequest | None = None
) -> None:
    """Raise LogPlaceRefused unless a token stamps the data under these roots (PEM)."""
    # Certificates take long to load, and only stamps need them.
    from cryptography.x509 import load_pem_x509_certificates
    from rfc3161_client import (
        VerificationError,
        VerifierBuilder,
        decode_timestamp_response,
    )

    builder = (
        VerifierBuilder.from_request(request)
        if request is not None
        else VerifierBuilder()
    )
    try:
        for certificate in load_pem_x509_certificates(roots):
            builder = builder.add_root_certificate(certificate)
        builder.build().verify_message(decode_timestamp_response(token), data)
    except (VerificationError, ValueError) as error:
        raise LogPlaceRefused(
            f"The authority's time stamp does not verify: {error}"
        ) from error


def _ask_witness(place: Place, checkpoint: LogCheckpoint, known_size: int) -> str:
    """Have a witness cosign (C2SP tlog-witness, add-checkpoint)."""
    witness = parse_witness_key(place.fragment)
    answer = _add_checkpoint(place, checkpoint, known_size)
    if answer.status_code == requests.codes.conflict:
        size = answer.text.strip()
        if not size.isdigit() or int(size) > checkpoint.tree_size:
            raise LogPlaceRefused(
                "The witness knows a newer history of this log than there is here."
            )
        answer = _add_checkpoint(place, checkpoint, int(size))
    if answer.status_code != requests.codes.ok:
        raise LogPlaceRefused(
            f"The witness refused the checkpoint with {answer.status_code}."
        )
    text, _ = split_note(checkpoint.note.encode())
    lines = answer.text[:MAX_ANSWER_BYTES]
    found = find_cosignature(text, lines, witness)
    if found is None:
        raise LogPlaceRefused("The witness's answer is no cosignature under its key.")
    return found[0]


def _add_checkpoint(
    place: Place, checkpoint: LogCheckpoint, old_size: int
) -> requests.Response:
    proof = prove_consistency(old_size, checkpoint.tree_size)
    lines = [f"old {old_size}"]
    lines += [base64.b64encode(bytes.fromhex(hash_hex)).decode() for hash_hex in proof]
    body = "\n".join(lines) + f"\n\n{checkpoint.note}"
    return requests.post(
        f"{place.url.rstrip('/')}/add-checkpoint",
        data=body.encode(),
        timeout=TIMEOUT_SECONDS,
        verify=settings.WEBHOOK_CA_FILE or True,
        allow_redirects=False,
    )
