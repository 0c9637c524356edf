"""Pulling a Casefile's records by its API: what changed since the last time, in bulk.

For each list there is a file of JSON lines that only grows, and a mark of how far it
has come, in lists and in bytes. A page is added whole, and the mark moves after it:
whatever breaks off, the next pull cuts off what is beyond the mark and goes on from
there. Of lines that name the same row the last one counts.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import requests

PAGE_ROWS = 10_000
TIMEOUT_SECONDS = 120
CHUNK_BYTES = 1 << 16
AS_OF = "Casefile-As-Of"


class PullFailed(Exception):
    """The other side refused, or did not answer to the end. Run it again later."""


@dataclass(frozen=True)
class Pulled:
    """How many rows were added to the file of a list."""

    name: str
    rows: int


@dataclass
class Mark:
    """How far a list was pulled: from what, and which page comes next, if any."""

    path: Path
    since: str = ""
    next_url: str = ""
    size_bytes: int = 0

    def save(self) -> None:
        values = {
            "since": self.since,
            "next": self.next_url,
            "size_bytes": self.size_bytes,
        }
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(values))
        part.replace(self.path)


def pull_everything(
    *, url: str, token: str, folder: Path, only: Collection[str] | None = None
) -> Iterator[Pulled]:
    """Pull every list that the token may read; yield each when it is whole.

    Raise PullFailed for what is refused or breaks off; what came before it is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = _Source(url, token)
    names = [str(each["name"]) for each in source.ask("/api/v1/lists/").json()]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise PullFailed(f"There is no list {', '.join(unknown)}, or none to see.")
    for name in names:
        if not name.replace("-", "").isalpha():
            raise PullFailed(f"{name[:40]!r} is no name of a list.")
        if not only or name in only:
            yield Pulled(name, _pull_list(source, name, folder / name))


class _Source:
    """The other side. Nothing is sent to any other place, whatever it answers."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, address: str, *, stream: bool = False) -> requests.Response:
        url = self.url + address
        try:
            response = self.session.get(
                url, stream=stream, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise PullFailed(f"{self.url} does not answer: {error}") from error
        if response.status_code != requests.codes.ok:
            raise PullFailed(f"{response.status_code} of {url}: {response.text[:500]}")
        return response


def _pull_list(source: _Source, name: str, place: Path) -> int:
    mark = _read_mark(place.with_suffix(".mark"))
    rows = 0
    page = mark.next_url or _first_page(name, mark.since)
    while page:
        response = source.ask(page, stream=True)
        rows += _add_page(response, place.with_suffix(".ndjson"), mark)
        page = mark.next_url = _next_of(response)
        if not page:
            mark.since = response.headers[AS_OF]
        mark.save()
    return rows


def _next_of(response: requests.Response) -> str:
    """Return the path and query of the next page; empty after the last."""
    parts = urlsplit(response.links.get("next", {}).get("url", ""))
    return f"{parts.path}?{parts.query}" if parts.query else ""


def _first_page(name: str, since: str) -> str:
    query = {
        "format": "ndjson",
        "ordering": "id",
        "page_size": PAGE_ROWS,
        "modified_since": since,
    }
    return f"/api/v1/{name}/?{urlencode(query)}"


def _add_page(response: requests.Response, path: Path, mark: Mark) -> int:
    """Add a page to a file once all of it is here; return how many rows it has."""
    part = path.with_suffix(".part")
    rows = 0
    try:
        with part.open("wb") as out:
            for chunk in response.iter_content(CHUNK_BYTES):
                rows += chunk.count(b"\n")
                out.write(chunk)
    except requests.RequestException as error:
        raise PullFailed(f"{response.url} broke off: {error}. Run it again.") from error
    path.touch()
    with part.open("rb") as page, path.open("r+b") as whole:
        whole.truncate(mark.size_bytes)
        whole.seek(mark.size_bytes)
        shutil.copyfileobj(page, whole)
        whole.flush()
        os.fsync(whole.fileno())
        mark.size_bytes = whole.tell()
    part.unlink()
    return rows


def _read_mark(path: Path) -> Mark:
    if not path.exists():
        return Mark(path)
    values = json.loads(path.read_text())
    return Mark(path, values["since"], values["next"], values["size_bytes"])
