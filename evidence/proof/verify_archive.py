#!/usr/bin/env python3
"""Check a case archive of Casefile: one file, no network, nothing to install.

    python verify_archive.py [ARCHIVE or FOLDER] [--key FILE or VKEY]...
                             [--checkpoint FILE]... [--json]

Without ARCHIVE, the folder in which this program lies is checked. Read it from the top:
the program; `Checker`, whose `run` names every check in order; then what the checks
rest on: evidence, keys and checkpoints (C2SP), the tree (RFC 6962), Ed25519 (RFC 8032),
JSON (RFC 8785), and the reading of ZIPs and folders. Nothing but Python's standard
library is used. Memory does not grow with the archive; it is that of the largest single
bundle of evidence in it.

It proves that what is here is what was signed, in which order the history was written,
and, held against a key and a checkpoint that you kept yourself, that nobody has
written it anew since. It cannot prove that what people wrote is true.

Exit status: 0 nothing found; 1 something was altered or does not agree; 2 something is
missing; 3 something cannot be read, or a checkpoint cannot be compared; 4 wrong use.
"""

from __future__ import annotations

import argparse
import base64
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
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import IO, Any, NamedTuple

Json = dict[str, Any]
words = str.split
PIECE = 1024 * 1024
MAX_LINE = 16 * PIECE  # of a list; a longer one is no line this format has
MAX_WHOLE = 64 * PIECE  # of a member that is read in one go: manifest, envelope
MAX_BUNDLE = 256 * PIECE  # of a bundle or ledger, unpacked
DSSE_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:x-casefile:case-archive:v1"
ENTRY_SCHEMA = "casefile.audit_entry.v1"
SKELETON_SCHEMA = "casefile.audit_entry_skeleton.v1"
SKELETON_MEMBERS = words("schema stream sequence previous_hash entry_hash")
PROOF_SCHEMA = "casefile.entry_proof.v1"
RECORD_KINDS = words(
    "incident phases checklist decisions waivers timeline alerts findings reports "
    "custody trust kill_switches snapshots rollbacks scans postmortems signatures "
    "action_items notifications"
)
UNLISTED = SUMS, MANIFEST, ENVELOPE = words(
    "SHA256SUMS manifest.json manifest.dsse.json"
)
PROOFS, NEWEST = "history/proofs.ndjson", "history/checkpoint.txt"
CHAIN = "history/consistency.json"
REQUIRED = ["README.txt", "verify_archive.py", *UNLISTED, PROOFS, NEWEST, CHAIN]
REQUIRED += [f"records/{kind}.ndjson" for kind in RECORD_KINDS]
PROVED_ACTIONS = words(
    "postmortem.signed kill_switch.activated kill_switch.lifted gate.waived"
)
RECORDED = {  # by the case's stream: where its entry has a key, and what lists the same
    "evidence.received": ("after", "sha256_hex", MANIFEST),
    "postmortem.signed": ("after", "content_sha256", "records/signatures.ndjson"),
    "kill_switch.activated": ("object", "id", "records/kill_switches.ndjson"),
}
RECORD_KEYS = {"signatures": "content_sha256", "kill_switches": "id"}


class Unreadable(ValueError):
    """What is not of the form that it should have."""


def require(holds: Any, why: str) -> None:
    """Raise Unreadable with the reason where something does not hold."""
    if not holds:
        raise Unreadable(why)


# --- The program ---------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Check what the arguments name, print what was found, return the exit status."""
    parser = argparse.ArgumentParser(description="Check a case archive.")
    own = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("archive", nargs="?", default=own, metavar="ARCHIVE or FOLDER")
    parser.add_argument("--key", action="append", default=[], metavar="FILE or VKEY")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print faults as JSON")
    try:
        options = parser.parse_args(arguments)
        trusted = [key for text in options.key for key in _read_keys(text)]
        for path in options.checkpoint:
            _read_file(path)
        if not _is_readable(options.archive):
            raise OSError(f"{options.archive} is no file or folder that can be read.")
    except SystemExit as end:
        return 4 if end.code else 0
    except (OSError, ValueError) as error:
        print(f"verify_archive.py: {error}", file=sys.stderr)
        return 4
    faults = check_archive(options.archive, trusted, options.checkpoint)
    status = exit_status(faults)
    if options.json:
        print(json.dumps({"faults": faults, "status": status}))
    else:
        _print_answer(faults, bool(trusted))
    return status


def check_archive(path: str, trusted: list[Key], kept: list[str]) -> list[Json]:
    """Return every fault of an archive, each {code, path, message}.

    `kept`: files of checkpoints, or of chains of them, that the reader has.
    """
    try:
        checker = Checker(Members(path), trusted)
    except Unreadable as error:
        return [{"code": "unreadable", "path": "", "message": str(error)}]
    checker.run(kept)
    return [{"code": c, "path": p, "message": m} for c, p, m in checker.faults]


def exit_status(faults: list[Json]) -> int:
    """Return the status of the program for these faults, the gravest deciding."""
    codes = {fault["code"] for fault in faults}
    if codes - {"unreadable", "member_missing", "checkpoint_unproved"}:
        return 1
    return 3 if codes - {"member_missing"} else 2 if codes else 0


def _is_readable(path: str) -> bool:
    """Return whether a file or folder is there and may be read."""
    is_there = os.path.isfile(path) or os.path.isdir(path)
    return is_there and os.access(path, os.R_OK)


def _read_file(path: str) -> bytes:
    """Return the bytes of a file beside the archive, up to MAX_LINE of them."""
    with open(path, "rb") as file:
        return file.read(MAX_LINE)


def _read_keys(text: str) -> list[Key]:
    """Return the keys of a file, or the one that the text is; ValueError for none."""
    lines = _read_file(text).decode() if os.path.exists(text) else text
    keys = [parse_key(line) for line in lines.split("\n") if line.strip()]
    require(keys, f"{text} holds no key")
    return keys


def _print_answer(faults: list[Json], has_key: bool) -> None:
    """Print each fault on a line, how many there are, and what that rests on."""
    for fault in faults:
        line = "{code}: {path}: {message}".format(**fault)
        print(line.encode(sys.stdout.encoding or "ascii", "replace").decode())
    print(f"{len(faults)} faults." if faults else "Nothing wrong was found.")
    if not has_key:
        print(
            "Only keys inside the archive were used: they prove that it agrees with "
            "itself, not where it comes from. Give --key with a key you got elsewhere."
        )


# --- The checks ----------------------------------------------------------------------


