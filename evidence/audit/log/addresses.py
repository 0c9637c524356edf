"""How the address of a place for checkpoints is written, before anything is sent there.

`file:///folder`, `file:///folder/name.checkpoint`, `s3://bucket/prefix?lock_days=3650`,
`mailto:person@example.org`, `https://…` (a webhook that takes the text by POST),
`witness+https://…#<witness key>` (C2SP tlog-witness) and `rfc3161+https://…#<file>`, a
time-stamping authority with the file of its root certificates. `every=<seconds>` in the
query says how often.

Nothing here repeats an address, which may hold a password.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from evidence.errors import LogPlaceRefused

DEFAULT_SECONDS = {
    "file": 60,
    "witness": 60,
    "https": 3600,
    "http": 3600,
    "s3": 3600,
    "mailto": 86400,
    "rfc3161": 86400,
}
EXAMPLES = {
    "file": "file:///mnt/elsewhere",
    "witness": "witness+https://example.org#<key>",
    "https": "https://example.org/hook",
    "http": "http://example.org/hook",
    "s3": "s3://bucket/prefix",
    "mailto": "mailto:auditor@example.org",
    "rfc3161": "rfc3161+https://tsa.example.org#/etc/tsa.pem",
}
# Of each number in a query: its unit, and the most that dates can carry.
NUMBERS = {"every": ("seconds", 100_000_000), "lock_days": ("days", 36_500)}


@dataclass(frozen=True)
class Place:
    """One place: its kind, its address, and how often it is given a checkpoint."""

    text: str
    kind: str
    url: str
    fragment: str
    options: dict[str, str]

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        where = parts.hostname or parts.path
        return f"{self.kind}: {where}"

    @property
    def every(self) -> dt.timedelta:
        default = DEFAULT_SECONDS[self.kind]
        return dt.timedelta(seconds=int(self.options.get("every", default)))


def read_place(text: str) -> Place:
    """Return the place at an address. Raise LogPlaceRefused where it is none."""
    scheme, _, _ = text.partition(":")
    kind, _, rest = scheme.partition("+")
    try:
        parts = urlsplit(text.removeprefix(f"{kind}+") if rest else text)
        _ = parts.port
    except ValueError:
        raise LogPlaceRefused("A place for checkpoints is no URL.") from None
    carries = kind in ("witness", "rfc3161") and rest in ("http", "https")
    if kind not in DEFAULT_SECONDS or (rest and not carries):
        known = ", ".join(sorted(DEFAULT_SECONDS))
        raise LogPlaceRefused(
            f"A place for checkpoints is of no kind that is known, which are {known}."
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    _require_numbers(query)
    _require_whole(kind, parts)
    if kind == "witness":
        _require_witness(unquote(parts.fragment))
    own = {"every", "lock_days"} & set(query)
    url = parts._replace(fragment="", query="" if own else parts.query).geturl()
    return Place(text, kind, url, unquote(parts.fragment), query)


def _require_numbers(query: dict[str, str]) -> None:
    for name, (unit, most) in NUMBERS.items():
        text = query.get(name, "1")
        if not (re.fullmatch(r"[0-9]{1,9}", text) and 0 < int(text) <= most):
            raise LogPlaceRefused(
                f"A place for checkpoints has {name}= with what is no whole number of "
                f"{unit} from 1 to {most}."
            )


def _require_whole(kind: str, parts: SplitResult) -> None:
    """Refuse an address that lacks what its kind cannot do without."""
    lacking = {
        "file": not parts.path.startswith("/") or bool(parts.netloc),
        "mailto": "@" not in parts.path.strip("@"),
        "witness": not (parts.netloc and parts.fragment and parts.scheme != kind),
        "rfc3161": not (parts.netloc and parts.fragment and parts.scheme != kind),
    }.get(kind, not parts.netloc)
    if lacking:
        raise LogPlaceRefused(
            f"A place for checkpoints of the kind {kind} is written {EXAMPLES[kind]}."
        )


def _require_witness(key: str) -> None:
    # Takes a moment to load, and only a witness has a key.
    from evidence.proof.notes import parse_witness_key

    try:
        parse_witness_key(key)
    except ValueError as error:
        raise LogPlaceRefused(f"A place for checkpoints, a witness: {error}.") from None
