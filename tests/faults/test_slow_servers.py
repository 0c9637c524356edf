"""A slow disk and a slow mail server: they hold up what needs them, and nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Counted
from tests.faults.counting import (
    UPLOADS,
    WAITING_MESSAGES,
    ask_while,
    count_told,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    upload_many,
    wait_until_told,
)
from tests.faults.installation import Answer, Installation, running_installation

pytestmark = pytest.mark.faults
SYNC_SECONDS = 5
MAIL_SECONDS = 8
BREACHES = 8


@pytest.fixture(scope="module")
def disk_speed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says how many seconds a sync takes."""
    return tmp_path_factory.mktemp("disk") / "seconds"


@pytest.fixture(scope="module")
def casefile(disk_speed: Path) -> Iterator[Installation]:
    slow = {
        "PYTHONPATH": str(Path(__file__).with_name("slow_disk")),
        "FAULTS_SLOW_DISK": str(disk_speed),
    }
    with running_installation(**slow) as made:
        made.start_workers()
        made.wait(lambda: is_well(made), seconds=120)
        yield made


@pytest.mark.promise(
    f"every sync of the disk takes {SYNC_SECONDS} s, {UPLOADS} uploads at once",
    "/healthz and sign-in answer, reminders are told; who is told to come back is "
    "taken, all is verified",
)
def test_a_slow_disk_holds_only_what_writes_to_it(
    casefile: Installation, disk_speed: Path, counted: Counted
) -> None:
    reference = casefile.open_case("slow disk")
    breaching = casefile.open_cases(BREACHES, title="slow", opened_seconds_ago=280)
    disk_speed.write_text(str(SYNC_SECONDS))
    answers: list[Answer] = []
    crowd = threading.Thread(
        target=lambda: answers.extend(
            upload_many(casefile, reference, "slow", patiently=True)
        )
    )
    crowd.start()
    try:
        others = ask_while(casefile, crowd.is_alive)
        told = count_told(casefile, "breach", breaching)
        crowd.join()
    finally:
        disk_speed.unlink()
    casefile.wait(lambda: count_verified(casefile, reference) == UPLOADS, seconds=240)
    require_history_holds(casefile)
    counted(
        f"{len(answers)} taken and verified, slowest {max_seconds(answers):.0f} s at "
        f"its last try; {others}; {told} of {BREACHES} breaches told meanwhile"
    )
    assert {answer.status for answer in answers} == {201}
    assert told == BREACHES
    others.require_unheld()


@pytest.mark.promise(
    f"a mail server that takes {MAIL_SECONDS} s over every message, dripping",
    "/healthz and sign-in answer, planning and evidence go on; every message is sent "
    "once",
)
def test_a_slow_mail_server_holds_only_the_messages_to_it(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("slow mail")
    casefile.mail.slow_seconds = MAIL_SECONDS
    before = len(casefile.mail.accepted)
    try:
        breaching = casefile.open_cases(BREACHES, title="mail", opened_seconds_ago=295)
        planned = casefile.wait(
            lambda: count_planned(casefile, breaching) == BREACHES, seconds=60
        )
        answers = upload_many(casefile, reference, "mail", patiently=True)
        verified = casefile.wait(
            lambda: count_verified(casefile, reference) == UPLOADS, seconds=120
        )
        waiting = casefile.count(WAITING_MESSAGES)
        ends = time.monotonic() + 2 * MAIL_SECONDS
        others = ask_while(casefile, lambda: time.monotonic() < ends)
        wait_until_told(casefile, breaching, seconds=300)
    finally:
        casefile.mail.slow_seconds = 0
    messages = read_messages(casefile)
    sent = len(casefile.mail.accepted) - before
    counted(
        f"{BREACHES} breaches planned {planned:.0f} s after, {UPLOADS} items verified "
        f"{verified:.0f} s after they were taken, while {waiting} messages waited; "
        f"{others}; {sent} messages sent, {messages.taken_twice} twice"
    )
    assert {answer.status for answer in answers} == {201}
    assert waiting > 0, "the mail server was not slow enough to hold anything"
    messages.require_each_once()
    others.require_unheld()


def count_planned(casefile: Installation, references: list[str]) -> int:
    return casefile.count(
        "SELECT count(DISTINCT case_.id) FROM incidents_notification AS message"
        " JOIN incidents_incident AS case_ ON case_.id = message.incident_id"
        " WHERE message.kind = 'breach' AND case_.reference = ANY(%s)",
        references,
    )


def max_seconds(answers: list[Answer]) -> float:
    return max(answer.seconds for answer in answers)