class Checker:
    """Runs every check over one archive and collects the faults.

    What is missing is one fault, and so is what cannot be read: the checks that would
    need it are left out. A value of another type than it should have is as if absent.
    """

    def __init__(self, members: Members, trusted: list[Key]) -> None:
        """Take the members and the keys of --key, of which there may be none."""
        self.members, self.trusted = members, trusted
        self.faults: dict[tuple[str, str, str], None] = {}  # in order, each once
        self.opened: dict[bytes, Checkpoint] = {}  # by their notes, which recur

    def run(self, kept: list[str]) -> None:
        """Run every check."""
        self.check_manifest()
        self.check_members()
        self.take_keys()
        self.check_envelope()
        self.check_checkpoints()
        self.check_proofs()
        self.check_history()
        self.check_heads()
        self.check_records()
        self.check_evidence()
        for path in kept:
            self.check_kept(os.path.basename(path), _read_file(path))
        for name, why in self.members.unreadable.items():
            self.fault("unreadable", name, why)

    def fault(self, code: str, path: str, message: str) -> None:
        """Note a fault, once."""
        self.faults[code, path, message] = None

    def can_judge(self, name: str) -> bool:
        """Return whether a member can be read; note it where it is missing."""
        if name not in self.members.openers and name not in self.members.unreadable:
            self.fault("member_missing", name, "it is missing")
        return name in self.members

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Note a member as unreadable where the block finds it so."""
        try:
            yield
        except (Unreadable, UnicodeDecodeError) as error:
            self.members.unreadable.setdefault(name, str(error))

    def read(self, name: str, limit: int = MAX_WHOLE) -> bytes | None:
        """Return a member's bytes, None where it cannot be judged."""
        if self.can_judge(name):
            with self.reading(name):
                return self.members.read(name, limit)
        return None

    def read_document(self, name: str) -> Json | None:
        """Return a member that is one document, None where it cannot be judged."""
        data, document = self.read(name), None
        with self.reading(name):
            if data is not None:
                document = read_json(data)
        return document

    def documents(self, name: str) -> Iterator[Json]:
        """Yield the documents of a list up to a line that is none, if it is there."""
        if self.can_judge(name):
            with self.reading(name):
                for number, line in enumerate(self.members.lines(name), 1):
                    yield read_json(line, f"line {number}: ")

    # Manifest, members and signatures ------------------------------------------------

    def check_manifest(self) -> None:
        """Check that the manifest is a Statement about a case archive, and take it."""
        self.manifest, document = self.read(MANIFEST), self.read_document(MANIFEST)
        self.predicate = typed(document or {}, "predicate", dict)
        self.is_whole = bool(self.predicate) and self.predicate.get("redaction") is None
        self.evidence = objects(self.predicate, "evidence")
        self.subject: list[tuple[str, str]] | None = None
        if document is None:
            return
        with suppress(TypeError, KeyError):
            subject = document["subject"]
            rows = [(row["name"], row["digest"]["sha256"]) for row in subject]
            if all(type(name) is str and is_sha256(digest) for name, digest in rows):
                self.subject = rows
        kinds = document.get("_type"), document.get("predicateType")
        is_statement = kinds == (STATEMENT_TYPE, PREDICATE_TYPE)
        if not is_statement or not self.predicate or self.subject is None:
            self.fault("manifest_mismatch", MANIFEST, "no Statement about an archive")
        if canonical(document) != self.manifest:
            self.fault("manifest_not_canonical", MANIFEST, "not in canonical form")

    def check_members(self) -> None:
        """Hold every member's name and digest against the manifest and SHA256SUMS."""
        sums = self.read_sums()
        lists = [rows for rows in (self.subject, sums) if rows is not None]
        if len(lists) == 2 and sums != self.subject:
            self.fault("manifest_mismatch", SUMS, "not what the manifest lists")
        digests: defaultdict[str, set[str]] = defaultdict(set)
        for name, digest in (row for rows in lists for row in rows):
            digests[name].add(digest)
        self.names = {*digests, *self.members.openers}
        self.listed = {*digests}
        for name in sorted(self.listed.union(REQUIRED)):
            self.can_judge(name)
        named = self.names.intersection(*({name for name, _ in rows} for rows in lists))
        for name in sorted(self.members.openers):
            is_stamp = re.fullmatch(r"timestamps/[^/]+\.tsr", name)
            if name not in named and name not in UNLISTED and not is_stamp:
                self.fault("member_extra", name, "not in the manifest or SHA256SUMS")
            top, _, rest = name.partition("/")
            own = {rest.partition("/")[0]} if top == "evidence" and rest else set()
            with self.reading(name):
                digest = self.members.digest(name)
                if (digests[name] | own) - {digest}:
                    self.fault("digest_mismatch", name, f"its digest is {digest}")

    def read_sums(self) -> list[tuple[str, str]] | None:
        """Return [(name, sha256)] of SHA256SUMS, None where it cannot be judged."""
        data, rows = self.read(SUMS), None
        with self.reading(SUMS):
            if data is not None:
                *lines, rest = data.decode("utf-8").split("\n")
                found = [re.fullmatch("([0-9a-f]{64})  (.+)", line) for line in lines]
                if rest or not all(found):
                    self.fault("manifest_mismatch", SUMS, "a line is not sha256sum's")
                rows = [(row[2], row[1]) for row in found if row]
        return rows

    def take_keys(self) -> None:
        """Take the keys inside; where no --key was given, they are the trusted ones."""
        names = (n for n in sorted(self.names) if re.fullmatch(r"keys/[^/]+\.pub", n))
        found = [self.read(name) for name in names]
        self.known = list(self.trusted)
        for data in found:
            with suppress(ValueError):  # what is no key verifies nothing: no fault
                self.known.append(parse_key((data or b"").decode("utf-8")))
        self.has_all_keys = bool(self.trusted) or None not in found
        self.trusted = self.trusted or self.known

    def check_envelope(self) -> None:
        """Check that a trusted key signed the manifest, in a DSSE envelope."""
        envelope = self.read_document(ENVELOPE)
        if envelope is None:
            return
        payload = decode_base64(envelope.get("payload"))
        if self.manifest is not None and payload != self.manifest:
            self.fault("manifest_mismatch", ENVELOPE, "it holds another manifest")
        signers = find_signers(envelope, self.known)
        if not signers and (self.has_all_keys or not signatures_of(envelope)):
            self.fault("signature_invalid", ENVELOPE, "no known key verifies it")
        elif signers and not signers & set(self.trusted):
            self.fault("signature_untrusted", ENVELOPE, "signed by no key you trust")

    # Checkpoints ---------------------------------------------------------------------

    def open_note(self, note: Any) -> Checkpoint:
        """Return a checkpoint that a trusted key signed, or raise ValueError.

        Where a key of the archive is missing, the signature is not judged.
        """
        data = note.encode("utf-8") if type(note) is str else note
        require(type(data) is bytes, "it is no text")
        if data not in self.opened:
            found = parse_checkpoint(split_note(data)[0])
            if self.has_all_keys:
                verify_note(data, self.trusted, found.origin)
            self.opened[data] = found
        return self.opened[data]

    def take_checkpoint(self, note: Any, path: str) -> Checkpoint | None:
        """Return a sound checkpoint; note any other as a fault."""
        try:
            return self.open_note(note)
        except ValueError as error:
            self.fault("checkpoint_invalid", path, f"a checkpoint: {error}")
            return None

    def check_checkpoints(self) -> None:
        """Check the newest checkpoint, and the chain of those that lead to it."""
        data, document = self.read(NEWEST), self.read_document(CHAIN)
        newest = None if data is None else self.take_checkpoint(data, NEWEST)
        chain = [] if document is None else self.check_chain(document, CHAIN)
        size = self.predicate.get("checkpoint_size")
        if newest and self.predicate and not is_same(size, newest.size):
            self.fault("manifest_mismatch", MANIFEST, "another checkpoint_size")
        if newest and chain and chain[-1] not in (newest, None):
            self.fault("proof_invalid", CHAIN, "it does not end at checkpoint.txt")
        self.checkpoints = {one for one in (newest, *chain) if one is not None}
        self.has_checkpoints = data is not None and document is not None

    def check_chain(self, document: Json, path: str) -> list[Checkpoint | None]:
        """Check that checkpoints extend each other; None stands for an invalid one."""
        texts, proofs = (typed(document, n, list) for n in ("checkpoints", "proofs"))
        chain = [self.take_checkpoint(text, path) for text in texts]
        if not texts or len(proofs) != len(texts) - 1:
            message = f"{len(texts)} checkpoints have {len(proofs)} proofs"
            self.fault("proof_invalid", path, message)
        for older, newer, proof in zip(chain, chain[1:], proofs, strict=False):
            hashes = hashes_of(proof)
            if (
                older
                and newer
                and not (
                    hashes is not None
                    and consistency_holds(*older[1:], *newer[1:], hashes)
                )
            ):
                message = f"size {newer.size} is not proved to extend {older.size}"
                self.fault("proof_invalid", path, message)
        return chain

    def check_kept(self, name: str, data: bytes) -> None:
        """Hold the archive against a checkpoint, or a chain of them, that was kept."""
        try:
            document = read_json(data) if data.lstrip()[:1] == b"{" else None
        except Unreadable as error:
            self.fault("checkpoint_invalid", name, str(error))
            return
        if document is None:
            chain = [self.take_checkpoint(data, name)]
        else:
            chain = self.check_chain(document, name)
        if not chain or None in chain:
            return
        for one in filter(None, chain):
            for own in self.checkpoints:
                is_other = one.size == own.size and one.root != own.root
                if is_other or one.origin != own.origin:
                    message = f"this log's tree of size {one.size} is another one"
                    self.fault("checkpoint_conflict", name, message)
                    return
        sizes = {0, *(own.size for own in self.checkpoints)}
        if not any(one.size in sizes for one in filter(None, chain)):
            message = (
                "the archive has no checkpoint of that size: ask for a proof that "
                "leads from yours to the archive's, and give both in a file"
            )
            self.fault("checkpoint_unproved", name, message)

    # The history ---------------------------------------------------------------------

    def check_proofs(self) -> None:
        """Check each proof of an entry by itself."""
        self.proved: dict[str, str] = {}  # the stream of each proved entry, by its hash
        for number, document in enumerate(self.documents(PROOFS), 1):
            entry = typed(document, "entry", dict)
            if is_sha256(entry.get("entry_hash")):
                self.proved[entry["entry_hash"]] = str(entry.get("stream"))
            try:
                self.require_proof(document, entry)
            except ValueError as error:
                self.fault("proof_invalid", PROOFS, f"line {number}: {error}")

    def require_proof(self, document: Json, entry: Json) -> None:
        """Raise ValueError where the proof of an entry does not hold."""
        require(document.get("schema") == PROOF_SCHEMA, "it is no entry proof")
        self.require_content(entry)
        found = self.open_note(document.get("checkpoint"))
        index, hashes = document.get("leaf_index"), hashes_of(document.get("inclusion"))
        if type(index) is not int or hashes is None:
            raise Unreadable("it has no index, or no hashes")
        leaf = leaf_hash(bytes.fromhex(entry["entry_hash"]))
        holds = inclusion_holds(leaf, index, found.size, hashes, found.root)
        require(holds, "it does not lead to the checkpoint's root")
        is_ours = found in self.checkpoints or not self.has_checkpoints
        require(is_ours, "its checkpoint is none of the archive's")

    def require_content(self, entry: Json) -> None:
        """Raise ValueError where an entry is not what its own hash was made of."""
        stated, schema = entry.get("entry_hash"), entry.get("schema")
        require(is_sha256(stated), "hash_mismatch: entry_hash is no hash")
        if schema == SKELETON_SCHEMA:
            require(
                not self.is_whole, "hash_mismatch: a skeleton of what is not redacted"
            )
            is_bare = entry.keys() == {*SKELETON_MEMBERS}
            require(is_bare, "hash_mismatch: a skeleton of another form")
        else:
            require(schema == ENTRY_SCHEMA, "hash_mismatch: it is no audit entry")
            is_same_hash = hash_without(entry, "entry_hash") == stated
            require(is_same_hash, "hash_mismatch: the content does not give the hash")

    def check_history(self) -> None:
        """Check every stream, and that what must be proved is, in its stream."""
        self.heads: dict[str, Json] = {}  # of the streams that can be judged
        self.recorded: dict[str, set[str]] | None = None  # by the case's stream
        self.to_prove: set[str] = set()
        self.seen: set[str] = set()  # what is proved and stands in its stream
        self.skipped: set[str] = set()
        for path in sorted(self.names):
            stream = stream_of(path)
            if stream is not None and not self.check_stream(path, stream):
                self.skipped.add(stream)
        if PROOFS not in self.members:
            return
        for found in sorted(self.to_prove - self.proved.keys()):
            self.fault("proof_invalid", PROOFS, f"the entry {found} has no proof")
        for found in sorted(self.proved.keys() - self.seen):
            if self.proved[found] not in self.skipped:
                message = f"the entry {found} that is proved is not in its stream"
                self.fault("proof_invalid", PROOFS, message)

    def check_stream(self, path: str, stream: str) -> bool:
        """Follow a stream from its first entry; return whether it could be judged."""
        sequence, head, to_prove = 0, None, set()
        recorded: dict[str, set[str]] = {action: set() for action in RECORDED}
        for entry in self.documents(path):
            for why in self.find_entry_faults(entry, stream, sequence + 1, head):
                self.fault("chain_fault", path, f"#{entry.get('sequence')}: {why}")
            number, head = entry.get("sequence"), str(entry.get("entry_hash"))
            sequence = number if type(number) is int else sequence + 1
            self.seen |= {head} & self.proved.keys()
            action = str(entry.get("action"))
            to_prove |= {head} if action in PROVED_ACTIONS else set()
            if action in RECORDED:
                holder, name, _ = RECORDED[action]
                recorded[action].add(str(typed(entry, holder, dict).get(name)))
        if path not in self.members:
            return False
        if stream.startswith("incident:"):
            self.recorded, self.to_prove = recorded, self.to_prove | to_prove
        self.to_prove |= {head} if head else set()
        self.heads[stream] = {"sequence": sequence, "entry_hash": head}
        return True

    def find_entry_faults(
        self, entry: Json, stream: str, sequence: int, head: str | None
    ) -> Iterator[str]:
        """Yield what is wrong with an entry that should continue a stream's head."""
        try:
            self.require_content(entry)
        except ValueError as error:
            yield str(error)
        if entry.get("stream") != stream:
            yield "the entry is of another stream"
        if not is_same(entry.get("sequence"), sequence):
            yield f"sequence_gap: expected {sequence}"
        if entry.get("previous_hash", "") != head:
            yield "link_mismatch: it does not continue the entry before"

    def check_heads(self) -> None:
        """Hold the streams' ends against what the manifest says of them."""
        stated = typed(self.predicate, "heads", dict)
        for stream, head in self.heads.items() if self.predicate else ():
            if head["entry_hash"] is None or not is_same(stated.get(stream), head):
                self.fault("head_mismatch", stream, f"it ends at #{head['sequence']}")
        for stream in sorted(stated.keys() - self.heads.keys() - self.skipped):
            self.fault("head_mismatch", stream, "the stream of this head is not here")

    # Records and evidence ------------------------------------------------------------

    def check_records(self) -> None:
        """Count the records, and hold them against what the case's stream recorded."""
        counts = typed(self.predicate, "records", dict)
        below = {n[8:-7] for n in self.members.openers if n.startswith("records/")}
        self.verdicts: dict[str, str] = {}  # the newest of each item, by its SHA-256
        listed = {MANIFEST: {str(row.get("sha256")) for row in self.evidence}}
        for kind in sorted(below.union(RECORD_KINDS, counts)):
            path, count, keys = f"records/{kind}.ndjson", 0, set()
            for document in self.documents(path):
                count += 1
                if kind in RECORD_KEYS:
                    keys.add(str(document.get(RECORD_KEYS[kind])))
                elif kind == "reports" and document.get("outcome") in VERDICTS:
                    self.verdicts[str(document.get("sha256"))] = document["outcome"]
            if path in self.members:
                listed[path] = keys
                if self.predicate and not is_same(counts.get(kind), count):
                    message = f"the manifest counts {counts.get(kind)}, not {count}"
                    self.fault("record_mismatch", path, message)
        if self.recorded is None or not self.is_whole:
            return
        for action, (_, _, path) in RECORDED.items():
            held = self.recorded[action]
            for key in sorted(held ^ listed.get(path, held)):
                where = "the history" if key in held else "the archive"
                message = f"{key} ({action}) stands in {where} alone"
                self.fault("record_mismatch", path, message)

    def check_evidence(self) -> None:
        """Hold the evidence against the manifest's list and its own reports."""
        paths: defaultdict[str, list[str]] = defaultdict(list)
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for path in sorted(self.names.union(self.members.unreadable)):
            if path.startswith("evidence/"):
                paths[path.split("/")[1]].append(path)
        for row in self.evidence:
            sha256, name = str(row.get("sha256")), member_name(str(row.get("name")))
            wanted[sha256].add(f"evidence/{sha256}/{name}")
        for sha256 in sorted(paths.keys() | wanted.keys()) if self.predicate else ():
            if len(paths[sha256]) != 1 or not wanted[sha256].issuperset(paths[sha256]):
                message = f"the item {sha256} is not there once under its name"
                self.fault("manifest_mismatch", MANIFEST, message)
        rows = self.evidence
        sources = {str(row.get("sha256")): str(row.get("derived_from")) for row in rows}
        for sha256, stated in self.verdicts.items():
            source = "".join(paths[sources.get(sha256, "")][:1])
            for path in paths[sha256]:
                found = (
                    self.find_verdict(path, source) if path in self.members else stated
                )
                if found != stated:
                    message = f"it is found {found}; its newest report says {stated}"
                    self.fault("evidence_invalid", path, message)

    def find_verdict(self, path: str, source: str) -> str:
        """Return the verdict of a bundle or ledger, judged anew, and of its source."""
        try:
            data = self.read_evidence(path)
            found = verdict_of(data)
            if found == "valid" and source in self.members:
                found = verdict_of(data, self.read_evidence(source))
            return found
        except Unreadable:
            return "refused"

    def read_evidence(self, path: str) -> bytes:
        """Return an item's bytes; raise Unreadable where no document begins so."""
        first = next(self.members.pieces(path), b"")
        opening = first.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1]
        require(opening in (b"{", b"\x1f", b"P"), "no document begins so")
        return self.members.read(path, MAX_BUNDLE)


