"""What each part's fault costs the others, on an installation of its own."""

from __future__ import annotations

import signal
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.config.launching import find_family
from tests.faults.conftest import Counted
from tests.faults.installation import Answer, Installation, vector

pytestmark = pytest.mark.faults
UPLOADS = 24
HELD_SECONDS = 20.0
DONE = (
    "SELECT count(DISTINCT report.item_id) FROM evidence_verificationreport AS report"
    " JOIN evidence_evidenceitem AS item ON item.id = report.item_id"
    " JOIN incidents_incident AS case_ ON case_.id = item.incident_id"
    " WHERE case_.reference = %s"
)


@pytest.fixture(autouse=True, scope="module")
def workers(casefile: Installation) -> None:
    casefile.start_workers()
    casefile.wait(lambda: is_well(casefile), seconds=120)


def is_well(casefile: Installation) -> bool:
    report = casefile.get("/readyz").json()
    return {"workers", "beat", "broker"} <= {
        name for name, part in report["parts"].items() if part["status"] == "ok"
    }


def upload_many(
    casefile: Installation, reference: str, mark: str, *, patiently: bool = False
) -> list[Answer]:
    """Upload at once; patiently, those who are told to come back do so."""

    def send(number: int) -> Answer:
        for _ in range(20):
            name = f"{mark}-{number}.log"
            answer = casefile.upload(reference, f"{mark} {number}".encode(), name)
            if not (patiently and answer.status == 503):
                break
            time.sleep(1)
        return answer

    with ThreadPoolExecutor(UPLOADS) as pool:
        return list(pool.map(send, range(UPLOADS)))


def test_a_case_that_is_held_stops_nobody_else(
    casefile: Installation, counted: Counted
) -> None:
    held, other = casefile.open_case("held"), casefile.open_case("other")
    with psycopg.connect(casefile.environment["DATABASE_URL"]) as database:
        database.execute(
            "SELECT 1 FROM incidents_incident WHERE reference = %s FOR UPDATE", [held]
        )
        answers: list[Answer] = []
        crowd = threading.Thread(
            target=lambda: answers.extend(upload_many(casefile, held, "held"))
        )
        crowd.start()
        time.sleep(0.5)
        health, signing, elsewhere = [], [], []
        ends = time.monotonic() + HELD_SECONDS
        while time.monotonic() < ends and (crowd.is_alive() or len(signing) < 3):
            health.append(casefile.get("/healthz").seconds)
            signing.append(casefile.sign_in("responder"))
            sent = casefile.upload(other, str(len(signing)).encode(), "other.log")
            elsewhere.append(sent)
        crowd.join()
        database.rollback()
    assert {answer.status for answer in answers} == {503}
    assert all(answer.json()["code"] == "record_busy" for answer in answers)
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert {answer.status for answer in elsewhere} == {201}
    slowest = max(answer.seconds for answer in answers)
    counted(
        f"one case held, {UPLOADS} uploads to it",
        "others sign in and upload; the crowd is told to come back",
        f"{len(answers)} of {UPLOADS} told so within {slowest:.1f} s; sign-in "
        f"{max(signing):.1f} s at most, /healthz {max(health) * 1000:.0f} ms",
    )
    assert max(health) < 2
    assert max(signing) < 10


