"""Breaking stored bytes as a failing disk, an intruder or a lost volume would."""

from __future__ import annotations

from pathlib import Path

from evidence import storage
from evidence.models import EvidenceItem


def path_of(folder: Path, item: EvidenceItem) -> Path:
    return folder / storage.key_of(item.sha256_hex)


def alter(folder: Path, item: EvidenceItem) -> None:
    """Change one byte, the size as it was."""
    path = path_of(folder, item)
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def truncate(folder: Path, item: EvidenceItem) -> None:
    path = path_of(folder, item)
    path.chmod(0o600)
    path.write_bytes(b"")


def replace(folder: Path, item: EvidenceItem) -> None:
    """Put another file under the name."""
    path = path_of(folder, item)
    path.unlink()
    path.write_bytes(b"somebody else's bytes")


def delete(folder: Path, item: EvidenceItem) -> None:
    path_of(folder, item).unlink()


DAMAGES = {
    alter: "damaged",
    truncate: "damaged",
    replace: "damaged",
    delete: "missing",
}