def typed(holder: Json, name: str, kind: type) -> Any:
    """Return a member of a JSON object, an empty one where it is of another type."""
    value = holder.get(name)
    return value if type(value) is kind else kind()


def objects(holder: Json, name: str) -> list[Json]:
    """Return the objects of a list in a JSON object."""
    return [row for row in typed(holder, name, list) if type(row) is dict]


def is_same(value: Any, expected: Any) -> bool:
    """Return whether two JSON values are the same: there, `true` is not 1."""
    return canonical(value) == canonical(expected)


def signatures_of(envelope: Json) -> list[bytes]:
    """Return the signatures of a DSSE envelope of an archive, none of another kind."""
    is_ours = envelope.get("payloadType") == DSSE_TYPE
    if not is_ours or decode_base64(envelope.get("payload")) is None:
        return []
    rows = objects(envelope, "signatures")
    return [decode_base64(row.get("sig")) or b"" for row in rows]


def find_signers(envelope: Json, keys: Iterable[Key]) -> set[Key]:
    """Return which of the keys signed what a DSSE envelope holds."""
    signed = pae(DSSE_TYPE, decode_base64(envelope.get("payload")) or b"")
    found = signatures_of(envelope)
    return {k for k in keys if any(verify_ed25519(k.public, signed, s) for s in found)}


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
    data = stream.encode("utf-8")
    data = re.sub(rb"[^A-Za-z0-9.:-]", lambda found: b"%%%02X" % found[0][0], data)
    return f"history/{data.decode().replace(':', '_')}.ndjson"


