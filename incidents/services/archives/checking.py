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
    ENVELOPE,
    MANIFEST,
    Checkpoint,
    Members,
    Unreadable,
    check_archive,
    decode_base64,
    find_signers,
    open_checkpoint,
    read_json,
)
from incidents.models import CaseArchive

VIEW = "incidents.view_casearchive"
CHECKPOINT = "history/checkpoint.txt"
PIECE = 1024 * 1024
UNREADABLE = (Unreadable, KeyError, ValueError, OSError, zipfile.BadZipFile)


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
    """Check the archive in a file once, by its own keys; find out whether ours sign it.

    The check reads all of the archive; its signature is one small member.
    """
    require_permission(actor, VIEW)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    faults = check_archive(str(path), [], [])
    return BroughtArchive(
        sha256_hex=digest.hexdigest(),
        faults=faults,
        made_here=CaseArchive.objects.filter(
            sha256_hex=digest.hexdigest(), state=WorkState.DONE
        ).first(),
        is_signed_here=_is_signed_here(path),
        history=_compare(_read_checkpoint(path)),
    )


def _is_signed_here(path: Path) -> bool:
    """Return whether one of our keys signed the very manifest that is in it."""
    try:
        members = Members(str(path))
        manifest, envelope = members.read(MANIFEST), read_json(members.read(ENVELOPE))
    except UNREADABLE:
        return False
    holds_it = decode_base64(envelope.get("payload")) == manifest
    return holds_it and bool(find_signers(envelope, verifier_keys()))


def _read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the archive's newest checkpoint where one of our keys signed it."""
    try:
        note = Members(str(path)).read(CHECKPOINT)
        return open_checkpoint(note, verifier_keys())
    except UNREADABLE:
        return None


def _compare(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "unknown"
    if checkpoint.size > tree_size():
        return "conflicts"
    extends = root_of(checkpoint.size, read_hashes) == checkpoint.root
    return "extends" if extends else "conflicts"
