"""Evidence in a bucket that fails every third call, and in one that is slow."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Counted
from tests.faults.counting import (
    DOUBLE_REPORTS,
    IN_CASE,
    TRIES,
    UPLOADS,
    ask_for_files,
    ask_while,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    stored_names,
    upload_many,
    upload_patiently,
    wait_until_told,
)
from tests.faults.installation import Answer, Installation, running_installation, vector
from tests.faults.object_store import ObjectStore, running_object_store

pytestmark = pytest.mark.faults
SLOW_SECONDS = 15.0
BREACHES = 10
ITEMS = "SELECT item.id, item.sha256_hex FROM evidence_evidenceitem AS item" + IN_CASE


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    with running_object_store() as store:
        yield store


@pytest.fixture(scope="module")
def casefile(bucket: ObjectStore) -> Iterator[Installation]:
    with running_installation(**bucket.variables) as made:
        made.start_workers()
        made.wait(lambda: is_well(made), seconds=120)
        yield made


def comes_whole(
    casefile: Installation, session: dict[str, str], item: int, digest: str
) -> bool:
    """Download, again where the store did not answer; return whether all came."""
    for _ in range(TRIES):
        answer = casefile.get(f"/admin/evidence/evidenceitem/{item}/download/", session)
        if answer.status == 200:
            break
        time.sleep(0.5)
    return hashlib.sha256(answer.body).hexdigest() == digest


@pytest.mark.promise(
    "every third call to the bucket fails: refused, or done with the answer lost",
    "uploads, verification, downloads, an export and an archive come through; "
    "nothing lost, nothing twice",
)
def test_a_bucket_that_fails_every_third_call_loses_and_doubles_nothing(
    casefile: Installation, bucket: ObjectStore, counted: Counted
) -> None:
    reference = casefile.open_case("thirds")
    before = bucket.asked
    bucket.fails_every = 3
    answers = upload_many(casefile, reference, "thirds", patiently=True)
    answers.append(upload_patiently(casefile, reference, vector(), "plain.json"))
    items = len(answers)
    casefile.wait(lambda: count_verified(casefile, reference) == items, seconds=240)
    files = ask_for_files(casefile, reference)
    casefile.wait(files.are_done, seconds=300)
    rows = casefile.query(ITEMS, reference)
    session = casefile.open_session("responder")
    wrong = [
        item
        for item, digest in rows
        if not comes_whole(casefile, session, item, digest)
    ]
    failed, asked = bucket.failed, bucket.asked - before
    bucket.fails_every = 0
    require_history_holds(casefile)
    names = stored_names(casefile, reference)
    kept = [key for key in bucket.list_keys() if key.startswith("sha256/")]
    doubled = casefile.count(DOUBLE_REPORTS)
    counted(
        f"{failed} of {asked} calls failed; {items} uploads taken, "
        f"{items + 1 - len(names)} missing; {items} verified, {doubled} twice; "
        "an export and an archive made; "
        f"{len(rows)} items downloaded, {len(wrong)} of them not whole"
    )
    assert {answer.status for answer in answers} <= {200, 201}
    assert len(names) == items + 1, "one for each upload, and the export's bundle"
    assert set(names.values()) == {1}
    assert len(kept) >= len(rows)
    assert wrong == []
    assert doubled == 0


@pytest.mark.promise(
    f"every call to the bucket takes {SLOW_SECONDS:.0f} s, {UPLOADS} uploads at once",
    "/healthz and sign-in answer, reminders are told; all is taken and verified",
)
def test_a_slow_bucket_holds_only_what_needs_it(
    casefile: Installation, bucket: ObjectStore, counted: Counted
) -> None:
    reference = casefile.open_case("slow bucket")
    breaching = casefile.open_cases(BREACHES, title="slow", opened_seconds_ago=290)
    bucket.delay_seconds = SLOW_SECONDS
    answers: list[Answer] = []
    crowd = threading.Thread(
        target=lambda: answers.extend(
            upload_many(casefile, reference, "slow", patiently=True)
        )
    )
    crowd.start()
    try:
        time.sleep(1)
        others = ask_while(casefile, crowd.is_alive)
        told = wait_until_told(casefile, breaching, seconds=60)
        crowd.join()
    finally:
        bucket.delay_seconds = 0
    casefile.wait(lambda: count_verified(casefile, reference) == UPLOADS, seconds=240)
    messages = read_messages(casefile)
    counted(
        f"{len(answers)} taken, slowest {max(one.seconds for one in answers):.0f} s; "
        f"{others}; {BREACHES} breaches told {told:.0f} s after they were looked for"
    )
    assert {answer.status for answer in answers} == {201}
    messages.require_each_once()
    others.require_unheld()
