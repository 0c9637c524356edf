#!/usr/bin/env python3
"""Check a case archive of Casefile: one file, no network, nothing to install.

    python verify_archive.py [ARCHIVE or FOLDER] [--key FILE or VKEY]...
                             [--checkpoint FILE]... [--json]

Without ARCHIVE, the folder in which this program lies is checked. What follows can be
read from top to bottom: JSON and hashes, signatures (RFC 8032), the history's tree
(RFC 6962), checkpoints (C2SP), the archive's members, and then each check by itself.
Nothing but Python's standard library is used. Memory does not grow with the archive;
it is that of the largest single bundle of evidence in it.

It proves that what is here is what was signed, in which order the history was written,
and, held against a key and a checkpoint that you kept yourself, that nobody has
written it anew since. It cannot prove that what people wrote is true.

Exit status: 0 nothing found; 1 something was altered or does not agree; 2 something is
missing; 3 something cannot be read, or a checkpoint cannot be compared; 4 wrong use.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import gzip
import hashlib
import io
import json
import math
import os
import re
import stat
import sys
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from json.encoder import encode_basestring
from typing import IO, Any, NoReturn


def _words(text: str) -> list[str]:
    return text.split()


PIECE = 1024 * 1024
MAX_LINE = 16 * PIECE  # of a list; a longer one is no line this format has
MAX_WHOLE = 64 * PIECE  # of a member that is read in one go: manifest, envelope
MAX_BUNDLE = 256 * PIECE  # of a bundle or ledger, unpacked
MAX_DEPTH = 64
SAFE_INTEGER = 2**53 - 1
DSSE_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:x-casefile:case-archive:v1"
ENTRY_SCHEMA = "casefile.audit_entry.v1"
SKELETON_SCHEMA = "casefile.audit_entry_skeleton.v1"
PROOF_SCHEMA = "casefile.entry_proof.v1"
SKELETON_MEMBERS = {"schema", "stream", "sequence", "previous_hash", "entry_hash"}
RECORD_KINDS = _words(
    "incident phases checklist decisions waivers timeline alerts findings reports "
    "custody trust kill_switches snapshots rollbacks scans postmortems signatures "
    "action_items notifications"
)
VERDICTS = ("valid", "invalid", "refused")
UNLISTED = ("SHA256SUMS", "manifest.json", "manifest.dsse.json")
REQUIRED = (
    *("README.txt", "verify_archive.py", *UNLISTED),
    *("history/proofs.ndjson", "history/checkpoint.txt", "history/consistency.json"),
    *(f"records/{kind}.ndjson" for kind in RECORD_KINDS),
)
PROVED_ACTIONS = frozenset(
    ("postmortem.signed", "kill_switch.activated", "kill_switch.lifted", "gate.waived")
)


class Unreadable(Exception):
    """A member, or the archive, that is not of this form."""


# --- JSON and its canonical form (RFC 7493, RFC 8785) ------------------------------


class _Reader:
    """Reads JSON strictly; `odd` where a number is not written as Python writes it."""

    def __init__(self) -> None:
        self.odd = False

    def read_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a member name occurs twice")
        return members

    def read_integer(self, text: str) -> int | float:
        number = int(text) if len(text) < 311 else SAFE_INTEGER
        if -SAFE_INTEGER <= number <= SAFE_INTEGER and len(text) < 311:
            return number
        self.odd = True
        if len(text) >= 311 or float(text) != number:
            raise ValueError("an integer that no double equals")
        return float(text)

    def read_float(self, text: str) -> int | float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError("a number beyond the range of a double")
        if number.is_integer() and abs(number) <= SAFE_INTEGER:
            return int(number)
        self.odd = self.odd or not 1e-4 <= abs(number) <= SAFE_INTEGER
        return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _require_depth(value: Any) -> None:
    level, inside = 0, [value]
    while inside:
        level += 1
        if level > MAX_DEPTH:
            raise ValueError(f"nested beyond {MAX_DEPTH} levels")
        below: list[Any] = []
        for one in inside:
            children = one.values() if type(one) is dict else one
            below += [child for child in children if type(child) in (dict, list)]
        inside = below


def read_json(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return (document, plain): an object of I-JSON; `plain` allows the fast writer."""
    reader = _Reader()
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=reader.read_object,
            parse_int=reader.read_integer,
            parse_float=reader.read_float,
            parse_constant=_refuse_constant,
        )
        if type(value) is not dict:
            raise ValueError("it is no JSON object")
        _require_depth(value)
        if "\\u" in text:  # an escape can hold half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"no document: {error}") from None
    high = not text.isascii() and max(text) > "\ud7ff"
    return value, not (reader.odd or high or "\\u" in text)


def canonical(value: Any, plain: bool = False) -> bytes:
    """Return the RFC 8785 form; `plain` is read_json's word on the document."""
    if plain:
        text = json.dumps(
            value, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return text.encode("utf-8")
    parts: list[str] = []
    _write(value, parts.append)
    return "".join(parts).encode("utf-8")


def hash_value(value: Any, plain: bool = False) -> str:
    return hashlib.sha256(canonical(value, plain)).hexdigest()


def _write(value: Any, emit: Callable[[str], None]) -> None:
    if type(value) is dict:
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        for place, name in enumerate(names):
            emit(f"{',' if place else '{'}{encode_basestring(name)}:")
            _write(value[name], emit)
        emit("}" if value else "{}")
    elif type(value) is list:
        emit("[")
        for place, item in enumerate(value):
            emit("," if place else "")
            _write(item, emit)
        emit("]")
    elif type(value) is str:
        emit(encode_basestring(value))
    elif type(value) is float:
        emit(_es6_number(value))
    else:
        emit(json.dumps(value))


def _es6_number(number: float) -> str:
    """Write a double as ECMAScript does (RFC 8785, section 3.2.2.3)."""
    if number == 0:
        return "0"
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) + int(exponent or 0) - len(fraction)
    digits = digits.rstrip("0")
    count, sign = len(digits), "-" if number < 0 else ""
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' if count > 1 else ''}{digits[1:]}e{point - 1:+d}"


