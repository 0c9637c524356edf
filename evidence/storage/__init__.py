"""The evidence store: the only code that opens evidence bytes.

Content-addressed: the SHA-256 that the server computes while the bytes stream in is
the name they are kept under, behind Django's storage alias `evidence`. Bytes are
written to a temporary file, synced, and only then given their name, in one step that
never overwrites sound bytes. Stored files are read-only.
"""

from evidence.storage.inventory import (
    StoredObject,
    is_stored,
    list_stored,
    remove_stored,
)
from evidence.storage.keeping import Keeping, Kept
from evidence.storage.mark import (
    MARK,
    UNMARKED,
    has_content,
    read_mark,
    settle_store_with,
    write_mark,
)
from evidence.storage.places import CHUNK_BYTES, DAMAGED, key_of, local_root
from evidence.storage.probing import PROBE, PROBE_SHA256, probe
from evidence.storage.reading import (
    Chunks,
    iter_open,
    iter_stored,
    open_intact,
    open_key,
    open_stored,
    read_verified,
    require_intact,
)
from evidence.storage.receiving import (
    Incoming,
    Readable,
    receive_stream,
    sweep_incoming,
)

__all__ = (
    "CHUNK_BYTES",
    "DAMAGED",
    "MARK",
    "PROBE",
    "PROBE_SHA256",
    "UNMARKED",
    "Chunks",
    "Incoming",
    "Keeping",
    "Kept",
    "Readable",
    "StoredObject",
    "has_content",
    "is_stored",
    "iter_open",
    "iter_stored",
    "key_of",
    "list_stored",
    "local_root",
    "open_intact",
    "open_key",
    "open_stored",
    "probe",
    "read_mark",
    "read_verified",
    "receive_stream",
    "remove_stored",
    "require_intact",
    "settle_store_with",
    "sweep_incoming",
    "write_mark",
)
