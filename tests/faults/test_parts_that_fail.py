"""What each part's fault costs the others, on an installation of its own."""

from __future__ import annotations

import json
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import redis

from tests.config.launching import find_family
from tests.faults.conftest import Counted
from tests.faults.counting import (
    DOUBLE_REPORTS,
    UPLOADS,
    ask_while,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    sending,
    stored_names,
    upload_many,
    wait_until_told,
)
from tests.faults.installation import Answer, Installation, vector
from tests.incidents.alerts.samples import NOON_MS, alert_document

pytestmark = pytest.mark.faults
HELD_SECONDS = 20.0
NO_MEMORY_SECONDS = 30.0
BEATS_SECONDS = 45.0
CASES = 20
ALERTS = "/api/v1/alerts/"
UNDECIDED = "SELECT count(*) FROM incidents_alert WHERE decision = 'waiting'"
# In the order in which they were decided.
DECIDED = """
    SELECT alert.alert_id, alert.decision, count(*)
      FROM incidents_alert AS alert
      JOIN incidents_alertassignment AS move ON move.alert_id = alert.id
     GROUP BY alert.id ORDER BY min(move.id)
"""


@pytest.fixture(autouse=True, scope="module")
def workers(casefile: Installation) -> None:
    casefile.start_workers()
    casefile.wait(lambda: is_well(casefile), seconds=120)


@pytest.mark.promise(
    f"one case held, {UPLOADS} uploads to it at once",
    "others sign in and upload; the crowd is told to come back",
)
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
    codes = {answer.json()["code"] for answer in answers}
    # On a machine whose disk is slow, some are told so before they ask for the case.
    assert "record_busy" in codes
    assert codes <= {"record_busy", "storage_busy"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    refused = [answer.json() for answer in elsewhere if answer.status != 201]
    assert not refused
    slowest = max(answer.seconds for answer in answers)
    counted(
        f"{len(answers)} of {UPLOADS} told so within {slowest:.1f} s; sign-in "
        f"{max(signing):.1f} s at most, /healthz {max(health) * 1000:.0f} ms",
    )
    assert max(health) < 2 * casefile.slowness
    assert max(signing) < 10 * casefile.slowness


@pytest.mark.promise(
    f"broker takes connections and never answers, {UPLOADS} uploads at once",
    "all are taken; /healthz and sign-in answer; verified once it is back",
)
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
        lambda: count_verified(casefile, reference) == UPLOADS, seconds=180
    )
    seconds = [answer.seconds for answer in answers]
    counted(
        f"{len(answers)} taken, median {statistics.median(seconds):.1f} s, slowest "
        f"{max(seconds):.1f} s; /healthz {health * 1000:.0f} ms, /readyz "
        f"{max(one.seconds for one in ready):.1f} s, sign-in {signing:.1f} s; all "
        f"verified {after:.0f} s after",
    )


