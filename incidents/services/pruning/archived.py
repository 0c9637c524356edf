"""What a case's archive has of the rows that are to be pruned, read from its bytes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from evidence import storage
from evidence.format import hash_value
from evidence.proof.verify_archive import MANIFEST, Members
from evidence.storage.reading import iter_open
from incidents.models import CaseArchive
from incidents.services.archives.making import require_sound


@dataclass(frozen=True)
class ArchivedRows:
    """The evidence and reports of an archive, and its alerts' documents by hash.

    `evidence` is by SHA-256, the name of each member.
    """

    members: Members
    evidence: dict[str, str]
    reports: dict[int, str]
    alerts: dict[int, str]

    def evidence_bytes(self, sha256_hex: str) -> bytes:
        """Return the bytes of a piece of evidence that the archive has."""
        return b"".join(self.members.pieces(self.evidence[sha256_hex]))


@contextmanager
def open_rows(archive: CaseArchive) -> Iterator[ArchivedRows]:
    """Open an archive, its digest recomputed and its own checker run once more.

    Raise EvidenceDamaged or EvidenceMissing for its bytes, ArchiveUnsound for what the
    checker finds.
    """
    with tempfile.NamedTemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        for chunk in iter_open(storage.open_intact(archive.sha256_hex)):
            file.write(chunk)
        file.flush()
        require_sound(Path(file.name))
        yield _read(Members(file.name))


def _read(members: Members) -> ArchivedRows:
    listed = json.loads(members.read(MANIFEST))["predicate"]["evidence"]
    wanted = {item["sha256"] for item in listed}
    evidence = {}
    for name in members.openers:
        top, _, rest = name.partition("/")
        sha256_hex = rest.partition("/")[0]
        if top == "evidence" and sha256_hex in wanted:
            evidence[sha256_hex] = name
    reports = {row["id"]: row["sha256"] for row in _lines(members, "reports")}
    alerts = {
        row["id"]: hash_value(row["document"])
        for row in _lines(members, "alerts")
        if row["record"] == "incidents.alert" and row["document"] is not None
    }
    return ArchivedRows(members, evidence, reports, alerts)


def _lines(members: Members, kind: str) -> Iterator[dict[str, Any]]:
    for line in members.lines(f"records/{kind}.ndjson"):
        if line:
            yield json.loads(line)
