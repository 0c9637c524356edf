"""The history log: places in the tree, checkpoints, keys, tiles and proofs."""

from __future__ import annotations

import base64
import datetime as dt
import re
import stat
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from evidence import tasks
from evidence.accounts.access import Role
from evidence.audit.chain import entry_hash
from evidence.audit.history import entry_document, record_entry
from evidence.audit.log import growing, keys
from evidence.audit.log.frontier import Frontier
from evidence.audit.log.growing import grow_log, tree_size
from evidence.audit.log.keys import rotate_log_key, signing_keys, verifier_keys
from evidence.audit.log.reading import (
    entry_proof,
    newest_checkpoint,
    prove_consistency,
    read_hashes,
)
from evidence.audit.log.verifying import open_kept, verify_log
from evidence.errors import LogKeyMissing, LogRefused
from evidence.models import AuditEntry, LogCheckpoint, LogLeaf, LogSubtree
from evidence.proof.notes import encode_signing_key, encode_verifier
from evidence.proof.tree import root_of
from evidence.proof.verify_archive import (
    consistency_holds,
    inclusion_holds,
    leaf_hash,
    open_checkpoint,
    parse_key,
)
from tests.evidence.helpers import without_triggers
from tests.factories import NOON, make_user

pytestmark = pytest.mark.long

MINUTE = dt.timedelta(minutes=1)


def write(count: int = 1, stream: str = "extension:ext.weather") -> AuditEntry:
    person = make_user(Role.RESPONDER)
    with transaction.atomic():
        for number in range(count):
            (entry,) = record_entry(
                streams=[stream],
                action="thing.done",
                actor=person,
                obj=person,
                after={"number": number},
            )
    return entry


def kept_note() -> bytes:
    return newest_checkpoint().note.encode()


def codes(note: bytes) -> list[tuple[int, str]]:
    verdict = verify_log([open_kept(note, verifier_keys())])
    return [(fault.sequence, fault.code) for fault in verdict.faults]


def test_every_entry_gets_one_place_in_the_order_of_its_stream(db: None) -> None:
    write(3)
    write(2, stream="system")
    write(1)
    grow_log()
    before = dict(LogLeaf.objects.values_list("entry_id", "leaf_index"))
    write(2)
    grow_log()
    after = dict(LogLeaf.objects.values_list("entry_id", "leaf_index"))

    assert sorted(after.values()) == list(range(AuditEntry.objects.count()))
    assert {pk: after[pk] for pk in before} == before
    for stream in ("extension:ext.weather", "system"):
        rows = AuditEntry.objects.filter(stream=stream).order_by("sequence")
        places = [after[row.pk] for row in rows]
        assert places == sorted(places)


def test_an_entry_costs_its_writer_no_statement_more(
    db: None, django_assert_num_queries
) -> None:
    person = make_user(Role.RESPONDER)
    with transaction.atomic(), django_assert_num_queries(2):
        record_entry(action="thing.done", actor=person, obj=person)


def test_a_late_commit_is_placed_after_entries_with_higher_ids(
    transactional_db: None,
) -> None:
    """An entry of a transaction that was open while the log grew."""
    write()
    held, written = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                write(stream="system")
                written.set()
                held.wait(20)
        finally:
            connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert written.wait(20)
    write()
    grow_log(now=NOON)
    assert tree_size() == 2
    held.set()
    slow.join()
    grow_log(now=NOON + MINUTE)

    assert LogLeaf.objects.get(leaf_index=2).entry.stream == "system"
    assert not codes(kept_note())


