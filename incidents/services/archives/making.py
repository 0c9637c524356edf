"""Making a case's archive: its contents gathered, written, and checked before use.

Everything comes from the case as it was frozen when the archive was asked for, so that
the same archive has the same bytes in another process and on another day. It counts
only once its own checker has found nothing in it.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import Q, QuerySet

from evidence import storage
from evidence.accounts.access import name_of
from evidence.audit.history import entry_document
from evidence.audit.log.growing import grow_log
from evidence.audit.log.keys import verifier_keys
from evidence.audit.log.reading import entry_proof, prove_consistency
from evidence.format import canonical_bytes
from evidence.models import AuditEntry, LogCheckpoint, LogKey, LogLeaf
from evidence.proof import verify_archive
from evidence.proof.archive_file import (
    Member,
    document_lines,
    member_of,
    write_archive,
)
from evidence.proof.verify_archive import (
    PROVED_ACTIONS,
    RECORD_KINDS,
    check_archive,
    member_name,
    split_note,
    stream_file,
)
from evidence.queue.claiming import MAX_ATTEMPTS
from evidence.services.store.faults import keep_received
from evidence.stored_moments import to_ms
from incidents.errors import ArchiveUnsound
from incidents.models import ArchiveSeal, CaseArchive, PostmortemArchive
from incidents.services.archives.freezing import read_frozen, require_frozen
from incidents.services.archives.readme import write_readme
from incidents.services.archives.records import TABLES
from incidents.services.archives.sealing import seal_members

SPOOL_BYTES = 1024 * 1024
CHECKED_SHARE = 0.8
SHOWN_FAULTS = 5


@dataclass(frozen=True)
class Stream:
    """A stream up to the archive's moment: its name, and its last entry then."""

    name: str
    last: AuditEntry

    def entries(self) -> QuerySet[AuditEntry]:
        rows = AuditEntry.objects.filter(
            stream=self.name, sequence__lte=self.last.sequence
        )
        return rows.order_by("sequence")


@dataclass(frozen=True)
class MadeArchive:
    """An archive in the evidence store, and the seal that it has."""

    sha256_hex: str
    size_bytes: int
    checkpoint_size: int
    seal: ArchiveSeal


def make_archive(
    archive: CaseArchive,
    *,
    make_contents: Callable[[CaseArchive, ExitStack], Contents],
    note: Callable[[float], None] = lambda fraction: None,
) -> MadeArchive:
    """Write a case's archive into the evidence store and return what it is.

    Raise ArchiveUnsound where its own checker finds anything: it is not kept then.
    Nothing is left of one that was not finished. Must run outside a transaction.
    """
    grow_log(state_now=True)
    require_frozen(archive)
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        seal, size = write_case(archive, file, make_contents=make_contents, note=note)
        file.seek(0)
        with storage.receive_stream(file, is_limited=False) as incoming:
            note(CHECKED_SHARE)
            require_sound(incoming.path)
            keep_received(incoming)
            return MadeArchive(incoming.sha256_hex, incoming.size_bytes, size, seal)


def require_sound(path: Path) -> None:
    """Raise ArchiveUnsound where the archive's own checker finds anything in a file."""
    faults = check_archive(str(path), verifier_keys(), [])
    if faults:
        shown = "; ".join(
            f"{fault['code']} {fault['path']}" for fault in faults[:SHOWN_FAULTS]
        )
        raise ArchiveUnsound(
            f"The archive's own checker found {len(faults)} faults in it, so it was "
            f"not kept: {shown}. Verify the history and the evidence of the case."
        )


def write_case(
    archive: CaseArchive,
    file: IO[bytes],
    *,
    make_contents: Callable[[CaseArchive, ExitStack], Contents],
    note: Callable[[float], None] = lambda fraction: None,
) -> tuple[ArchiveSeal, int]:
    """Write the archive of a frozen case; return its seal and checkpoint's size."""
    with ExitStack() as stack:
        with _noting_apart(note) as note_apart, transaction.atomic():
            _read_one_moment()
            contents = make_contents(archive, stack)
            members = contents.members(note_apart)
            predicate = contents.predicate()
            contents.require_no_leak()
        # An authority is asked outside the transaction, which nothing has to wait for.
        sealed = seal_members(
            archive,
            members,
            predicate=predicate,
            checkpoint=contents.checkpoint,
            make_keys=contents.key_members,
            is_last_try=archive.attempts >= MAX_ATTEMPTS,
        )
        write_archive(
            file,
            folder=contents.reference,
            members=sealed.members,
            manifest=sealed.manifest,
            envelope=sealed.envelope,
            time_stamps=sealed.time_stamps,
        )
    return sealed.seal, contents.checkpoint.tree_size


