"""Checking an archive that somebody brings: its verdict, and whether it is ours."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from evidence.accounts.access import Actor, require_permission
from evidence.audit.log.growing import tree_size
from evidence.audit.log.keys import verifier_keys
from evidence.audit.log.reading import read_hashes
from evidence.models import WorkState
from evidence.proof.tree import root_of
from evidence.proof.verify_archive import (
    Checkpoint,
    Members,
    Unreadable,
    check_archive,
    open_checkpoint,
)
from incidents.models import CaseArchive

VIEW = "incidents.view_casearchive"
CHECKPOINT = "history/checkpoint.txt"
PIECE = 1024 * 1024


@dataclass(frozen=True)
class BroughtArchive:
    """What checking an archive found.

    `made_here` is the archive of ours that has these very bytes. `is_signed_here`: it
    verifies under this installation's keys. `history` says how it stands to today's:
    `extends`, `conflicts` or, without a checkpoint of ours in it, `unknown`.
    """

    sha256_hex: str
    faults: list[dict[str, str]]
    made_here: CaseArchive | None
    is_signed_here: bool
    history: str

    @property
    def is_sound(self) -> bool:
        return not self.faults


def check_brought(path: Path, *, actor: Actor) -> BroughtArchive:
    """Check the archive in a file, with its own keys and then with ours."""
    require_permission(actor, VIEW)
    keys = verifier_keys()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    faults = check_archive(str(path), [], [])
    under_ours = check_archive(str(path), keys, []) if keys else []
    codes = {fault["code"] for fault in under_ours}
    foreign = {"signature_invalid", "signature_untrusted", "unreadable"}
    return BroughtArchive(
        sha256_hex=digest.hexdigest(),
        faults=faults,
        made_here=CaseArchive.objects.filter(
            sha256_hex=digest.hexdigest(), state=WorkState.DONE
        ).first(),
        is_signed_here=bool(keys) and not codes & foreign,
        history=_compare(_read_checkpoint(path)),
    )


def _read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the archive's newest checkpoint where one of our keys signed it."""
    try:
        note = Members(str(path)).read(CHECKPOINT)
        return open_checkpoint(note, verifier_keys())
    except (Unreadable, KeyError, ValueError, OSError, zipfile.BadZipFile):
        return None


def _compare(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "unknown"
    if checkpoint.size > tree_size():
        return "conflicts"
    extends = root_of(checkpoint.size, read_hashes) == checkpoint.root
    return "extends" if extends else "conflicts"
