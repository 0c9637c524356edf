"""Extensions are made on first mention: by an alert, a bundle, a record or a person."""

import datetime as dt
import hashlib

from policy.models import Extension

EXTENSION_ID_LENGTH = 255
DIGEST_LENGTH = 16
SEEN_IN_LENGTH = 200


def clean_extension_id(raw: str) -> str:
    """Return an extension ID as a column can hold it; equal input gives equal output.

    An ID that is too long keeps its start and gets a digest of the whole, so that two
    long ones stay apart.
    """
    text = raw.replace("\x00", "\ufffd").strip()
    if len(text) <= EXTENSION_ID_LENGTH:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[: EXTENSION_ID_LENGTH - DIGEST_LENGTH - 1]}~{digest[:DIGEST_LENGTH]}"


def note_extension(*, extension_id: str, seen_in: str, now: dt.datetime) -> Extension:
    """Return the extension of this ID, made where this is its first mention.

    Two writers that mention it at once get the same row. Note several in sorted
    order, so that writers cannot wait for each other in a circle.
    """
    cleaned = clean_extension_id(extension_id)
    known = Extension.objects.filter(extension_id=cleaned).first()
    if known is not None:
        return known
    new = Extension(
        extension_id=cleaned, first_seen_at=now, first_seen_in=seen_in[:SEEN_IN_LENGTH]
    )
    Extension.objects.bulk_create([new], ignore_conflicts=True)
    return Extension.objects.get(extension_id=cleaned)
