"""Several files sent together: each taken for what it is, or refused in words.

What is more than evidence is taken by the app that knows it: a settings file becomes a
snapshot, its secrets taken out before a byte is kept. Evidence stands below that app
and cannot ask it, so it registers here, once, when the apps start.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from evidence.accounts.access import Actor, require_permission
from evidence.errors import CasefileError
from evidence.lookalikes import show_hidden
from evidence.models import Channel, EvidenceItem, EvidenceKind
from evidence.services.content_kinds import Content, content_of
from evidence.services.documents import read_top
from evidence.services.receipt import receive_evidence


@dataclass(frozen=True)
class SentFile:
    """One file as it was sent. `kind` None: its content decides."""

    name: str
    stream: IO[bytes]
    size_bytes: int
    media_type: str = ""
    kind: EvidenceKind | None = None

    @property
    def shown_name(self) -> str:
        return show_hidden(self.name)

    def read(self) -> bytes:
        """Return its bytes; for files that were found to be small."""
        self.stream.seek(0)
        return self.stream.read()


@dataclass(frozen=True)
class Sending:
    """What was sent together, by whom, by which door, for which case."""

    incident_id: int
    files: Sequence[SentFile]
    actor: Actor
    channel: Channel
    source: str = ""
    ip_address: str | None = None
    now: dt.datetime | None = None


@dataclass(frozen=True)
class Taken:
    """What became of one file. `item` None: it was refused and nothing of it is kept.

    `record` is what was made of it beyond the evidence, such as a snapshot.
    """

    words: str
    item: EvidenceItem | None = None
    record: Any = None


Taker = Callable[[Sending, Mapping[int, Content]], Mapping[int, Taken]]
"""Takes what was sent and the contents of the small files, by their place in it;
returns what became of those that it knows. It raises nothing that is about a file."""

_takers: list[tuple[Taker, int]] = []


def take_files(taker: Taker, *, max_bytes: int) -> None:
    """Have this asked about every file up to a size that is sent as evidence."""
    if (taker, max_bytes) not in _takers:
        _takers.append((taker, max_bytes))


def receive_files(sending: Sending) -> list[Taken]:
    """Take in files for a case; return what became of each, in their order.

    Each file stands for itself, but for those that make one record together: these are
    taken together or not at all. A refusal of one leaves the others as they are.
    """
    require_permission(sending.actor, "evidence.add_evidenceitem")
    taken: dict[int, Taken] = {}
    for taker, max_bytes in _takers:
        taken |= taker(sending, _contents(sending, taken, max_bytes=max_bytes))
    return [
        taken.get(place) or _receive(sending, file)
        for place, file in enumerate(sending.files)
    ]


def _contents(
    sending: Sending, taken: Mapping[int, Taken], *, max_bytes: int
) -> dict[int, Content]:
    return {
        place: content_of(read_top(file.stream))
        for place, file in enumerate(sending.files)
        if place not in taken and file.size_bytes <= max_bytes
    }


def _receive(sending: Sending, file: SentFile) -> Taken:
    file.stream.seek(0)
    try:
        item, created = receive_evidence(
            incident_id=sending.incident_id,
            stream=file.stream,
            original_name=file.name,
            channel=sending.channel,
            actor=sending.actor,
            kind=file.kind,
            media_type=file.media_type,
            source=sending.source,
            ip_address=sending.ip_address,
            now=sending.now,
        )
    except CasefileError as error:
        return refuse_file(file, error)
    if not created:
        words = (
            f"{file.shown_name} was there already, as {item.shown_name}: nothing was "
            "stored twice, and the second receipt is in its chain of custody."
        )
        return Taken(words, item)
    through = f", read through {item.wrapping}" if item.wrapping else ""
    kind = item.get_kind_display()
    return Taken(f"{file.shown_name} is received as {kind}{through}.", item)


def refuse_file(file: SentFile, error: CasefileError) -> Taken:
    """Return that a file was refused, with its name and why."""
    path = getattr(error, "path", None)
    why = error.message
    if file.shown_name in why:
        return Taken(why)
    where = f" at {path}" if path and path not in why else ""
    return Taken(f"{file.shown_name} was refused{where}: {why}")
