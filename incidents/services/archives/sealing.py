"""Sealing an archive: its manifest signed, and stamped by time-stamping authorities.

A seal is kept. To make the same archive again uses it again, since a key may have been
changed meanwhile, and an authority stamps the time of now.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from django.utils import timezone

from evidence.audit.log.keys import signing_keys
from evidence.audit.log.places import Place, ask_time_stamp, read_places
from evidence.errors import CasefileError, LogPlaceRefused
from evidence.models import LogCheckpoint
from evidence.proof.archive_file import Member, make_manifest, member_of
from evidence.proof.notes import envelope_of, sign_payload
from evidence.storable_values import storable
from incidents.models import ArchiveSeal, CaseArchive

STAMP_ERRORS = (CasefileError, OSError, ValueError, requests.RequestException)
PROBLEM_LENGTH = 300


@dataclass(frozen=True)
class Sealed:
    """Everything that an archive is written from, and the seal, kept or new."""

    members: list[Member]
    manifest: bytes
    seal: ArchiveSeal

    @property
    def envelope(self) -> dict[str, Any]:
        return envelope_of(self.manifest, self.seal.signatures)

    @property
    def time_stamps(self) -> list[Member]:
        return [
            member_of(stamp["name"], base64.b64decode(stamp["token"]))
            for stamp in self.seal.time_stamps
        ]


def seal_members(
    archive: CaseArchive,
    members: Sequence[Member],
    *,
    predicate: dict[str, Any],
    checkpoint: LogCheckpoint,
    make_keys: Callable[[set[str]], Iterator[Member]],
    is_last_try: bool,
) -> Sealed:
    """Return an archive's members with its keys, its manifest and its seal.

    `make_keys` yields the members below keys/ where these key IDs sign. Raise
    LogPlaceRefused where an authority gives no time stamp, but in the last try: what is
    missing is noted on the seal then.
    """

    def with_keys(key_ids: set[str]) -> tuple[list[Member], bytes]:
        whole = [*members, *make_keys(key_ids)]
        return whole, make_manifest(whole, predicate)

    kept = ArchiveSeal.objects.filter(archive=archive).first()
    if kept is not None:
        whole, manifest = with_keys({row["keyid"] for row in kept.signatures})
        if hashlib.sha256(manifest).hexdigest() == kept.manifest_sha256_hex:
            return Sealed(whole, manifest, kept)
    keys = signing_keys(now=archive.requested_at)
    whole, manifest = with_keys({key.verifier.key_id.hex() for key in keys})
    stamped = {"manifest": manifest, "checkpoint": checkpoint.note.encode()}
    stamps, problem = _ask_authorities(stamped, is_last_try=is_last_try)
    seal = ArchiveSeal(
        archive=archive,
        manifest_sha256_hex=hashlib.sha256(manifest).hexdigest(),
        signatures=sign_payload(manifest, keys),
        time_stamps=stamps,
        problem=problem,
        sealed_at=timezone.now(),
    )
    return Sealed(whole, manifest, seal)


def _ask_authorities(
    stamped: dict[str, bytes], *, is_last_try: bool
) -> tuple[list[dict[str, str]], str]:
    """Return the time stamps of every authority, and why one gave none."""
    stamps, problems = [], []
    places = [place for place in read_places() if place.kind == "rfc3161"]
    for number, place in enumerate(places, 1):
        try:
            stamps += _ask(place, number, stamped)
        except STAMP_ERRORS as error:
            why = _describe(place, error)
            if not is_last_try:
                raise LogPlaceRefused(why) from error
            problems.append(why)
    return stamps, storable(" ".join(problems))[:PROBLEM_LENGTH]


def _ask(place: Place, number: int, stamped: dict[str, bytes]) -> list[dict[str, str]]:
    return [
        {
            "name": f"timestamps/{what}-{number}.tsr",
            "place": place.shown,
            "sha256": hashlib.sha256(data).hexdigest(),
            "token": base64.b64encode(ask_time_stamp(place, data)).decode(),
        }
        for what, data in stamped.items()
    ]


def _describe(place: Place, error: Exception) -> str:
    said = error.message if isinstance(error, CasefileError) else type(error).__name__
    return f"No time stamp from {place.shown}: {said}"