def stream_of(path: str) -> str | None:
    """Return the stream of a file, "" where it fits none; None for other members."""
    found = re.fullmatch(r"history/(.*)\.ndjson", path)
    if not found or path == PROOFS:
        return None
    data = found[1].replace("_", ":").encode("utf-8")
    data = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), data)
    stream = data.decode("utf-8", "replace")
    return stream if stream_file(stream).lower() == path.lower() else ""


# --- Bundles and ledgers (evidence format, sections 2 to 7) --------------------------

VERDICTS = ("valid", "invalid", "refused")
BUNDLE_SCHEMA = "pi.security.incident_evidence_bundle.v1"
LEDGER_SCHEMA = "pi.security.runtime_risk_ledger.v1"
PLACEHOLDER = "[REDACTED]"
SECTIONS = words(
    "security_alerts hostcall_telemetry exec_mediation secret_broker quota_breaches"
)
BUNDLE: dict[str, type] = dict.fromkeys(SECTIONS, list)
BUNDLE |= dict.fromkeys(words("filter redaction risk_ledger summary"), dict)
BUNDLE |= {"schema": str, "bundle_hash": str}
TEXTS = words(
    "extension_id call_id capability method params_hash policy_reason ledger_hash"
)
CHOICES = {
    "policy_decision": words("allow prompt deny"),
    "selected_action": words("allow harden deny terminate"),
    "outcome": words("executed blocked failed"),
}
STEP = words(
    "sequence ts_ms extension_id call_id capability method policy_decision "
    "policy_reason risk_score selected_action outcome triggers"
)
FLAGS = (  # (flag of `redaction`, section, the member it hides in its records)
    ("redact_params_hash", "risk_ledger", "params_hash"),
    ("redact_params_hash", "hostcall_telemetry", "params_hash"),
    ("redact_context_hash", "security_alerts", "context_hash"),
    ("redact_args_shape_hash", "hostcall_telemetry", "args_shape_hash"),
    ("redact_command_hash", "exec_mediation", "command_hash"),
    ("redact_name_hash", "secret_broker", "name_hash"),
    ("redact_remediation", "security_alerts", "remediation"),
)
MARKS = (  # of encodings, the longer first
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
        document = read_json(unwrap(data))
        if "risk_ledger" in document:
            require(_is_bundle(document), "a member is missing or of another type")
            holds = bundle_holds(document) and not leaks(document, source)
        else:
            require(type(document.get("entries")) is list, "neither bundle nor ledger")
            holds = ledger_holds(document, is_filtered=False)
    except Unreadable:
        return "refused"
    return "valid" if holds else "invalid"


def _is_bundle(document: Json) -> bool:
    """Return whether a document has a bundle's members, each of its type."""
    return (
        all(type(document.get(name)) is kind for name, kind in BUNDLE.items())
        and type(document["risk_ledger"].get("entries")) is list
        and type(document.get("risk_replay", 0)) in (dict, type(None))
        and _is_integer(document.get("generated_at_ms"))
    )


def _is_integer(value: Any) -> bool:
    """Return whether a value is a number without a fraction, and no boolean."""
    return type(value) is int or (type(value) is float and value.is_integer())


def bundle_holds(document: Json) -> bool:
    """Return whether none of a bundle's five steps fails, its source left aside."""
    return (
        document["schema"] == BUNDLE_SCHEMA
        and hash_without(document, "bundle_hash") == document["bundle_hash"]
        and ledger_holds(
            document["risk_ledger"],
            is_filtered=type(document["filter"].get("extension_id")) is str,
        )
        and _figures_hold(document)
        and _replay_holds(document)
        and all(value == PLACEHOLDER for _, value in _hidden(document, document))
    )


def ledger_holds(ledger: Json, *, is_filtered: bool) -> bool:
    """Return whether verifying a ledger finds nothing; a filter explains its holes."""
    entries, before = ledger["entries"], None
    for entry in entries:
        if not _is_well_formed(entry):
            return False
        sequence, link = entry["sequence"], entry["prev_ledger_hash"]
        step = sequence - before["sequence"] if before else 1
        is_hidden = entry["params_hash"] == PLACEHOLDER  # its hash is the original's
        if (
            step < 1
            or (step > 1 and not is_filtered)
            or (link is None) != (sequence == 1)
            or (before and step == 1 and link != before["ledger_hash"])
            or (
                not is_hidden
                and hash_without(entry, "ledger_hash") != entry["ledger_hash"]
            )
        ):
            return False
        before = entry
    hashes = [entry["ledger_hash"] for entry in entries] or [None]
    expected = {"head_ledger_hash": hashes[0], "tail_ledger_hash": hashes[-1]}
    expected |= {"schema": LEDGER_SCHEMA, "entry_count": len(entries)}
    return _states(ledger, expected)


def _is_well_formed(entry: Any) -> bool:
    """Return whether a ledger entry has its members, each in its range."""
    return (
        type(entry) is dict
        and all(type(entry.get(name)) is str for name in TEXTS)
        and all(entry.get(name) in choices for name, choices in CHOICES.items())
        and _is_integer(entry.get("sequence"))
        and entry["sequence"] >= 1
        and _is_integer(entry.get("ts_ms"))
        and type(entry.get("risk_score")) in (int, float)
        and type(entry.get("triggers")) is list
        and all(type(trigger) is str for trigger in entry["triggers"])
        and type(entry.get("prev_ledger_hash", 0)) in (str, type(None))
    )


def _states(holder: Any, expected: Json) -> bool:
    """Return whether an object has each of these members with just this value."""
    return type(holder) is dict and is_same(
        {name: value for name, value in holder.items() if name in expected}, expected
    )


def _records(document: Json, section: str) -> list[Json]:
    """Return the records of a bundle's section; a ledger's are its entries."""
    if section == "risk_ledger":
        return objects(document[section], "entries")
    return objects(document, section)


def _figures_hold(document: Json) -> bool:
    """Compare the summary with the records, over a ledger that holds (section 7)."""
    entries, summary = document["risk_ledger"]["entries"], document["summary"]
    records = [r for s in ("risk_ledger", *SECTIONS) for r in _records(document, s)]
    moments = [r["ts_ms"] for r in records if _is_integer(r.get("ts_ms"))]
    names = (record.get("extension_id") for record in records)
    steps = typed(document["risk_replay"] or {}, "steps", list)
    counts = {name: len(document[name]) for name in SECTIONS}
    counts |= {"risk_ledger": len(entries), "risk_replay": len(steps)}
    stopped = [e for e in entries if e["selected_action"] in ("deny", "terminate")]
    expected = {
        "distinct_extensions": len({name for name in names if type(name) is str}),
        "peak_risk_score": max((entry["risk_score"] for entry in entries), default=0),
        "blocked_count": len(stopped),
        "first_ts_ms": min(moments, default=None),
        "last_ts_ms": max(moments, default=None),
        "ledger_chain_valid": True,
    }
    return _states(summary, expected) and _states(summary.get("counts"), counts)


def _replay_holds(document: Json) -> bool:
    """Compare the replay with the entries of a ledger that holds (section 6)."""
    replay, entries = document["risk_replay"], document["risk_ledger"]["entries"]
    steps = [
        {"index": index, "trusted": True} | {name: entry[name] for name in STEP}
        for index, entry in enumerate(entries)
    ]
    expected = {
        "step_count": len(entries),
        "trusted_steps": len(entries),
        "steps": steps,
    }
    tail = entries[-1]["ledger_hash"] if entries else None
    return replay is None or is_same(
        replay, expected | {"source_tail_ledger_hash": tail}
    )


def _hidden(document: Json, holder: Json) -> Iterator[tuple[str, Any]]:
    """Yield (member, value) of what a document's flags say is hidden, in a bundle."""
    for flag, section, name in FLAGS:
        if document["redaction"].get(flag) is True:
            records = _records(holder, section)
            yield from ((name, row[name]) for row in records if name in row)


def leaks(document: Json, source: bytes | None) -> bool:
    """Return whether a value that was replaced still stands in a string (section 5)."""
    try:
        unredacted = read_json(unwrap(source or b""))
        require(_is_bundle(unredacted), "no bundle")
    except Unreadable:
        return False  # what is wrong with the source is the source's own fault
    names: set[str] = set()
    values: defaultdict[str, set[str]] = defaultdict(set)  # by how they begin
    for name, value in _hidden(document, unredacted):
        if type(value) is str and value != PLACEHOLDER:
            values[value[:8]].add(value)
            names |= {value.lower()} if name == "name_hash" else set()
    return bool(values) and any(
        _tells(text, values, names) for text in _strings(document)
    )


def _tells(text: str, values: dict[str, set[str]], names: set[str]) -> bool:
    """Return whether a text holds a value, or a word whose digest is a name's."""
    starts = range(len(text) - 7)
    return (
        (len(text) < 8 and text in values)
        or any(
            len(value) >= 8 and text.startswith(value, start)
            for start in starts
            for value in values.get(text[start : start + 8], ())
        )
        or any(
            hashlib.sha256(word.encode()).hexdigest() in names
            for word in re.findall("[A-Za-z0-9_]+", text if names else "")
        )
    )


def _strings(document: Json) -> set[str]:
    """Return every string of a document, member names and the placeholder aside."""
    found, inside = set(), [document]
    while inside:
        children = children_of(inside.pop())
        found |= {child for child in children if type(child) is str}
        inside += [child for child in children if type(child) in (dict, list)]
    return found - {PLACEHOLDER}


def unwrap(data: bytes) -> bytes:
    """Return a document as UTF-8 that may be packed, or in another encoding."""
    try:
        for _ in range(2):
            if data[:2] == b"\x1f\x8b":
                data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BUNDLE + 1)
            elif data[:4] == b"PK\x03\x04":
                data = _unzip(data)
            require(len(data) <= MAX_BUNDLE, "it unpacks to too much")
    except PACKED_ERRORS as error:
        raise Unreadable(f"packed, and cannot be unpacked: {error}") from None
    for mark, codec in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace").encode("utf-8")
    if len(data) > 1 and 0 in data[:2]:
        codec = "utf-16-le" if data[1] == 0 else "utf-16-be"
        return data.decode(codec, "replace").encode("utf-8")
    return data


