"""Whether the store can be written and read, for /readyz."""

from __future__ import annotations

import hashlib
import io
import uuid

from evidence.errors import EvidenceMissing
from evidence.storage.mark import require_marked
from evidence.storage.places import incoming_folder, storage_errors
from evidence.storage.reading import require_intact
from evidence.storage.receiving import receive_stream

PROBE = b"Casefile probe\n"
PROBE_SHA256 = hashlib.sha256(PROBE).hexdigest()


def probe() -> None:
    """Spool a temporary file, and read the one file that is kept for probes.

    That file is written once, by the first probe: a bucket with an object lock would
    keep one for every probe ever made. Raise StorageUnavailable where the store does
    not answer, EvidenceDamaged where it gives back other bytes.
    """
    require_marked()
    with storage_errors():
        path = incoming_folder() / f"probe-{uuid.uuid4()}.part"
        try:
            path.write_bytes(PROBE)
        finally:
            # A full disk lets a file be made and not be written.
            path.unlink(missing_ok=True)
    try:
        require_intact(PROBE_SHA256)
    except EvidenceMissing:
        with receive_stream(io.BytesIO(PROBE)) as incoming:
            incoming.keep()
        require_intact(PROBE_SHA256)