def decode_base64(text: Any) -> bytes | None:
    """Return the bytes of base64 in its one right form, None for anything else."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def is_sha256(text: Any) -> bool:
    return type(text) is str and re.fullmatch("[0-9a-f]{64}", text) is not None


# --- Ed25519 (RFC 8032, section 5.1) ------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
IDENTITY: Point = (0, 1, 1, 0)


def _add(a: Point, b: Point) -> Point:
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _decode_point(data: bytes) -> Point | None:
    """Decode a point (section 5.1.3); None where the encoding is not the right one."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = _decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or IDENTITY


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature holds (section 5.1.7), wrong encodings refused."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = _decode_point(public), _decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little") % L
    left, right = _multiply(s, BASE), _add(r, _multiply(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


# --- The tree (RFC 6962, section 2.1; proofs checked as RFC 9162 writes it down) ----

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def inclusion_holds(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> bool:
    """Return whether the leaf hash stands at the index of the tree with that root."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def consistency_holds(
    size1: int, root1: bytes, size2: int, root2: bytes, proof: list[bytes]
) -> bool:
    """Return whether the second tree extends the first."""
    if not 0 <= size1 <= size2:
        return False
    if size1 in (0, size2):
        expected = EMPTY_ROOT if size1 == 0 else root2
        return not proof and root1 == expected and (size2 > 0 or root2 == EMPTY_ROOT)
    rest = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    if not rest:
        return False
    place, last = size1 - 1, size2 - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == root1 and second == root2


def hashes_of(values: Any) -> list[bytes] | None:
    """Return hex hashes as bytes, None where the value is no list of such."""
    if type(values) is not list or not all(map(is_sha256, values)):
        return None
    return [bytes.fromhex(value) for value in values]


# --- Keys and checkpoints (C2SP signed-note, tlog-checkpoint) -----------------------


@dataclass(frozen=True)
class Key:
    """A verifier key: its name, key ID (4 bytes) and public key (32 bytes)."""

    name: str
    key_id: bytes
    public: bytes


@dataclass(frozen=True)
class Checkpoint:
    """What a log stated: its origin, how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes


def key_id_of(name: str, public: bytes, kind: int = 1) -> bytes:
    data = name.encode("utf-8") + b"\n" + bytes([kind]) + public
    return hashlib.sha256(data).digest()[:4]


def is_key_name(name: str) -> bool:
    return bool(name) and not any(c.isspace() or c == "+" for c in name)


def parse_key(text: str) -> Key:
    """Read `<name>+<hex key ID>+<base64(0x01 || public key)>`, or raise ValueError."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = decode_base64(encoded)
    if not is_key_name(name) or data is None or len(data) != 33 or data[0] != 1:
        raise ValueError("no verifier key of the form name+ID+key")
    if key_id_of(name, data[1:]).hex() != key_id:
        raise ValueError("the key's ID is not that of its name and bytes")
    return Key(name, bytes.fromhex(key_id), data[1:])


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return (text, [(name, key ID, signature)]) of a signed note; ValueError."""
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the note is not UTF-8") from None
    text, found, tail = whole.rpartition("\n\n")
    if any(ord(c) < 0x20 and c != "\n" for c in whole):
        raise ValueError("the note holds control characters")
    if not found or not text or not tail.endswith("\n"):
        raise ValueError("no note of a text, an empty line and signature lines")
    signatures = []
    for line in tail[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        data = decode_base64(encoded)
        if dash != "—" or not is_key_name(name) or data is None or len(data) < 5:
            raise ValueError("a signature line is not of the form of a note's")
        signatures.append((name, data[:4], data[4:]))
    return text + "\n", signatures


def verify_note(note: bytes, keys: Iterable[Key], name: str | None = None) -> str:
    """Return the text of a note that one of the keys (of that name) signed."""
    text, signatures = split_note(note)
    for key in keys:
        for signer, key_id, signature in signatures:
            if (
                (signer, key_id) == (key.name, key.key_id)
                and name in (None, signer)
                and verify_ed25519(key.public, text.encode("utf-8"), signature)
            ):
                return text
    raise ValueError("no signature of a known key verifies")


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text, without its signatures; ValueError for others."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0]:
        raise ValueError("no checkpoint of origin, size and root")
    root = decode_base64(lines[2])
    if not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) or root is None:
        raise ValueError("the size or the root is not of a checkpoint's form")
    if len(root) != 32 or (lines[1] == "0" and root != EMPTY_ROOT):
        raise ValueError("the root is none of a tree of that size")
    return Checkpoint(lines[0], int(lines[1]), root)


def open_checkpoint(note: bytes, keys: Iterable[Key]) -> Checkpoint:
    """Return a checkpoint that a key of its own origin signed, or raise ValueError."""
    checkpoint = parse_checkpoint(split_note(note)[0])
    verify_note(note, keys, checkpoint.origin)
    return checkpoint


# --- The archive's members: of a ZIP, or of a folder --------------------------------


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    return not (
        any(part in ("", ".", "..") for part in parts)
        or "\\" in name
        or any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
        or any(re.match("[A-Za-z]:", part) for part in parts)
    )


class Members:
    """Names below the archive's one folder, each with a way to read its bytes.

    `unreadable` has a reason by name for what is there and cannot be judged.
    """

    def __init__(self, path: str) -> None:
        self.unreadable: dict[str, str] = {}
        self.openers: dict[str, Callable[[], Iterator[bytes]]] = {}
        self._read_folder(path) if os.path.isdir(path) else self._read_zip(path)
        if not self.openers and not self.unreadable:
            raise Unreadable("there is nothing in it")

    def __contains__(self, name: str) -> bool:
        return name in self.openers or name in self.unreadable

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes; raise Unreadable where they are not what the ZIP lists."""
        return self.openers[name]()

    def read(self, name: str, limit: int = MAX_WHOLE) -> bytes:
        data = bytearray()
        for piece in self.pieces(name):
            data += piece
            if len(data) > limit:
                raise Unreadable(f"larger than the {limit} bytes that are read at once")
        return bytes(data)

    def lines(self, name: str) -> Iterator[bytes]:
        rest = b""
        for piece in self.pieces(name):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > MAX_LINE:
                raise Unreadable(f"a line of more than {MAX_LINE} bytes")
        if rest:
            yield rest

    def _read_folder(self, top: str) -> None:
        for folder, below, files in os.walk(top):
            links = [one for one in below if os.path.islink(os.path.join(folder, one))]
            for file in files + links:
                path = os.path.join(folder, file)
                name = os.path.relpath(path, top).replace(os.sep, "/")
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    self.unreadable[name] = "a link or a device"
                elif not _is_safe(name):
                    self.unreadable[name] = "an unsafe name"
                else:
                    self.openers[name] = partial(_file_pieces, path)

    def _read_zip(self, path: str) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise Unreadable(f"not a ZIP that can be read: {error}") from None
        tops = Counter(
            info.orig_filename.partition("/")[0]
            for info in infos
            if "/" in info.orig_filename.strip("/") and _is_safe(info.orig_filename)
        )
        top = tops.most_common(1)[0][0] + "/" if tops else ""
        for info in infos:
            self._take_zip_member(path, info, top)

    def _take_zip_member(self, path: str, info: zipfile.ZipInfo, top: str) -> None:
        whole = info.orig_filename
        name = whole[len(top) :] if top and whole.startswith(top) else ""
        mode = info.external_attr >> 16
        if whole.endswith("/") and _is_safe(whole[:-1]) and not info.file_size:
            return  # a folder, which holds nothing by itself
        if not name or not _is_safe(whole):
            self.unreadable[whole] = "a name outside of the archive's folder"
        elif name in self:
            self.openers.pop(name, None)
            self.unreadable[name] = "the name occurs twice"
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            self.unreadable[name] = "a link or a device"
        else:
            self.openers[name] = partial(_zip_pieces, path, info)


def _file_pieces(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from None


def _zip_pieces(path: str, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Unpack a member by its own header; Unreadable for a size or CRC not as listed."""
    crc, size = 0, 0
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04" or info.flag_bits & 1:
            raise Unreadable("no plain member stands where the ZIP says")
        name_size, extra_size = header[26] + header[27] * 256, header[28:30]
        file.seek(name_size + int.from_bytes(extra_size, "little"), os.SEEK_CUR)
        for piece in _unpacked(file, info.compress_size, info.compress_type):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if size > info.file_size:
                raise Unreadable("it is larger than the ZIP says")
            yield piece
    if size != info.file_size or crc != info.CRC:
        raise Unreadable("its size or checksum is not as the ZIP says")


def _unpacked(file: IO[bytes], left: int, method: int) -> Iterator[bytes]:
    if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unreadable("it is packed in a way that this format does not have")
    inflater = zlib.decompressobj(-15) if method == zipfile.ZIP_DEFLATED else None
    while left > 0 and (packed := file.read(min(PIECE, left))):
        left -= len(packed)
        if inflater is None:
            yield packed
            continue
        try:
            while packed:
                yield inflater.decompress(packed, PIECE)
                packed = inflater.unconsumed_tail
        except zlib.error as error:
            raise Unreadable(f"it cannot be unpacked: {error}") from None
    if left or (inflater and (not inflater.eof or inflater.unused_data)):
        raise Unreadable("its packed bytes are not what the ZIP says")


# --- Bundles and ledgers (evidence format, sections 2 to 7) --------------------------

BUNDLE_SCHEMA = "pi.security.incident_evidence_bundle.v1"
LEDGER_SCHEMA = "pi.security.runtime_risk_ledger.v1"
PLACEHOLDER = "[REDACTED]"
SECTIONS = _words(
    "security_alerts hostcall_telemetry exec_mediation secret_broker quota_breaches"
)
STEP = _words(
    "sequence ts_ms extension_id call_id capability method policy_decision "
    "policy_reason risk_score selected_action outcome triggers"
)
TEXTS = _words(
    "extension_id call_id capability method params_hash policy_reason ledger_hash"
)
CHOICES = {
    "policy_decision": ("allow", "prompt", "deny"),
    "selected_action": ("allow", "harden", "deny", "terminate"),
    "outcome": ("executed", "blocked", "failed"),
}
FLAGS = {
    "redact_params_hash": [("risk_ledger", "params_hash")],
    "redact_context_hash": [("security_alerts", "context_hash")],
    "redact_args_shape_hash": [("hostcall_telemetry", "args_shape_hash")],
    "redact_command_hash": [("exec_mediation", "command_hash")],
    "redact_name_hash": [("secret_broker", "name_hash")],
    "redact_remediation": [("security_alerts", "remediation")],
}
FLAGS["redact_params_hash"].append(("hostcall_telemetry", "params_hash"))
MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def verdict_of(data: bytes, source: bytes | None = None) -> str:
    """Return `valid`, `invalid` or `refused` for the bytes of a bundle or ledger.

    `source`: the unredacted bundle it was made from, where it is at hand.
    """
    try:
        document, plain = read_json(unwrap(data))
        if "risk_ledger" in document:
            _require_bundle(document)
            holds = bundle_holds(document, plain) and not leaks(document, source)
        elif type(document.get("entries")) is list:
            holds = ledger_holds(document, False, plain)
        else:
            return "refused"
    except Unreadable:
        return "refused"
    return "valid" if holds else "invalid"


def unwrap(data: bytes) -> bytes:
    """Return a document as UTF-8 that may be packed, or in another encoding."""
    for _ in range(2):
        if data[:2] == b"\x1f\x8b":
            data = _unpack(gzip.GzipFile(fileobj=io.BytesIO(data)))
        elif data[:4] == b"PK\x03\x04":
            data = _unpack_zip(data)
    for mark, codec in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace").encode("utf-8")
    if len(data) > 1 and 0 in data[:2]:
        codec = "utf-16-le" if data[1] == 0 else "utf-16-be"
        return data.decode(codec, "replace").encode("utf-8")
    return data


def _unpack_zip(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [
                name
                for name in archive.namelist()
                if not re.match(r"__MACOSX/|(.*/)?\._|(.*/)?\.DS_Store\Z|.*/\Z", name)
            ]
            if len(names) != 1:
                raise Unreadable("a ZIP of several files")
            with archive.open(names[0]) as file:
                return _unpack(file)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise Unreadable(f"packed, and cannot be unpacked: {error}") from None


def _unpack(file: IO[bytes] | gzip.GzipFile) -> bytes:
    try:
        data = file.read(MAX_BUNDLE + 1)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise Unreadable(f"packed, and cannot be unpacked: {error}") from None
    if len(data) > MAX_BUNDLE:
        raise Unreadable("it unpacks to too much")
    return data


def _is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _require_bundle(document: dict[str, Any]) -> None:
    kinds: dict[str, Any] = dict.fromkeys(SECTIONS, list)
    kinds |= dict.fromkeys(("filter", "redaction", "risk_ledger", "summary"), dict)
    kinds |= {"schema": str, "bundle_hash": str}
    for name, kind in kinds.items():
        if type(document.get(name)) is not kind:
            raise Unreadable(f"no bundle: {name} is missing or of another type")
    replay = document.get("risk_replay", 0)
    entries = document["risk_ledger"].get("entries")
    moment = document.get("generated_at_ms")
    if type(replay) not in (dict, type(None)) or type(entries) is not list:
        raise Unreadable("no bundle: the replay or the ledger is of another type")
    if not _is_integer(moment):
        raise Unreadable("no bundle: generated_at_ms is no integer")


def _is_well_formed(entry: Any) -> bool:
    return (
        type(entry) is dict
        and all(type(entry.get(name)) is str for name in TEXTS)
        and all(type(entry.get(n)) is str and entry[n] in c for n, c in CHOICES.items())
        and _is_integer(entry.get("sequence"))
        and entry["sequence"] >= 1
        and _is_integer(entry.get("ts_ms"))
        and type(entry.get("risk_score")) in (int, float)
        and type(entry.get("triggers")) is list
        and all(type(trigger) is str for trigger in entry["triggers"])
        and type(entry.get("prev_ledger_hash", 0)) in (str, type(None))
    )


def ledger_holds(ledger: dict[str, Any], filtered: bool, plain: bool) -> bool:
    """Return whether verifying a ledger finds nothing; `filtered` explains holes."""
    before: dict[str, Any] | None = None
    for entry in ledger["entries"]:
        if not _is_well_formed(entry):
            return False
        sequence, link = entry["sequence"], entry["prev_ledger_hash"]
        if (link is None) != (sequence == 1):
            return False
        if before is not None:
            step = sequence - before["sequence"]
            if step < 1 or (step > 1 and not filtered):
                return False
            if step == 1 and link != before["ledger_hash"]:
                return False
        if entry["params_hash"] != PLACEHOLDER:
            content = {name: v for name, v in entry.items() if name != "ledger_hash"}
            if hash_value(content, plain) != entry["ledger_hash"]:
                return False
        before = entry
    entries = ledger["entries"]
    expected = {
        "schema": LEDGER_SCHEMA,
        "entry_count": len(entries),
        "head_ledger_hash": entries[0]["ledger_hash"] if entries else None,
        "tail_ledger_hash": entries[-1]["ledger_hash"] if entries else None,
    }
    return all(_same(ledger, name, value) for name, value in expected.items())


def _same(holder: Any, name: str, value: Any) -> bool:
    return (
        type(holder) is dict
        and name in holder
        and canonical(holder[name]) == canonical(value)
    )


def bundle_holds(document: dict[str, Any], plain: bool) -> bool:
    """Return whether none of a bundle's five steps fails, its source left aside."""
    content = {name: v for name, v in document.items() if name != "bundle_hash"}
    filtered = type(document["filter"].get("extension_id")) is str
    return (
        document["schema"] == BUNDLE_SCHEMA
        and hash_value(content, plain) == document["bundle_hash"]
        and ledger_holds(document["risk_ledger"], filtered, plain)
        and _figures_hold(document)
        and _replay_holds(document, plain)
        and all(
            record[name] == PLACEHOLDER
            for section, name in _redacted_members(document)
            for record in _records(document, section)
            if name in record
        )
    )


def _records(document: dict[str, Any], section: str) -> list[dict[str, Any]]:
    whole = document[section]
    records = whole["entries"] if section == "risk_ledger" else whole
    return [record for record in records if type(record) is dict]


def _figures_hold(document: dict[str, Any]) -> bool:
    """Compare the summary with the records, over a ledger that holds (section 7)."""
    entries = document["risk_ledger"]["entries"]
    records = [r for s in ("risk_ledger", *SECTIONS) for r in _records(document, s)]
    moments = [r["ts_ms"] for r in records if _is_integer(r.get("ts_ms"))]
    names = (record.get("extension_id") for record in records)
    steps = (document["risk_replay"] or {}).get("steps")
    counts = {name: len(document[name]) for name in SECTIONS}
    counts["risk_ledger"] = len(entries)
    counts["risk_replay"] = len(steps) if type(steps) is list else 0
    stopped = [e for e in entries if e["selected_action"] in ("deny", "terminate")]
    expected = {
        "distinct_extensions": len({name for name in names if type(name) is str}),
        "peak_risk_score": max((entry["risk_score"] for entry in entries), default=0),
        "blocked_count": len(stopped),
        "first_ts_ms": min(moments, default=None),
        "last_ts_ms": max(moments, default=None),
        "ledger_chain_valid": True,
    }
    summary = document["summary"]
    return all(_same(summary, n, v) for n, v in expected.items()) and all(
        _same(summary.get("counts"), n, v) for n, v in counts.items()
    )


def _replay_holds(document: dict[str, Any], plain: bool) -> bool:
    """Compare the replay with the entries of a ledger that holds (section 6)."""
    replay, entries = document["risk_replay"], document["risk_ledger"]["entries"]
    expected = {
        "source_tail_ledger_hash": entries[-1]["ledger_hash"] if entries else None,
        "step_count": len(entries),
        "trusted_steps": len(entries),
        "steps": [
            {"index": i, "trusted": True} | {name: entry[name] for name in STEP}
            for i, entry in enumerate(entries)
        ],
    }
    return replay is None or canonical(replay, plain) == canonical(expected, plain)


def _redacted_members(document: dict[str, Any]) -> list[tuple[str, str]]:
    flags = [flag for flag in FLAGS if document["redaction"].get(flag) is True]
    return [member for flag in flags for member in FLAGS[flag]]


def leaks(document: dict[str, Any], source: bytes | None) -> bool:
    """Return whether a value that was replaced still stands in a string (section 5)."""
    members = _redacted_members(document)
    if source is None or not members:
        return False
    try:
        unredacted = read_json(unwrap(source))[0]
        _require_bundle(unredacted)
    except Unreadable:
        return False  # what is wrong with the source is the source's own fault
    held = {
        (name, record[name])
        for section, name in members
        for record in _records(unredacted, section)
        if type(record.get(name)) is str and record[name] != PLACEHOLDER
    }
    names = {value.lower() for name, value in held if name == "name_hash"}
    by_head: dict[str, set[str]] = {}
    for _, value in held:
        by_head.setdefault(value[:8], set()).add(value)
    return any(_gives_away(text, by_head, names) for text in _strings(document))


def _gives_away(text: str, by_head: dict[str, set[str]], names: set[str]) -> bool:
    if len(text) < 8 and text in by_head:
        return True
    for place in range(len(text) - 7):
        for value in by_head.get(text[place : place + 8], ()):
            if len(value) >= 8 and text.startswith(value, place):
                return True
    words = re.findall("[A-Za-z0-9_]+", text) if names else ()
    return any(hashlib.sha256(word.encode()).hexdigest() in names for word in words)


def _strings(document: Any) -> set[str]:
    found: set[str] = set()
    inside = [document]
    while inside:
        one = inside.pop()
        for child in one.values() if type(one) is dict else one:
            if type(child) is str:
                found.add(child)
            elif type(child) in (dict, list):
                inside.append(child)
    return found - {PLACEHOLDER}


# --- The checks ----------------------------------------------------------------------


@dataclass
class Stream:
    """What was found in one stream's file."""

    name: str | None
    sequence: int = 0
    head: str | None = None
    required: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)


class Checker:
    """Runs every check over one archive and collects the faults."""

    def __init__(self, members: Members, trusted: list[Key]) -> None:
        self.members = members
        self.trusted = trusted
        self.faults: list[dict[str, str]] = []
        self.keys: list[Key] = list(trusted)
        self.keys_complete = True
        self.checkpoints: list[Checkpoint] = []
        self.checkpoints_complete = True
        self.proved: dict[str, str | None] = {}
        self.in_history: dict[str, set[str]] | None = None
        self.evidence: list[dict[str, Any]] = []

    def fault(self, code: str, path: str, message: str) -> None:
        fault = {"code": code, "path": path, "message": message}
        if fault not in self.faults:
            self.faults.append(fault)

    def run(self, kept: list[str]) -> None:
        """Run every check; `kept` are the files of checkpoints the reader has."""
        for name, why in self.members.unreadable.items():
            self.fault("unreadable", name, why)
        self.check_manifest()
        self.check_members()
        self.read_keys()
        self.check_envelope()
        self.check_checkpoints()
        self.check_history()
        self.check_records()
        self.check_evidence()
        for path in kept:
            self.check_kept(path)

    # Members ---------------------------------------------------------------------

    def present(self, name: str) -> bool:
        """Return whether a member can be judged; what is missing is noted once."""
        if name not in self.members:
            self.fault("member_missing", name, "the member is missing")
        return name in self.members.openers and not self.is_unreadable(name)

    def is_unreadable(self, name: str) -> bool:
        return any(f["code"] == "unreadable" and f["path"] == name for f in self.faults)

    def read(self, name: str) -> bytes | None:
        """Return a member's bytes, None where it is missing or unreadable."""
        if not self.present(name):
            return None
        try:
            return self.members.read(name)
        except Unreadable as error:
            self.fault("unreadable", name, str(error))
            return None

    def read_document(self, name: str) -> dict[str, Any] | None:
        data = self.read(name)
        try:
            return None if data is None else read_json(data)[0]
        except Unreadable as error:
            self.fault("unreadable", name, str(error))
            return None

    def documents(self, name: str) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield a list's documents up to the first line that is none."""
        try:
            for number, line in enumerate(self.members.lines(name), 1):
                try:
                    yield read_json(line)
                except Unreadable as error:
                    raise Unreadable(f"line {number}: {error}") from None
        except Unreadable as error:
            self.fault("unreadable", name, str(error))

    def check_manifest(self) -> None:
        data = self.read("manifest.json")
        self.manifest_bytes = data
        self.predicate: dict[str, Any] = {}
        self.subject: list[tuple[str, str]] | None = None
        document = self.read_document("manifest.json")
        if data is None or document is None:
            return
        if canonical(document) != data:
            message = "the manifest is not written in canonical form"
            self.fault("manifest_not_canonical", "manifest.json", message)
        types = document.get("_type"), document.get("predicateType")
        predicate = document.get("predicate")
        self.subject = _read_subject(document.get("subject"))
        if (
            types != (STATEMENT_TYPE, PREDICATE_TYPE)
            or type(predicate) is not dict
            or self.subject is None
        ):
            message = "the manifest is not a Statement about a case archive"
            self.fault("manifest_mismatch", "manifest.json", message)
        self.predicate = predicate if type(predicate) is dict else {}

    def check_members(self) -> None:
        """Hold every member against the manifest and SHA256SUMS."""
        sums = self.read_sums()
        if sums is not None and self.subject is not None and sums != self.subject:
            message = "the manifest names other members, digests or another order"
            self.fault("manifest_mismatch", "SHA256SUMS", message)
        lists = [one for one in (self.subject, sums) if one is not None]
        self.listed = {name for one in lists for name, _ in one}
        for name in sorted(self.listed.union(REQUIRED)):
            self.present(name)
        for name in sorted(self.members.openers):
            stamp = re.fullmatch(r"timestamps/[^/]+\.tsr", name)
            named = all(name in {listed for listed, _ in one} for one in lists)
            if not named and name not in UNLISTED and not stamp:
                message = "the manifest or SHA256SUMS does not name the member"
                self.fault("member_extra", name, message)
            self.check_digest(name, [dict(one).get(name) for one in lists])

    def read_sums(self) -> list[tuple[str, str]] | None:
        data = self.read("SHA256SUMS")
        if data is None:
            return None
        try:
            lines = data.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            self.fault("unreadable", "SHA256SUMS", "it is not UTF-8")
            return None
        found = [re.fullmatch("([0-9a-f]{64})  (.+)", line) for line in lines[:-1]]
        if lines[-1] or not all(found):
            message = "a line is not of the form of sha256sum"
            self.fault("manifest_mismatch", "SHA256SUMS", message)
        return [(line[2], line[1]) for line in found if line]

    def check_digest(self, name: str, expected: list[str | None]) -> None:
        digest = hashlib.sha256()
        try:
            for piece in self.members.pieces(name):
                digest.update(piece)
        except Unreadable as error:
            self.fault("unreadable", name, str(error))
            return
        parts = name.split("/")
        if parts[0] == "evidence" and len(parts) > 1:
            expected = [*expected, parts[1]]
        wanted = {one for one in expected if one is not None}
        if wanted - {digest.hexdigest()}:
            message = f"its bytes have the digest {digest.hexdigest()}"
            self.fault("digest_mismatch", name, message)

    # Signatures ------------------------------------------------------------------

    def read_keys(self) -> None:
        """Take the keys inside; without --key they are what is checked against."""
        inside = set(self.listed | set(self.members.openers))
        names = sorted(n for n in inside if re.fullmatch(r"keys/[^/]+\.pub", n))
        for name in names:
            data = self.read(name)
            if data is None:
                self.keys_complete = False
                continue
            try:
                self.keys.append(parse_key(data.decode("utf-8")))
            except ValueError:
                continue  # it verifies nothing, and so needs no fault of its own
        self.checking_keys = self.trusted or self.keys
        if self.trusted:
            self.keys_complete = True

    def check_envelope(self) -> None:
        name = "manifest.dsse.json"
        envelope = self.read_document(name)
        if envelope is None:
            return
        payload = decode_base64(envelope.get("payload"))
        if self.manifest_bytes is not None and payload != self.manifest_bytes:
            message = "the envelope holds another manifest than manifest.json"
            self.fault("manifest_mismatch", name, message)
        kind, signatures = envelope.get("payloadType"), envelope.get("signatures")
        if type(kind) is not str or payload is None or type(signatures) is not list:
            self.fault("signature_invalid", name, "it is no DSSE envelope")
            return
        message_bytes = pae(kind, payload)
        data = [
            decode_base64(one.get("sig")) for one in signatures if type(one) is dict
        ]
        verified = [
            key
            for key in self.keys
            if kind == DSSE_TYPE
            and any(s and verify_ed25519(key.public, message_bytes, s) for s in data)
        ]
        if not verified and self.keys_complete:
            message = "no signature verifies under a known key"
            self.fault("signature_invalid", name, message)
        elif verified and not set(verified) & set(self.checking_keys):
            message = "it is signed, by none of the keys that you trust"
            self.fault("signature_untrusted", name, message)

    def open_note(self, text: Any, code: str, path: str) -> Checkpoint | None:
        """Return a sound checkpoint, None where it is faulty or cannot be judged."""
        try:
            note = text.encode("utf-8") if type(text) is str else text
            if type(note) is not bytes:
                raise ValueError("it is no text")
            checkpoint = parse_checkpoint(split_note(note)[0])
        except ValueError as error:
            self.fault(code, path, f"a checkpoint is not sound: {error}")
            return None
        try:
            return open_checkpoint(note, self.checking_keys)
        except ValueError as error:
            if not self.keys_complete:
                return checkpoint  # a key is missing, and that is said already
            message = f"the checkpoint of size {checkpoint.size}: {error}"
            self.fault(code, path, message)
            return None

    def check_checkpoints(self) -> None:
        """Check the newest checkpoint, and the chain of those that lead to it."""
        name = "history/checkpoint.txt"
        data = self.read(name)
        newest = None
        if data is not None:
            newest = self.open_note(data, "checkpoint_invalid", name)
        size = self.predicate.get("checkpoint_size")
        if newest and self.predicate and not _equal(size, newest.size):
            message = f"checkpoint_size is not {newest.size}, that of the checkpoint"
            self.fault("manifest_mismatch", "manifest.json", message)
        path = "history/consistency.json"
        document = self.read_document(path)
        chain = [] if document is None else self.check_chain(document, path)
        if newest and chain and chain[-1] and chain[-1] != newest:
            message = "the chain of checkpoints does not end at checkpoint.txt"
            self.fault("proof_invalid", path, message)
        elif newest and document is not None and not chain:
            self.fault("proof_invalid", path, "it names no checkpoint")
        found = [newest, *chain]
        self.checkpoints = [one for one in found if one is not None]
        self.checkpoints_complete = data is not None and document is not None

    def check_chain(
        self, document: dict[str, Any], path: str
    ) -> list[Checkpoint | None]:
        """Check checkpoints that are proved to extend each other; None: a bad one."""
        texts, proofs = document.get("checkpoints"), document.get("proofs")
        if type(texts) is not list or type(proofs) is not list:
            self.fault("proof_invalid", path, "no checkpoints and proofs stand in it")
            return []
        chain = [self.open_note(text, "checkpoint_invalid", path) for text in texts]
        if len(proofs) != max(len(texts) - 1, 0):
            message = f"{len(texts)} checkpoints have {len(proofs)} proofs"
            self.fault("proof_invalid", path, message)
        for older, newer, proof in zip(chain, chain[1:], proofs, strict=False):
            if older is None or newer is None:
                continue
            hashes = hashes_of(proof)
            if hashes is None or not consistency_holds(
                older.size, older.root, newer.size, newer.root, hashes
            ):
                message = (
                    f"the tree of size {newer.size} is not proved to extend that of "
                    f"size {older.size}"
                )
                self.fault("proof_invalid", path, message)
        return chain

    def check_kept(self, path: str) -> None:
        """Hold the archive against a checkpoint that the reader kept."""
        name = os.path.basename(path)
        with open(path, "rb") as file:
            data = file.read(MAX_LINE)
        if data.lstrip()[:1] == b"{":
            try:
                chain = self.check_chain(read_json(data)[0], name)
            except Unreadable as error:
                self.fault("checkpoint_invalid", name, str(error))
                return
        else:
            chain = [self.open_note(data, "checkpoint_invalid", name)]
        if not chain or None in chain:
            return
        kept = [one for one in chain if one is not None]
        for one in kept:
            for own in self.checkpoints:
                same_log = one.origin == own.origin
                if not same_log or (one.size == own.size and one.root != own.root):
                    message = f"this log's tree of size {one.size} is another one"
                    self.fault("checkpoint_conflict", name, message)
                    return
        sizes = {own.size for own in self.checkpoints} | {0}
        if not any(one.size in sizes for one in kept):
            message = (
                f"the archive has no checkpoint of size {kept[0].size}: ask for a "
                "proof that leads from yours to the archive's, and give both in a file"
            )
            self.fault("checkpoint_unproved", name, message)

    # The history -----------------------------------------------------------------

    def check_history(self) -> None:
        """Check each stream, the heads, and the proofs of entries."""
        names = [n for n in self.listed | set(self.members.openers) if _is_stream(n)]
        has_proofs = self.read_proofs()
        streams = [self.check_stream(name) for name in sorted(names)]
        sound = [stream for stream in streams if stream is not None]
        self.check_heads(sound, {_stream_of(name) for name in names})
        if not has_proofs:
            return
        path = "history/proofs.ndjson"
        for stream in sound:
            for _ in stream.required - set(self.proved):
                message = f"{stream.name}: an entry that needs a proof has none"
                self.fault("proof_invalid", path, message)
        judged = {stream.name for stream in sound}
        skipped = {_stream_of(name) for name in names} - judged
        found = {entry for stream in sound for entry in stream.found}
        for entry, name in self.proved.items():
            if entry not in found and name not in skipped:
                message = f"the entry {entry} that is proved is not in its stream"
                self.fault("proof_invalid", path, message)

    def read_proofs(self) -> bool:
        """Check each proof by itself; return whether all of them could be read."""
        path = "history/proofs.ndjson"
        if not self.present(path):
            return False
        for number, (document, _) in enumerate(self.documents(path), 1):
            entry = document.get("entry")
            if type(entry) is dict and is_sha256(entry.get("entry_hash")):
                stream = entry.get("stream")
                name = stream if type(stream) is str else None
                self.proved[entry["entry_hash"]] = name
            why = self.find_proof_fault(document)
            if why:
                self.fault("proof_invalid", path, f"line {number}: {why}")
        return not self.is_unreadable(path)

    def find_proof_fault(self, document: dict[str, Any]) -> str | None:
        """Return what is wrong with an entry proof, None where it holds."""
        entry, index = document.get("entry"), document.get("leaf_index")
        hashes = hashes_of(document.get("inclusion"))
        if document.get("schema") != PROOF_SCHEMA or type(entry) is not dict:
            return "it is no entry proof"
        if hashes is None or type(index) is not int:
            return "its hashes or its index are none"
        why = self.find_entry_fault(entry, False)
        if why:
            return f"the entry: {why}"
        try:
            note = str(document.get("checkpoint")).encode("utf-8", "replace")
            checkpoint = parse_checkpoint(split_note(note)[0])
            if self.keys_complete:
                open_checkpoint(note, self.checking_keys)
        except ValueError as error:
            return f"its checkpoint: {error}"
        leaf = leaf_hash(bytes.fromhex(entry["entry_hash"]))
        if not inclusion_holds(leaf, index, checkpoint.size, hashes, checkpoint.root):
            return "it does not lead to the checkpoint's root"
        if self.checkpoints_complete and checkpoint not in self.checkpoints:
            return "its checkpoint is none of the archive's"
        return None

    def find_entry_fault(self, entry: dict[str, Any], plain: bool) -> str | None:
        """Return what is wrong with an entry by itself, None where nothing is."""
        if not is_sha256(entry.get("entry_hash")):
            return "hash_mismatch: entry_hash is no hash"
        if entry.get("schema") == SKELETON_SCHEMA:
            if self.predicate and self.predicate.get("redaction") is None:
                return "hash_mismatch: a skeleton, where nothing is redacted"
            extra = set(entry) != SKELETON_MEMBERS
            return "hash_mismatch: a skeleton of another form" if extra else None
        content = {name: v for name, v in entry.items() if name != "entry_hash"}
        if entry.get("schema") != ENTRY_SCHEMA:
            return "hash_mismatch: it is no audit entry"
        if hash_value(content, plain) != entry["entry_hash"]:
            return "hash_mismatch: the content does not give the entry's hash"
        return None

    def check_stream(self, path: str) -> Stream | None:
        """Check one stream's chain; None where the file is missing or unreadable."""
        if not self.present(path):
            return None
        stream = Stream(_stream_of(path))
        of_case = (stream.name or "").startswith("incident:")
        noted: dict[str, set[str]] = {"evidence": set(), "sign": set(), "kill": set()}
        for entry, plain in self.documents(path):
            self.check_link(stream, entry, path, self.find_entry_fault(entry, plain))
            if of_case:
                _note_entry(stream, entry, noted)
        if self.is_unreadable(path):
            return None
        if stream.head is not None:
            stream.required.add(stream.head)
        if of_case:
            self.in_history = noted
        return stream

    def check_link(
        self, stream: Stream, entry: dict[str, Any], path: str, why: str | None
    ) -> None:
        sequence, previous = entry.get("sequence"), entry.get("previous_hash")
        faults = [why] if why else []
        if entry.get("stream") != stream.name:
            faults.append("the entry is of another stream")
        if not _equal(sequence, stream.sequence + 1):
            faults.append(f"sequence_gap: expected {stream.sequence + 1}")
        if previous != stream.head or "previous_hash" not in entry:
            faults.append("link_mismatch: it does not continue the entry before")
        for message in faults:
            self.fault("chain_fault", path, f"#{sequence}: {message}")
        stream.sequence = sequence if type(sequence) is int else stream.sequence + 1
        stream.head = str(entry.get("entry_hash"))
        if stream.head in self.proved:
            stream.found.add(stream.head)

    def check_heads(self, streams: list[Stream], named: set[str | None]) -> None:
        if not self.predicate:
            return
        heads = self.predicate.get("heads")
        heads = heads if type(heads) is dict else {}
        for stream in streams:
            head = heads.get(str(stream.name))
            expected = {"sequence": stream.sequence, "entry_hash": stream.head}
            if stream.head is None or head != expected:
                message = f"the stream ends at #{stream.sequence}, {stream.head}"
                self.fault("head_mismatch", str(stream.name), message)
        for name in set(heads) - {str(one) for one in named}:
            self.fault("head_mismatch", name, "the stream of this head is not here")

    # Records and evidence --------------------------------------------------------

    def check_records(self) -> None:
        """Count the records, and hold them against the case's own history."""
        counts = self.predicate.get("records")
        counts = counts if type(counts) is dict else {}
        below = (n[8:-7] for n in self.members.openers if n.startswith("records/"))
        self.verdicts: dict[str, str] = {}
        noted: dict[str, set[str]] = {}
        for kind in sorted({*RECORD_KINDS, *counts, *below}):
            path = f"records/{kind}.ndjson"
            if not self.present(path):
                continue
            count, keys = 0, set()
            for document, _ in self.documents(path):
                count += 1
                if kind == "reports" and document.get("outcome") in VERDICTS:
                    self.verdicts[str(document.get("sha256"))] = document["outcome"]
                elif kind == "signatures":
                    keys.add(str(document.get("content_sha256")))
                elif kind == "kill_switches":
                    keys.add(str(document.get("id")))
            if self.is_unreadable(path):
                continue
            noted[kind] = keys
            if self.predicate and not _equal(counts.get(kind), count):
                message = f"the manifest counts {counts.get(kind)} lines, not {count}"
                self.fault("record_mismatch", path, message)
        self.compare_records(noted)

    def compare_records(self, noted: dict[str, set[str]]) -> None:
        """Compare what the archive states with what the case's stream recorded."""
        redacted = self.predicate.get("redaction") is not None
        if self.in_history is None or redacted or not self.predicate:
            return
        items = self.predicate.get("evidence")
        held = [one for one in items if type(one) is dict] if items else []
        stated = {
            "evidence": ("manifest.json", {str(one.get("sha256")) for one in held}),
            "sign": ("records/signatures.ndjson", noted.get("signatures")),
            "kill": ("records/kill_switches.ndjson", noted.get("kill_switches")),
        }
        for what, (path, keys) in stated.items():
            for key in sorted(keys ^ self.in_history[what]) if keys is not None else ():
                where = "the history" if key in self.in_history[what] else "the archive"
                message = f"{what} {key} stands in {where} alone"
                self.fault("record_mismatch", path, message)

    def check_evidence(self) -> None:
        """Hold the evidence against the manifest's list and its own reports."""
        items = self.predicate.get("evidence")
        rows = [one for one in items if type(one) is dict] if items else []
        expected: dict[str, set[str]] = {}
        for row in rows:
            file = member_name(str(row.get("name")))
            expected.setdefault(str(row.get("sha256")), set()).add(file)
        paths = self.listed | set(self.members.openers) | set(self.members.unreadable)
        found: dict[str, list[str]] = {}
        for path in sorted(p for p in paths if p.startswith("evidence/")):
            _, sha256, *rest = path.split("/")
            found.setdefault(sha256, []).append("/".join(rest))
        if self.predicate:
            for sha256 in sorted({*expected, *found}):
                files = found.get(sha256, [])
                if len(files) != 1 or files[0] not in expected.get(sha256, set()):
                    message = f"the item {sha256} is not there once under its name"
                    self.fault("manifest_mismatch", "manifest.json", message)
        sources = {str(row.get("sha256")): row.get("derived_from") for row in rows}
        for sha256, stated in self.verdicts.items():
            for file in found.get(sha256, []):
                source = str(sources.get(sha256))
                path = f"evidence/{sha256}/{file}"
                origin = [f"evidence/{source}/{one}" for one in found.get(source, [])]
                self.check_verdict(path, stated, origin[0] if origin else None)

    def check_verdict(self, path: str, stated: str, source: str | None) -> None:
        if path not in self.members.openers or self.is_unreadable(path):
            return
        try:
            data = self.read_evidence(path)
            found = verdict_of(data)
            if found == "valid" and source and source in self.members.openers:
                found = verdict_of(data, self.read_evidence(source))
        except Unreadable:
            found = "refused"
        if found != stated:
            message = f"it is found {found}; its newest report says {stated}"
            self.fault("evidence_invalid", path, message)

    def read_evidence(self, path: str) -> bytes:
        """Return an item's bytes, nothing of what cannot be a document of this kind."""
        first = next(self.members.pieces(path), b"")
        opening = first.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1]
        if opening not in (b"{", b"\x1f", b"P"):
            raise Unreadable("no document begins so")
        return self.members.read(path, MAX_BUNDLE)


def pae(kind: str, payload: bytes) -> bytes:
    """Return what a DSSE signature is over: the pre-authentication encoding."""
    name = kind.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def member_name(name: str) -> str:
    """Return the file name of an evidence item inside an archive."""
    kept = unicodedata.normalize("NFC", name)
    written = "".join(c if c.isalnum() or c in "._-" else "_" for c in kept)
    return written.replace("..", "_") or "_"  # no name has two dots in a row


def stream_file(stream: str) -> str:
    """Return the member of an archive that holds a stream."""
    written = "".join(
        "_"
        if c == ":"
        else c
        if c.isascii() and (c.isalnum() or c in ".-")
        else "".join(f"%{byte:02X}" for byte in c.encode("utf-8"))
        for c in stream
    )
    return f"history/{written}.ndjson"


def _is_stream(path: str) -> bool:
    return (
        path.startswith("history/")
        and path.endswith(".ndjson")
        and path != "history/proofs.ndjson"
    )


def _stream_of(path: str) -> str | None:
    """Return the stream whose file has this name, None where there is none such."""
    written = path[len("history/") : -len(".ndjson")].replace("_", ":").encode("utf-8")
    data = re.sub(b"%([0-9A-Fa-f]{2})", lambda m: binascii.unhexlify(m[1]), written)
    stream = data.decode("utf-8", "replace")
    return stream if stream_file(stream).lower() == path.lower() else None


def _note_entry(
    stream: Stream, entry: dict[str, Any], noted: dict[str, set[str]]
) -> None:
    """Note what an entry of the case's stream records, and whether it needs a proof."""
    action, after, about = (entry.get(name) for name in ("action", "after", "object"))
    after = after if type(after) is dict else {}
    about = about if type(about) is dict else {}
    if type(action) is str and action in PROVED_ACTIONS:
        stream.required.add(str(entry.get("entry_hash")))
    if action == "evidence.received":
        noted["evidence"].add(str(after.get("sha256_hex")))
    elif action == "postmortem.signed":
        noted["sign"].add(str(after.get("content_sha256")))
    elif action == "kill_switch.activated":
        noted["kill"].add(str(about.get("id")))


def _read_subject(value: Any) -> list[tuple[str, str]] | None:
    """Return [(name, sha256)] of a Statement's subject, None for another form."""
    if type(value) is not list:
        return None
    found = []
    for one in value:
        digest = one.get("digest") if type(one) is dict else None
        sha256 = digest.get("sha256") if type(digest) is dict else None
        if not is_sha256(sha256) or type(one.get("name")) is not str:
            return None
        found.append((str(one["name"]), str(sha256)))
    return found


def _equal(value: Any, number: int) -> bool:
    return type(value) is int and value == number


# --- The program ---------------------------------------------------------------------


def check_archive(
    path: str, trusted: list[Key], kept: list[str]
) -> list[dict[str, str]]:
    """Return every fault of an archive, each {code, path, message}."""
    try:
        members = Members(path)
    except Unreadable as error:
        return [{"code": "unreadable", "path": "", "message": str(error)}]
    checker = Checker(members, trusted)
    checker.run(kept)
    return checker.faults


def exit_status(faults: list[dict[str, str]]) -> int:
    codes = {fault["code"] for fault in faults}
    if codes - {"unreadable", "member_missing", "checkpoint_unproved"}:
        return 1
    if codes & {"unreadable", "checkpoint_unproved"}:
        return 3
    return 2 if codes else 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(4, f"verify_archive.py: {message}\n")


def _read_key_argument(text: str) -> list[Key]:
    if os.path.exists(text):
        with open(text, encoding="utf-8") as file:
            lines = [line for line in file.read().splitlines() if line.strip()]
    else:
        lines = [text]
    if not lines:
        raise ValueError("the file holds no key")
    return [parse_key(line) for line in lines]


def main(arguments: list[str] | None = None) -> int:
    own = os.path.dirname(os.path.abspath(__file__))
    parser = _Parser(description="Check a case archive.")
    parser.add_argument("archive", nargs="?", default=own, metavar="ARCHIVE or FOLDER")
    parser.add_argument("--key", action="append", default=[], metavar="FILE or VKEY")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print faults as JSON")
    options = parser.parse_args(arguments)
    for path in (options.archive, *options.checkpoint):
        if not os.access(path, os.R_OK):
            parser.error(f"{path} is not there, or may not be read")
    try:
        trusted = [key for text in options.key for key in _read_key_argument(text)]
    except (ValueError, OSError) as error:
        parser.error(f"--key: {error}")
    faults = check_archive(options.archive, trusted, options.checkpoint)
    status = exit_status(faults)
    if options.json:
        print(json.dumps({"faults": faults, "status": status}))
    else:
        _print_answer(faults, bool(trusted))
    return status


def _print_answer(faults: list[dict[str, str]], has_key: bool) -> None:
    for fault in faults:
        line = f"{fault['code']}: {fault['path']}: {fault['message']}"
        print(line.encode(sys.stdout.encoding or "ascii", "replace").decode())
    print(f"{len(faults)} faults." if faults else "Nothing wrong was found.")
    if not has_key:
        print(
            "Only keys inside the archive were used: they prove that it agrees with "
            "itself, not where it comes from. Give --key with a key you got elsewhere."
        )


if __name__ == "__main__":
    sys.exit(main())