def _unzip(data: bytes) -> bytes:
    """Return the one file of a ZIP, without what systems add to it."""
    aside = r"__MACOSX/|(.*/)?\._|(.*/)?\.DS_Store\Z|.*/\Z"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if not re.match(aside, name)]
        require(len(names) == 1, "a ZIP of several files")
        with archive.open(names[0]) as file:
            return file.read(MAX_BUNDLE + 1)


# --- Keys and checkpoints (C2SP signed-note, tlog-checkpoint) ------------------------


class Key(NamedTuple):
    """A verifier key: its name, key ID (4 bytes) and public key (32 bytes)."""

    name: str
    key_id: bytes
    public: bytes


class Checkpoint(NamedTuple):
    """What a log stated: its origin, how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes


def key_id_of(name: str, public: bytes, kind: int = 1) -> bytes:
    """Return the four bytes that name a key (C2SP signed-note); kind 1: Ed25519."""
    data = name.encode("utf-8") + b"\n" + bytes([kind]) + public
    return hashlib.sha256(data).digest()[:4]


def is_key_name(name: str) -> bool:
    """Return whether a text can name a key: not empty, no blanks, no plus sign."""
    return bool(name) and not any(c.isspace() or c == "+" for c in name)


def parse_key(text: str) -> Key:
    """Read `<name>+<hex key ID>+<base64(0x01 || public key)>`, or raise ValueError."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    data = decode_base64(encoded) or b""
    is_formed = is_key_name(name) and len(data) == 33 and data[0] == 1
    require(is_formed, "no verifier key of the form name+ID+key")
    key = Key(name, key_id_of(name, data[1:]), data[1:])
    require(
        key.key_id.hex() == key_id, "the key's ID is not that of its name and bytes"
    )
    return key


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return (text, [(name, key ID, signature)]) of a signed note; ValueError."""
    whole = note.decode("utf-8")
    is_plain = all(ord(c) >= 0x20 or c == "\n" for c in whole)
    require(is_plain, "the note holds control characters")
    text, found, tail = whole.rpartition("\n\n")
    is_formed = found and text and tail.endswith("\n")
    require(is_formed, "no note of a text, an empty line and signature lines")
    signatures = []
    for line in tail[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        data = decode_base64(encoded) or b""
        is_formed = dash == "—" and is_key_name(name) and len(data) >= 5
        require(is_formed, "a signature line is not of the form of a note's")
        signatures.append((name, data[:4], data[4:]))
    return text + "\n", signatures


def verify_note(note: bytes, keys: Iterable[Key], name: str | None = None) -> str:
    """Return the text of a note that one of the keys (of that name) signed."""
    text, signatures = split_note(note)
    for key in keys:
        for signer, key_id, signature in signatures:
            is_its = (signer, key_id) == (key.name, key.key_id)
            if name not in (None, signer) or not is_its:
                continue
            if verify_ed25519(key.public, text.encode("utf-8"), signature):
                return text
    raise ValueError("no signature of a known key verifies")


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text, without its signatures; ValueError for others."""
    origin, size, encoded, *_ = [*text.split("\n"), "", ""]
    root = decode_base64(encoded) or b""
    is_size = re.fullmatch("0|[1-9][0-9]{0,18}", size)
    is_formed = text.count("\n") > 2 and origin and is_size and len(root) == 32
    require(is_formed, "no checkpoint of origin, size and root")
    require(size != "0" or root == EMPTY_ROOT, "the root is not the empty tree's")
    return Checkpoint(origin, int(size), root)