@pytest.mark.promise(
    f"broker out of memory for {NO_MEMORY_SECONDS:.0f} s, {UPLOADS} uploads at once",
    "all are taken; /healthz and sign-in answer, readiness says so; verified within a "
    "minute of its having room, none twice",
)
def test_a_broker_without_memory_holds_no_upload_and_ends_no_worker(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("no memory")
    casefile.wait(lambda: is_well(casefile), seconds=90)
    ends = time.monotonic() + NO_MEMORY_SECONDS
    with redis.Redis.from_url(casefile.environment["REDIS_URL"]) as broker:
        broker.config_set("maxmemory", 1)
        try:
            answers = upload_many(casefile, reference, "memory", patiently=True)
            others = ask_while(casefile, lambda: time.monotonic() < ends)
            ready = casefile.get("/readyz")
        finally:
            broker.config_set("maxmemory", 0)
    after = casefile.wait(
        lambda: count_verified(casefile, reference) == UPLOADS, seconds=180
    )
    casefile.wait(lambda: is_well(casefile), seconds=90)
    doubled = casefile.count(DOUBLE_REPORTS)
    counted(
        f"{len(answers)} taken, slowest {max(one.seconds for one in answers):.1f} s; "
        f"{others}; all verified {after:.0f} s after it had room, {doubled} twice"
    )
    assert {answer.status for answer in answers} == {201}
    assert ready.status == 200
    assert ready.json()["parts"]["broker"]["status"] == "failing"
    others.require_unheld()
    assert after < 60 * casefile.slowness
    assert doubled == 0


@pytest.mark.promise(
    f"broker killed and emptied with {UPLOADS} verifications in it",
    "all verified within a minute of the workers' start, none twice",
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
        lambda: count_verified(casefile, reference) == UPLOADS, seconds=120
    )
    assert {answer.status for answer in answers} == {201}
    doubled = casefile.count(DOUBLE_REPORTS)
    counted(
        f"{UPLOADS} verified {after:.0f} s after the workers were well (up in "
        f"{started:.0f} s), {doubled} twice",
    )
    assert after < 60 * casefile.slowness
    assert doubled == 0


@pytest.mark.promise(
    "all processes of the workers and beat killed",
    "they come back by themselves and go on",
)
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
    after = casefile.wait(lambda: count_verified(casefile, reference) == 1, seconds=120)
    counted(
        f"{len(family)} processes killed; a bundle sent meanwhile was verified "
        f"{after:.0f} s after it was taken",
    )


@pytest.mark.promise(
    "database restarted in mid-request, under four senders",
    "what was acknowledged is there once and verified; the rest is told 503",
)
def test_a_database_that_restarts_loses_nothing_that_was_acknowledged(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("restart")
    with sending(casefile, reference) as answers:
        time.sleep(3)
        casefile.restart_postgres()
        ready = casefile.wait(lambda: casefile.get("/readyz").status == 200, seconds=60)
        time.sleep(4)
    taken = {name for name, answer in answers.items() if answer.status == 201}
    refused = [answer for answer in answers.values() if answer.status != 201]
    stored = stored_names(casefile, reference)
    casefile.wait(
        lambda: count_verified(casefile, reference) == len(stored), seconds=180
    )
    require_history_holds(casefile)
    counted(
        f"{len(taken)} acknowledged, {len(taken - stored.keys())} of them missing, "
        f"{max(stored.values())} time each; {len(refused)} told to come back; ready "
        f"{ready:.1f} s after; all {len(stored)} verified, the history holds"
    )
    assert refused, "the restart met no request"
    assert {answer.status for answer in refused} == {503}
    assert not taken - stored.keys()
    assert set(stored.values()) == {1}


def post_alerts(casefile: Installation, until: threading.Event) -> dict[str, int]:
    """Post alerts that nobody waits for, each until it is taken; return the tries."""
    tries: dict[str, int] = {}
    headers = {
        "Authorization": f"Bearer {casefile.secret}",
        "Content-Type": "application/json",
        "Prefer": "respond-async",
    }
    while not until.is_set():
        name = f"alert-{len(tries):06}"
        document = alert_document(name, source="ci_gate", ts_ms=NOON_MS + len(tries))
        body = json.dumps(document).encode()
        tries[name] = 1
        while casefile.request("POST", ALERTS, body, headers).status not in (200, 202):
            tries[name] += 1
            time.sleep(0.2)
    return tries


@pytest.mark.promise(
    "workers killed and database restarted while alerts come in that nobody waits for",
    "each that was acknowledged is there once, decided in the order it was sent",
)
def test_alerts_that_wait_are_neither_lost_nor_doubled_nor_turned_round(
    casefile: Installation, counted: Counted
) -> None:
    casefile.manage("load_playbooks")
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(post_alerts, casefile, ended)
        time.sleep(3)
        casefile.kill_workers()
        casefile.restart_postgres()
        casefile.start_workers()
        time.sleep(4)
        ended.set()
        tries = sender.result()
    after = casefile.wait(lambda: casefile.count(UNDECIDED) == 0, seconds=120)
    rows = casefile.query(DECIDED)
    require_history_holds(casefile)
    again = sum(count - 1 for count in tries.values())
    counted(
        f"{len(tries)} acknowledged, {again} of them sent again; {len(rows)} stored, "
        f"all decided {after:.0f} s after the last, in their order; the history holds"
    )
    assert [name for name, _, _ in rows] == sorted(tries)
    assert [decision for _, decision, _ in rows].count("opened") == 1
    assert rows[0][1] == "opened"
    assert {moves for _, _, moves in rows} == {1}


@pytest.mark.promise("two beats", "nothing is planned or sent twice")
def test_a_second_beat_doubles_nothing(
    casefile: Installation, counted: Counted
) -> None:
    casefile.start_second_beat()
    cases = casefile.open_cases(
        CASES, title="two beats", opened_seconds_ago=300 - BEATS_SECONDS / 2
    )
    reference = casefile.open_case("two beats")
    answers = upload_many(casefile, reference, "beats", patiently=True)
    wait_until_told(casefile, cases, seconds=180)
    casefile.wait(lambda: count_verified(casefile, reference) == UPLOADS, seconds=120)
    time.sleep(BEATS_SECONDS / 2)
    messages = read_messages(casefile)
    doubled = casefile.count(DOUBLE_REPORTS)
    counted(
        f"{CASES} breaches told; {messages}; {len(answers)} items verified, {doubled} "
        "twice"
    )
    messages.require_each_once()
    assert {answer.status for answer in answers} == {201}
    assert doubled == 0