def test_a_broker_that_hangs_holds_no_upload_and_its_work_is_sent_later(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("hang")
    casefile.valkey.popen.send_signal(signal.SIGSTOP)
    try:
        answers = upload_many(casefile, reference, "hang", patiently=True)
        health = casefile.get("/healthz").seconds
        ready = [casefile.get("/readyz") for _ in range(3)]
        signing = casefile.sign_in("responder")
    finally:
        casefile.valkey.popen.send_signal(signal.SIGCONT)
    assert {answer.status for answer in answers} == {201}
    assert ready[-1].json()["parts"]["broker"]["status"] == "failing"
    assert ready[-1].status == 200
    after = casefile.wait(
        lambda: casefile.count(DONE, reference) == UPLOADS, seconds=180
    )
    seconds = [answer.seconds for answer in answers]
    counted(
        f"broker takes connections and never answers, {UPLOADS} uploads",
        "all are taken; /healthz and sign-in answer; verified once it is back",
        f"{len(answers)} taken, median {statistics.median(seconds):.1f} s, slowest "
        f"{max(seconds):.1f} s; /healthz {health * 1000:.0f} ms, /readyz "
        f"{max(one.seconds for one in ready):.1f} s, sign-in {signing:.1f} s; all "
        f"verified {after:.0f} s after",
    )


def test_a_broker_that_is_emptied_costs_less_than_a_minute(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("emptied")
    casefile.wait(lambda: is_well(casefile), seconds=90)
    casefile.kill_workers()
    answers = upload_many(casefile, reference, "emptied", patiently=True)
    casefile.restart_valkey()
    casefile.start_workers()
    started = casefile.wait(lambda: is_well(casefile), seconds=120)
    after = casefile.wait(
        lambda: casefile.count(DONE, reference) == UPLOADS, seconds=120
    )
    assert {answer.status for answer in answers} == {201}
    doubled = casefile.count(
        "SELECT count(*) FROM (SELECT request_id FROM evidence_verificationreport"
        " GROUP BY request_id HAVING count(*) > 1) AS doubled"
    )
    counted(
        f"broker killed and emptied with {UPLOADS} verifications in it",
        "all verified within a minute of the workers' start, none twice",
        f"{UPLOADS} verified {after:.0f} s after the workers were well (up in "
        f"{started:.0f} s), {doubled} twice",
    )
    assert after < 60
    assert doubled == 0


def test_workers_that_are_killed_come_back(
    casefile: Installation, counted: Counted
) -> None:
    casefile.wait(lambda: is_well(casefile), seconds=90)
    assert casefile.workers is not None
    family = find_family(casefile.workers.popen)
    for member in family:
        member.kill()
    reference = casefile.open_case("killed")
    assert casefile.upload(reference, vector(), "plain.json").status == 201
    after = casefile.wait(lambda: casefile.count(DONE, reference) == 1, seconds=120)
    counted(
        f"all {len(family)} processes of the workers and beat killed",
        "they come back by themselves and go on",
        f"a bundle sent meanwhile was verified {after:.0f} s after it was taken",
    )


def test_a_database_that_restarts_loses_nothing_that_was_acknowledged(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("restart")
    taken: list[int] = []
    refused: list[int] = []
    stop = threading.Event()

    def send() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            name = f"{threading.get_ident()}-{number}"
            status = casefile.upload(reference, name.encode(), f"{name}.log").status
            (taken if status == 201 else refused).append(status)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(3)
    casefile.restart_postgres()
    time.sleep(4)
    stop.set()
    for sender in senders:
        sender.join()
    stored = casefile.count(
        "SELECT count(*) FROM evidence_evidenceitem AS item JOIN incidents_incident"
        " AS case_ ON case_.id = item.incident_id WHERE reference = %s",
        reference,
    )
    assert set(refused) <= {503}
    assert stored >= len(taken)
    after = casefile.wait(lambda: casefile.get("/readyz").status == 200, seconds=60)
    counted(
        "database restarted under four senders",
        "what was acknowledged is there; the rest is told 503",
        f"{len(taken)} acknowledged, {stored} stored, {len(refused)} told to come "
        f"back; ready {after:.1f} s after",
    )


def test_a_second_beat_doubles_nothing(
    casefile: Installation, counted: Counted
) -> None:
    casefile.environment["BEAT_SCHEDULE_FILE"] += "-2"
    other = casefile._start("beat-2", [sys.executable, "-m", "config.workers", "beat"])
    casefile.extra.append(other)
    casefile.open_case("two beats")
    planned = "SELECT count(*) FROM incidents_notification"
    casefile.wait(lambda: casefile.count(planned) > 0, seconds=240)
    doubled = casefile.count(
        "SELECT count(*) FROM (SELECT 1 FROM incidents_notification GROUP BY key,"
        " recipient_id, webhook_id HAVING count(*) > 1) AS doubled"
    )
    assert doubled == 0
    counted(
        "two beats",
        "nothing is planned or sent twice",
        f"{casefile.count(planned)} messages planned, {doubled} twice",
    )