def open_checkpoint(note: bytes, keys: Iterable[Key]) -> Checkpoint:
    """Return a checkpoint that a key of its own origin signed, or raise ValueError."""
    checkpoint = parse_checkpoint(split_note(note)[0])
    verify_note(note, keys, checkpoint.origin)
    return checkpoint


# --- The tree (RFC 6962, section 2.1) ------------------------------------------------

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf, told apart from a node's by its first byte."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def hashes_of(values: Any) -> list[bytes] | None:
    """Return hex hashes as bytes, None where the value is no list of such."""
    is_list = type(values) is list and all(map(is_sha256, values))
    return [bytes.fromhex(value) for value in values] if is_list else None


def inclusion_holds(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> bool:
    """Return whether the leaf hash stands at the index of the tree with that root."""
    path = iter(proof)
    try:
        found = 0 <= index < size and _root_above(leaf, index, size, path)
    except StopIteration:  # the proof is too short
        return False
    return found == root and next(path, None) is None


def _root_above(leaf: bytes, index: int, size: int, path: Iterator[bytes]) -> bytes:
    """Return the root that a path leads to (section 2.1.1)."""
    if size == 1:
        return leaf
    left = 1 << (size - 1).bit_length() - 1  # leaves of the left half
    if index < left:
        return node_hash(_root_above(leaf, index, left, path), next(path))
    found = _root_above(leaf, index - left, size - left, path)
    return node_hash(next(path), found)


def consistency_holds(
    size1: int, root1: bytes, size2: int, root2: bytes, proof: list[bytes]
) -> bool:
    """Return whether the second tree extends the first."""
    if size1 == 0 and not proof:
        return root1 == EMPTY_ROOT and (root2 == EMPTY_ROOT or size2 > 0)
    path = iter(proof)
    try:
        found = 0 < size1 <= size2 and _roots_above(size1, size2, root1, path)
    except StopIteration:
        return False
    return found == (root1, root2) and next(path, None) is None


def _roots_above(
    size1: int, size2: int, whole: bytes | None, path: Iterator[bytes]
) -> tuple[bytes, bytes]:
    """Return both roots that a path leads to (section 2.1.2).

    `whole`: the first tree's root, which no path holds, while all of it lies in here.
    """
    if size1 == size2:
        return (whole or next(path),) * 2
    left = 1 << (size2 - 1).bit_length() - 1
    if size1 <= left:
        old, new = _roots_above(size1, left, whole, path)
        return old, node_hash(new, next(path))
    old, new = _roots_above(size1 - left, size2 - left, None, path)
    both = next(path)
    return node_hash(both, old), node_hash(both, new)


# --- Ed25519 (RFC 8032, section 5.1) -------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z


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
    x1, y1, z1, _ = _multiply(s, BASE)
    x2, y2, z2, _ = _add(r, _multiply(k, a))
    return (x1 * z2 - x2 * z1) % P == 0 and (y1 * z2 - y2 * z1) % P == 0


def _decode_point(data: bytes) -> Point | None:
    """Decode a point (section 5.1.3); None where the encoding is not the right one."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def _multiply(scalar: int, point: Point) -> Point:
    """Return a multiple of a point, by doubling and adding."""
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _add(a: Point, b: Point) -> Point:
    """Return the sum of two points in extended coordinates (section 5.1.4)."""
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


BASE = _decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or (0, 0, 0, 0)


# --- JSON and its canonical form (RFC 7493, RFC 8785) --------------------------------

MAX_DEPTH = 64
# Strings, which stay as they are, and the numbers that Python writes in another way.
SMALL = re.compile(r'"(?:[^"\\]|\\.)*"|(-?)(\d)(?:\.(\d+))?e-0([5-9])')


def read_json(data: bytes, where: str = "") -> Json:
    """Return the object that bytes of I-JSON hold, or raise Unreadable."""
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_read_object,
            parse_int=_read_number,
            parse_float=_read_number,
            parse_constant=_read_number,
        )
        require(type(value) is dict, "it is no JSON object")
        if text.count("{") + text.count("[") > MAX_DEPTH:
            _require_depth(value)
        if "\\u" in text:  # an escape can hold half of a surrogate pair
            canonical(value)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{where}no document: {error}") from None
    return value


def _read_object(pairs: list[tuple[str, Any]]) -> Json:
    """Return pairs as an object; raise Unreadable where a name occurs twice."""
    members = dict(pairs)
    require(len(members) == len(pairs), "a member name occurs twice")
    return members


def _read_number(text: str) -> int | float:
    """Read a double; one that ECMAScript writes without a point becomes an integer."""
    if len(text) < 16 and text.isdigit():
        return int(text)
    number = float(text)
    require(math.isfinite(number), "no number, or beyond the range of a double")
    is_exact = number == int(text) if re.fullmatch("-?[0-9]+", text) else True
    require(is_exact, "an integer that no double equals")
    if abs(number) < 1e21 and number.is_integer():
        return int(Decimal(repr(number)))  # the shortest digits that say this double
    return number


def _require_depth(value: Any) -> None:
    """Raise Unreadable where arrays and objects are nested beyond MAX_DEPTH."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [c for v in level for c in children_of(v) if type(c) in (dict, list)]
    require(not level, f"nested beyond {MAX_DEPTH} levels")


def children_of(value: Any) -> Iterable[Any]:
    """Return the values that an object or array holds."""
    return value.values() if type(value) is dict else value


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 form of a value that `read_json` read."""
    write = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))
    text = write(value, sort_keys=True)
    if not text.isascii() and max(text) > "\ud7ff":  # UTF-16 has another order
        text = write(_in_order(value))
    return (SMALL.sub(_write_small, text) if "e-0" in text else text).encode("utf-8")


def _in_order(value: Any) -> Any:
    """Return a value with all names in the order of their UTF-16 code units."""
    if type(value) is dict:
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: _in_order(value[name]) for name in names}
    return [_in_order(item) for item in value] if type(value) is list else value


def _write_small(found: re.Match[str]) -> str:
    """Write a number that Python ends in e-05 to e-09 as ECMAScript does."""
    sign, first, rest, exponent = found.groups("")
    if not first:
        return found[0]  # a string
    if exponent in "56":
        return f"{sign}0.{'0' * (int(exponent) - 1)}{first}{rest}"
    return f"{sign}{first}{'.' if rest else ''}{rest}e-{exponent}"


def hash_without(document: Json, name: str) -> str:
    """Return the hash of a document without one of its members, in hex."""
    content = {key: value for key, value in document.items() if key != name}
    return hashlib.sha256(canonical(content)).hexdigest()


def decode_base64(text: Any) -> bytes | None:
    """Return the bytes of base64 in its one right form, None for anything else."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def is_sha256(text: Any) -> bool:
    """Return whether a value is a SHA-256 in small hex letters."""
    return type(text) is str and re.fullmatch("[0-9a-f]{64}", text) is not None


# --- The archive's members: of a ZIP, or of a folder ---------------------------------

PACKED_ERRORS = (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


class Members:
    """Names below the archive's one folder, each with a way to read its bytes.

    `unreadable` has a reason by name for what is there and cannot be judged.
    """

    def __init__(self, path: str) -> None:
        """List a folder or ZIP; raise Unreadable for no ZIP or an empty one."""
        self.unreadable: dict[str, str] = {}
        self.openers: dict[str, Callable[[], IO[bytes]]] = {}
        self.sizes: dict[str, int] = {}  # as the ZIP lists them
        self._take_folder(path) if os.path.isdir(path) else self._take_zip(path)
        require(self.openers or self.unreadable, "there is nothing in it")

    def __contains__(self, name: str) -> bool:
        """Return whether a member is there and was readable so far."""
        return name in self.openers and name not in self.unreadable

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes; raise Unreadable where size or CRC are not as listed."""
        size, listed = 0, self.sizes.get(name)
        try:
            with self.openers[name]() as file:
                while piece := file.read(PIECE):
                    size += len(piece)
                    require(listed is None or size <= listed, "larger than listed")
                    yield piece
        except PACKED_ERRORS as error:
            raise Unreadable(f"it cannot be read: {error}") from None
        require(listed in (None, size), "smaller than listed")

    def digest(self, name: str) -> str:
        """Return a member's SHA-256 in hex."""
        digest = hashlib.sha256()
        for piece in self.pieces(name):
            digest.update(piece)
        return digest.hexdigest()

    def read(self, name: str, limit: int = MAX_WHOLE) -> bytes:
        """Return a member's bytes; raise Unreadable where they are beyond the limit."""
        data = bytearray()
        for piece in self.pieces(name):
            data += piece
            require(len(data) <= limit, f"larger than {limit} bytes")
        return bytes(data)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield a member's lines, the last one too where no newline ends it."""
        rest = b""
        for piece in self.pieces(name):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            require(len(rest) <= MAX_LINE, f"a line of more than {MAX_LINE} bytes")
        yield from [rest] if rest else []

    def _take_folder(self, top: str) -> None:
        """Take every file below a folder; links are noted, never followed."""
        for folder, below, files in os.walk(top):
            for path in (os.path.join(folder, name) for name in below + files):
                mode = os.lstat(path).st_mode
                if not stat.S_ISDIR(mode):
                    name = os.path.relpath(path, top).replace(os.sep, "/")
                    self._take(name, _is_safe(name), mode, partial(io.FileIO, path))

    def _take_zip(self, path: str) -> None:
        """Take every file of a ZIP; one outside of the archive's folder is noted."""
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise Unreadable(f"not a ZIP that can be read: {error}") from None
        names = (info.orig_filename for info in archive.infolist())
        inside = (
            name.split("/")[0] for name in names if "/" in name and _is_safe(name)
        )
        top = "".join(f"{name}/" for name, _ in Counter(inside).most_common(1))
        for info in archive.infolist():
            whole, size = info.orig_filename, info.file_size
            if whole.endswith("/") and not size and _is_safe(whole[:-1]):
                continue  # a folder, which holds nothing by itself
            is_inside = top != "" and whole.startswith(top) and _is_safe(whole)
            name = whole[len(top) :] if is_inside else whole
            # Read all that is packed, whatever size is listed: `pieces` compares.
            info.file_size = sys.maxsize
            mode, opener = info.external_attr >> 16, partial(archive.open, info)
            self._take(name, is_inside, mode, opener)
            self.sizes[name] = size
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self.unreadable[name] = "packed in a way that this format does not have"

    def _take(
        self, name: str, is_safe: bool, mode: int, opener: Callable[[], IO[bytes]]
    ) -> None:
        """Take a member, or note why it cannot be judged."""
        if not is_safe:
            self.unreadable[name] = "an unsafe name, or outside of the archive's folder"
        elif name in self.openers or name in self.unreadable:
            self.unreadable[name] = "the name occurs twice"
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            self.unreadable[name] = "a link or a device"
        else:
            self.openers[name] = opener


def _is_safe(name: str) -> bool:
    """Return whether a name stays inside a folder, on every system."""
    parts = name.split("/")
    return not (
        any(part in ("", ".", "..") or re.match("[A-Za-z]:", part) for part in parts)
        or any(c == "\\" or unicodedata.category(c) in ("Cc", "Cs") for c in name)
    )


if __name__ == "__main__":
    sys.exit(main())