def test_workers_at_once_give_each_entry_one_place(transactional_db: None) -> None:
    write(40)

    def grow() -> None:
        try:
            grow_log(now=NOON)
        finally:
            connection.close()

    workers = [threading.Thread(target=grow) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert tree_size() == LogLeaf.objects.count() == 40
    assert list(LogCheckpoint.objects.values_list("tree_size", flat=True)) == [40, 0]


def test_a_checkpoint_is_made_each_minute_in_which_something_happened(
    db: None,
) -> None:
    write()
    first = grow_log(now=NOON)
    write()
    assert grow_log(now=NOON + dt.timedelta(seconds=20)) == first
    second = grow_log(now=NOON + MINUTE)
    assert (first.tree_size, second.tree_size) == (1, 2)
    assert grow_log(now=NOON + 2 * MINUTE) == second


def test_a_silent_day_gets_an_entry_of_its_own(db: None) -> None:
    write()
    first = grow_log(now=NOON)
    without_triggers("UPDATE evidence_auditentry SET recorded_at = %s", NOON)
    assert grow_log(now=NOON + dt.timedelta(hours=23)) == first
    newest = grow_log(now=NOON + dt.timedelta(hours=25))
    assert newest.tree_size == 2
    assert AuditEntry.objects.get(stream="system").action == "history.alive"


def test_checkpoints_are_signed_and_extend_each_other(db: None) -> None:
    for minute in range(4):
        write(minute * 3 + 1)
        grow_log(now=NOON + minute * MINUTE)
    keys = verifier_keys()
    stated = [
        open_checkpoint(row.note.encode(), keys)
        for row in LogCheckpoint.objects.order_by("tree_size")
    ]
    assert [one.size for one in stated] == [0, 1, 5, 12, 22]
    for older, newer in pairwise(stated):
        proof = [
            bytes.fromhex(one) for one in prove_consistency(older.size, newer.size)
        ]
        assert consistency_holds(older.size, older.root, newer.size, newer.root, proof)


def test_whole_tiles_are_noted_level_by_level(db: None) -> None:
    write(600)
    grow_log(now=NOON)
    assert LogSubtree.objects.filter(level=1).count() == 2
    frontier = Frontier()
    rows = LogLeaf.objects.order_by("leaf_index")
    for data in rows.values_list("entry__entry_hash", flat=True):
        frontier.add(leaf_hash(bytes.fromhex(data)))

    assert frontier.root().hex() == newest_checkpoint().root_hex
    assert root_of(600, read_hashes).hex() == newest_checkpoint().root_hex
    assert not codes(kept_note())


def test_an_entrys_proof_holds_and_names_its_own_place(db: None) -> None:
    entry = write(9)
    checkpoint = grow_log(now=NOON)
    proof = entry_proof(entry, checkpoint)
    stated = open_checkpoint(proof["checkpoint"].encode(), verifier_keys())
    hashes = [bytes.fromhex(one) for one in proof["inclusion"]]
    leaf = leaf_hash(bytes.fromhex(entry.entry_hash))
    assert proof["entry"] == entry_document(entry)
    assert inclusion_holds(leaf, proof["leaf_index"], 9, hashes, stated.root)
    assert not inclusion_holds(leaf, 0, 9, hashes, stated.root)


def test_an_entry_without_a_checkpoint_is_not_proved(db: None) -> None:
    write()
    grow_log(now=NOON)
    with pytest.raises(LogRefused, match="within a minute"):
        entry_proof(write(), newest_checkpoint())


# --- Keys ---------------------------------------------------------------------------


def test_the_first_key_is_made_for_its_owner_alone(db: None) -> None:
    (key,) = signing_keys()
    path = Path(django_settings.LOG_KEY_FILE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing_keys() == [key]
    assert [encode_verifier(one) for one in verifier_keys()] == [
        encode_verifier(key.verifier)
    ]


def test_a_key_that_others_may_read_is_refused(db: None) -> None:
    signing_keys()
    Path(django_settings.LOG_KEY_FILE).chmod(0o644)
    with pytest.raises(LogKeyMissing, match="chmod 600"):
        signing_keys()


def test_who_waited_for_the_first_key_takes_the_one_that_was_made(db: None) -> None:
    """Two processes start at once, both find no file, and one of them waits."""
    (key,) = signing_keys()
    assert keys._make_first_key() == key


def test_a_lost_key_is_not_replaced_in_silence(db: None) -> None:
    signing_keys()
    Path(django_settings.LOG_KEY_FILE).unlink()
    with pytest.raises(LogKeyMissing, match="backup"):
        signing_keys()


def test_a_key_may_come_from_the_environment(db: None, settings: Settings) -> None:
    (key,) = signing_keys()
    Path(settings.LOG_KEY_FILE).unlink()
    settings.LOG_SIGNING_KEYS = [encode_signing_key(key)]
    assert signing_keys() == [key]
    with pytest.raises(LogKeyMissing, match="LOG_SIGNING_KEYS"):
        rotate_log_key(actor=None)


def test_both_keys_sign_for_a_while_after_a_change(db: None) -> None:
    write()
    grow_log(now=NOON)
    (old,) = signing_keys(now=NOON)
    new = parse_key(rotate_log_key(actor=None, now=NOON).verifier)
    write()
    during = grow_log(now=NOON + MINUTE).note.encode()
    assert open_checkpoint(during, [old.verifier]) == open_checkpoint(during, [new])
    write()
    after = grow_log(now=NOON + dt.timedelta(days=40), state_now=True).note.encode()
    open_checkpoint(after, [new])
    with pytest.raises(ValueError, match="no signature"):
        open_checkpoint(after, [old.verifier])
    assert old.verifier in verifier_keys()


# --- A superuser's rewrites, against a checkpoint kept elsewhere --------------------


def make_consistent() -> None:
    """Make leaves, subtrees and checkpoints say what the rewritten history gives."""
    without_triggers("DELETE FROM evidence_logleaf")
    without_triggers("DELETE FROM evidence_logsubtree")
    without_triggers("DELETE FROM evidence_logcheckpoint")
    without_triggers("DELETE FROM evidence_notedhead")
    grow_log(now=NOON)


def rechain(stream: str) -> None:
    """Hash a stream anew from its first entry to its last."""
    previous = None
    for row in AuditEntry.objects.filter(stream=stream).order_by("sequence"):
        row.previous_hash = previous
        previous = entry_hash(entry_document(row))
        without_triggers(
            "UPDATE evidence_auditentry SET previous_hash = %s, entry_hash = %s "
            "WHERE id = %s",
            row.previous_hash,
            previous,
            row.pk,
        )


@pytest.fixture
def kept(transactional_db: None) -> bytes:
    """A checkpoint of 300 entries, kept elsewhere."""
    write(300)
    grow_log(now=NOON - MINUTE)
    return kept_note()


def test_a_rewritten_entry_is_found_however_well_it_was_done(kept: bytes) -> None:
    without_triggers("UPDATE evidence_auditentry SET reason = 'x' WHERE sequence = 7")
    rechain("extension:ext.weather")
    make_consistent()
    call_command("verify_audit")
    assert codes(kept) == [(300, "log_forked")]


def test_a_cut_tail_is_found_however_well_it_was_done(kept: bytes) -> None:
    without_triggers("DELETE FROM evidence_auditentry WHERE sequence > 290")
    make_consistent()
    call_command("verify_audit")
    assert codes(kept) == [(300, "log_cut")]


def test_a_cut_tail_that_was_filled_again_is_found(kept: bytes) -> None:
    without_triggers("DELETE FROM evidence_auditentry WHERE sequence > 290")
    write(30)
    make_consistent()
    assert codes(kept) == [(300, "log_forked")]


def test_a_history_that_only_grew_agrees(kept: bytes, tmp_path: Path, capsys) -> None:
    write(50, stream="system")
    grow_log(now=NOON)
    path = tmp_path / "kept.txt"
    path.write_bytes(kept)
    call_command("verify_audit", checkpoint=[path])
    assert "every chain holds" in capsys.readouterr().out


def test_the_command_says_where_the_history_parts(
    kept: bytes, tmp_path: Path, capsys
) -> None:
    key = tmp_path / "log.vkey"
    key.write_text(encode_verifier(verifier_keys()[0]))
    older, newer = tmp_path / "older.txt", tmp_path / "newer.txt"
    older.write_bytes(kept)
    write(20)
    grow_log(now=NOON)
    newer.write_bytes(kept_note())
    without_triggers("UPDATE evidence_auditentry SET reason = 'x' WHERE sequence = 310")
    rechain("extension:ext.weather")
    make_consistent()
    with pytest.raises(SystemExit):
        call_command("verify_audit", checkpoint=[older, newer], key=[str(key)])
    assert "among the entries 301 to 320" in capsys.readouterr().out


def test_noted_hashes_that_do_not_fit_are_found(kept: bytes) -> None:
    without_triggers("UPDATE evidence_logsubtree SET root_hex = %s", "0" * 64)
    without_triggers("UPDATE evidence_logcheckpoint SET root_hex = %s", "1" * 64)
    assert {code for _, code in codes(kept)} == {
        "subtree_mismatch",
        "checkpoint_mismatch",
    }


def test_an_entry_without_its_leaf_is_found(kept: bytes) -> None:
    without_triggers("DELETE FROM evidence_logleaf WHERE leaf_index = 20")
    assert (20, "leaf_missing") in codes(kept)


def test_a_checkpoint_that_another_key_signed_is_not_relied_on(
    kept: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "kept.txt"
    path.write_bytes(kept.replace(b"\n300\n", b"\n301\n"))
    with pytest.raises(CommandError, match="cannot be relied on"):
        call_command("verify_audit", checkpoint=[path])


# --- What is served -----------------------------------------------------------------


@pytest.fixture
def log(db: None) -> LogCheckpoint:
    write(300)
    return grow_log(now=NOON)


def test_tiles_rebuild_the_root_for_any_reader(log, client, settings: Settings) -> None:
    settings.LOG_IS_PUBLIC = True
    full = client.get("/log/tile/0/000").content
    part = client.get("/log/tile/0/001.p/44").content
    upper = client.get("/log/tile/1/000.p/1").content
    assert (len(full), len(part), len(upper)) == (256 * 32, 44 * 32, 32)
    hashes = [(full + part)[at : at + 32] for at in range(0, 300 * 32, 32)]

    def read(level: int, start: int, count: int) -> list[bytes]:
        return hashes[start : start + count] if level == 0 else [upper]

    note = client.get("/log/checkpoint").content
    stated = open_checkpoint(note, verifier_keys())
    assert root_of(300, read) == stated.root


def test_entry_bundles_have_each_leafs_length(log, client, settings: Settings) -> None:
    settings.LOG_IS_PUBLIC = True
    data = client.get("/log/tile/entries/001.p/44").content
    assert len(data) == 44 * 34
    first = AuditEntry.objects.get(log_leaf__leaf_index=256)
    assert data[:34] == b"\x00\x20" + bytes.fromhex(first.entry_hash)


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/001", "tile/0/001.p/45", "tile/1/001.p/1", "tile/8/000", "tile/0/1"),
        *("tile/0/000.p/0", "tile/0/000.p/257", "tile/-1/000", "tile/entries/002.p/1"),
        *("tile/99/x999/999", "tile/0/" + "x999/" * 30 + "999"),
    ],
)
def test_a_tile_beyond_the_checkpoint_is_not_there(
    log, client, path: str, settings: Settings
) -> None:
    settings.LOG_IS_PUBLIC = True
    assert client.get(f"/log/{path}").status_code == 404


def test_the_log_takes_an_account_unless_the_setting_says_otherwise(
    log, client: Client, auditor: User, outsider: User, settings: Settings
) -> None:
    assert client.get("/log/checkpoint").status_code == 401
    client.force_login(outsider)
    assert client.get("/log/checkpoint").status_code == 403
    client.force_login(auditor)
    assert client.get("/log/checkpoint").status_code == 200
    client.logout()
    settings.LOG_IS_PUBLIC = True
    assert client.get("/log/checkpoint").content == log.note.encode()


def test_proofs_come_by_the_api(log, auditor: User, outsider: User) -> None:
    api = APIClient()
    entry = AuditEntry.objects.order_by("id")[7]
    api.force_login(outsider)
    assert api.get(f"/api/v1/audit-entries/{entry.pk}/proof/").status_code == 403
    api.force_login(auditor)
    proof = api.get(f"/api/v1/audit-entries/{entry.pk}/proof/").json()
    assert proof["entry"]["entry_hash"] == entry.entry_hash
    newest = api.get("/api/v1/log/checkpoint/").json()
    assert base64.b64decode(newest["root_hash"]).hex() == log.root_hex
    answer = api.get("/api/v1/log/consistency/?older=7").json()
    hashes = [bytes.fromhex(one) for one in answer["proof"]]
    root = bytes.fromhex(log.root_hex)
    assert consistency_holds(7, root_of(7, read_hashes), 300, root, hashes)
    assert api.get("/api/v1/log/consistency/").status_code == 400
    assert api.get("/api/v1/log/consistency/?older=301").status_code == 404


def test_an_entrys_page_hands_out_its_proof(
    log, client: Client, auditor: User, outsider: User
) -> None:
    entry = AuditEntry.objects.order_by("id")[7]
    client.force_login(auditor)
    page = client.get(f"/admin/evidence/auditentry/{entry.pk}/change/")
    assert b"Prove this entry" in page.content
    url = re.search(r'href="([^"]*prove[^"]*)"', page.content.decode())[1]
    answer = client.get(url)
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer.json()["schema"] == "casefile.entry_proof.v1"
    client.force_login(outsider)
    assert client.get(url).status_code == 403


def test_the_task_grows_the_log(db: None) -> None:
    write(3)
    tasks.grow_log()
    assert growing.tree_size() == 3