@contextmanager
def _noting_apart(
    note: Callable[[float], None],
) -> Iterator[Callable[[float], None]]:
    """Give a `note` with a connection of its own: the transaction around only reads.

    In a transaction that is on already, which may write, it is `note` itself.
    """
    if connection.in_atomic_block:
        yield note
        return
    with ThreadPoolExecutor(max_workers=1) as threads:
        try:
            yield lambda fraction: threads.submit(note, fraction).result()
        finally:
            threads.submit(connections.close_all).result()


def _read_one_moment() -> None:
    """Have every query of the transaction see the same rows, where it may begin one."""
    with connection.cursor() as cursor:
        if not connection.savepoint_ids:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


class Contents:
    """The members of one archive, and the manifest's figures over them.

    Whole, as everything was received; a redacted archive's differ in what is public
    here.
    """

    def __init__(self, archive: CaseArchive, stack: ExitStack) -> None:
        self.archive = archive
        self.moment = archive.requested_at
        self.stack = stack
        self.frozen = read_frozen(archive)
        self.reference: str = self.frozen.case["reference"]
        self.streams = [
            Stream(name, AuditEntry.objects.get(stream=name, sequence=sequence))
            for name, sequence in self.frozen.heads
        ]
        self.case = self.streams[0]
        self.items = {item.sha256_hex: item for item in self.frozen.items()}
        self.prepare()
        self.checkpoint = self._find_checkpoint()
        self.counts: dict[str, int] = {}

    def prepare(self) -> None:
        """Read what the members are made from, before any is made."""

    def require_no_leak(self) -> None:
        """Raise ArchiveLeaks where something is in the members that may not be."""

    def members(self, note: Callable[[float], None]) -> list[Member]:
        """Return every member but the manifest, its envelope and SHA256SUMS."""
        chain = self._checkpoint_chain()
        checker = Path(verify_archive.__file__).read_bytes()
        made = [
            member_of("README.txt", self._readme().encode()),
            member_of("verify_archive.py", checker),
            member_of("history/checkpoint.txt", self.checkpoint.note.encode()),
            member_of("history/consistency.json", canonical_bytes(chain)),
            self._spool("history/proofs.ndjson", document_lines(self.proofs())),
            *self.postmortem_members(),
        ]
        for stream in self.streams:
            lines = document_lines(self.history_lines(stream.entries().iterator()))
            made.append(self._spool(stream_file(stream.name), lines))
        made += self.evidence_members(lambda share: note(CHECKED_SHARE * share))
        made += [self._record_member(kind) for kind in RECORD_KINDS]
        return made

    def evidence_members(self, note: Callable[[float], None]) -> Iterator[Member]:
        """Yield every piece of evidence, once; `note` is told the share that is."""
        for place, item in enumerate(self.items.values()):
            note(place / len(self.items))
            name = f"evidence/{item.sha256_hex}/{member_name(item.original_name)}"
            yield Member(name, partial(storage.iter_stored, item.sha256_hex))

    def record_lines(self, kind: str) -> Iterable[dict[str, Any]]:
        """Yield the documents of a list."""
        for model, _ in TABLES[kind]:
            yield from self.frozen.documents(model)

    def history_lines(self, entries: Iterable[AuditEntry]) -> Iterator[dict[str, Any]]:
        """Yield the documents of a stream's entries."""
        return map(entry_document, entries)

    def readme_title(self) -> str:
        """Return the case's title for README.txt."""
        title: str = self.frozen.case["title"]
        return title

    def predicate(self) -> dict[str, Any]:
        """Return the manifest's predicate: docs/proof-format.md, section 4."""
        digests = {item.pk: item.sha256_hex for item in self.items.values()}
        return {
            "reference": self.reference,
            "title": self.frozen.case["title"],
            "status": self.frozen.case["status"],
            "made_at_ms": to_ms(self.moment),
            "made_by": self._made_by(),
            "heads": {
                stream.name: {
                    "sequence": stream.last.sequence,
                    "entry_hash": stream.last.entry_hash,
                }
                for stream in self.streams
            },
            "checkpoint_size": self.checkpoint.tree_size,
            "evidence": [
                {
                    "sha256": item.sha256_hex,
                    "name": item.original_name,
                    "kind": str(item.kind),
                    "size_bytes": item.size_bytes,
                    "received_at_ms": to_ms(item.received_at),
                    "derived_from": digests.get(item.derived_from_id or 0),
                }
                for item in self.items.values()
            ],
            "redaction": None,
            "records": self.counts,
            "casefile_version": settings.CASEFILE_VERSION,
        }

    # --- The history -----------------------------------------------------------------

    def proved_entries(self) -> list[AuditEntry]:
        """Return the entries that need a proof, in order, each once."""
        chosen = {stream.last.pk: stream.last for stream in self.streams}
        for entry in self.case.entries().filter(action__in=PROVED_ACTIONS):
            chosen[entry.pk] = entry
        return [chosen[pk] for pk in sorted(chosen)]

    def proofs(self) -> Iterator[dict[str, Any]]:
        """Yield the proof of each entry that needs one."""
        return (entry_proof(entry, self.checkpoint) for entry in self.proved_entries())

    def _find_checkpoint(self) -> LogCheckpoint:
        """Return the first checkpoint over all that is proved: always the same one."""
        entries = [entry.pk for entry in self.proved_entries()]
        leaves = LogLeaf.objects.filter(entry__in=entries)
        places = list(leaves.values_list("leaf_index", flat=True))
        covering = LogCheckpoint.objects.filter(tree_size__gt=max(places, default=0))
        found = covering.order_by("tree_size").first()
        if found is None or len(places) < len(entries):
            raise ArchiveUnsound(
                "The history log does not cover the case yet: it does within a minute."
            )
        return found

    def _checkpoint_chain(self) -> dict[str, Any]:
        """Return the checkpoints at opening, at closing and now, each proved."""
        moments = map(self.frozen.case_moment, ("reported_at", "closed_at"))
        held = [_in_force(moment, self.checkpoint) for moment in moments if moment]
        chain = sorted(
            [*held, self.checkpoint], key=lambda checkpoint: checkpoint.tree_size
        )
        self.notes = [checkpoint.note for checkpoint in chain]
        return {
            "checkpoints": self.notes,
            "proofs": [
                prove_consistency(older.tree_size, newer.tree_size)
                for older, newer in pairwise(chain)
            ],
        }

    # --- Members ---------------------------------------------------------------------

    def _record_member(self, kind: str) -> Member:
        lines = document_lines(self.record_lines(kind))
        member, count = self._spool_counted(f"records/{kind}.ndjson", lines)
        self.counts[kind] = count
        return member

    def _readme(self) -> str:
        return write_readme(
            self.archive,
            reference=self.reference,
            title=self.readme_title(),
            made_by=self._made_by(),
        )

    def _made_by(self) -> str:
        return self.frozen.name_of(self.archive.requested_by_id) or name_of(None)

    def key_members(self, signers: set[str]) -> Iterator[Member]:
        """Yield the keys in force at the checkpoint, and those that signed anything."""
        ids = signers | {key_id for note in self.notes for key_id in _signers(note)}
        in_force = Q(since__lte=self.checkpoint.made_at)
        keys = LogKey.objects.filter(in_force | Q(key_id_hex__in=ids))
        for key in keys.order_by("id"):
            line = f"{key.verifier}\n".encode()
            yield member_of(f"keys/{key.key_id_hex}.pub", line)

    def postmortem_members(self) -> Iterator[Member]:
        """Yield the signed versions as JSON, Markdown and PDF."""
        for name, archive in self.signed_versions():
            for item, ending in zip(archive.items, ("json", "md", "pdf"), strict=True):
                read = partial(storage.iter_stored, item.sha256_hex)
                yield Member(f"{name}.{ending}", read)

    def signed_versions(self) -> Iterator[tuple[str, PostmortemArchive]]:
        """Yield what was archived by then, each with its members' name."""
        archives = PostmortemArchive.objects.select_related("review__version")
        for key, name in self.frozen.postmortems:
            yield f"postmortem/{name}", archives.get(pk=key)

    def _spool(self, name: str, pieces: Iterable[bytes]) -> Member:
        return self._spool_counted(name, pieces)[0]

    def _spool_counted(self, name: str, pieces: Iterable[bytes]) -> tuple[Member, int]:
        """Write pieces aside, to be read more than once; return how many there were."""
        file = self.stack.enter_context(
            tempfile.SpooledTemporaryFile(  # noqa: SIM115 (the stack closes it)
                SPOOL_BYTES, dir=settings.FILE_UPLOAD_TEMP_DIR
            )
        )
        count = 0
        for piece in pieces:
            file.write(piece)
            count += 1
        return Member(name, partial(_read_again, file)), count


def _read_again(file: Any) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(SPOOL_BYTES):
        yield piece


def _signers(note: str) -> Iterator[str]:
    """Yield the IDs of the keys that signed a note."""
    return (key_id.hex() for _, key_id, _ in split_note(note.encode())[1])


def _in_force(moment: dt.datetime, newest: LogCheckpoint) -> LogCheckpoint:
    """Return the checkpoint in force at a moment; the empty tree's before the first."""
    older = LogCheckpoint.objects.filter(tree_size__lte=newest.tree_size)
    found = older.filter(made_at__lte=moment).order_by("-tree_size").first()
    return found or older.get(tree_size=0)
