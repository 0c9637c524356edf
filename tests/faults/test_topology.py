"""A site of more than one machine, each part of which is killed while all are at work.

Fifty people open a page every five seconds each, 1,000 alerts are sent a second, and
two bundles; whatever a fault makes of their requests is counted, and nothing that was
acknowledged may be missing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

import pytest

from tests.faults.conftest import Counted
from tests.faults.counting import (
    DOUBLE_REPORTS,
    count_verified,
    read_messages,
    require_history_holds,
    stored_names,
)
from tests.faults.crowd import TAKEN, Note
from tests.faults.installation import Installation
from tests.faults.topology import Crowd, Topology, crowd_at_work, running_topology

pytestmark = pytest.mark.faults
BEFORE_SECONDS = 10.0
AWAY_SECONDS = 10.0
AFTER_SECONDS = 10.0
WELL_SECONDS = 180.0
PARTS = (
    "a web",
    "nginx",
    "the workers of evidence",
    "the workers of follow-ups",
    "a beat",
    "the replica",
    "Valkey, with what it held",
    "the bucket",
    "PostgreSQL",
)
# What a proxy, or a web without its database, says; 0: nobody answered at all.
TOLD_TO_COME_BACK = {0, 502, 503, 504}
BATCHES = """
    SELECT regexp_replace(alert_id, '-[0-9]+$', ''), count(*)
      FROM incidents_alert WHERE starts_with(alert_id, %s) GROUP BY 1
"""
UNDECIDED = """
    SELECT count(*) FROM incidents_alert
     WHERE starts_with(alert_id, %s) AND decision = 'waiting'
"""
IN_NO_OR_TWO_CASES = """
    SELECT count(*) FROM incidents_alert AS alert
     WHERE starts_with(alert.alert_id, %s)
       AND 1 <> (SELECT count(*) FROM incidents_alertassignment AS move
                  WHERE move.alert_id = alert.id)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    with running_topology(tmp_path_factory.mktemp("nginx")) as made:
        yield made


@pytest.fixture(scope="module")
def casefile(site: Topology) -> Installation:
    return site.casefile


@dataclass(frozen=True)
class Fault:
    """When a part was killed, when it was started again, and when all was well."""

    killed: float
    back: float
    well: float


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            part,
            id=part.replace(" ", "-"),
            marks=pytest.mark.promise(
                f"{part} killed, on a site of more than one machine, at work",
                "all that was acknowledged is there once, whole, decided and verified; "
                "afterwards every page answers",
            ),
        )
        for part in PARTS
    ],
)
def test_what_was_acknowledged_outlives_each_part(
    site: Topology, casefile: Installation, counted: Counted, name: str
) -> None:
    reference = casefile.open_case(name)
    with crowd_at_work(site, reference) as crowd:
        time.sleep(BEFORE_SECONDS)
        fault = break_part(site, name)
        time.sleep(AFTER_SECONDS)
    notes = crowd.notes
    missing, halved = compare_alerts(casefile, crowd, notes)
    taken = {note.name for note in notes if note.who == "evidence" and is_taken(note)}
    stored = stored_names(casefile, reference)
    counted(tell(notes, fault, missing, len(taken - stored.keys())))
    assert not missing
    assert not halved
    assert not taken - stored.keys()
    assert set(stored.values()) == {1}
    require_sent_to_the_end(notes)
    require_no_odd_answers(notes)
    late = [note for note in notes if note.who == "people" and note.at > fault.well]
    assert late
    assert not odd(late)
    casefile.wait(
        lambda: count_verified(casefile, reference) == len(stored), seconds=240
    )
    assert casefile.count(UNDECIDED, f"{crowd.mark}-") == 0
    assert casefile.count(IN_NO_OR_TWO_CASES, f"{crowd.mark}-") == 0


@pytest.mark.promise(
    "all of these, one after the other",
    "no message is sent twice, nothing is verified twice; history, records and store "
    "hold",
)
def test_after_all_of_them_history_records_and_store_hold(
    site: Topology, casefile: Installation, counted: Counted
) -> None:
    messages = read_messages(casefile)
    doubled = casefile.count(DOUBLE_REPORTS)
    require_history_holds(casefile)
    alerts = casefile.count("SELECT count(*) FROM incidents_alert")
    counted(
        f"{site.crowds} faults, {alerts:,} alerts; {doubled} verified twice; "
        f"{messages}; history, records and store verify"
    )
    assert doubled == 0
    assert messages.planned_twice == messages.taken_twice == 0


def break_part(site: Topology, name: str) -> Fault:
    part = site.parts[name]
    killed = time.time()
    part.kill()
    time.sleep(AWAY_SECONDS)
    back = time.time()
    part.bring_back()
    site.casefile.wait(site.is_well, seconds=WELL_SECONDS)
    return Fault(killed, back, time.time())


def is_taken(note: Note) -> bool:
    return note.status in TAKEN


def compare_alerts(
    casefile: Installation, crowd: Crowd, notes: Iterable[Note]
) -> tuple[set[str], dict[str, int]]:
    """Return the acknowledged batches that are missing, and those stored in part."""
    stored = dict(casefile.query(BATCHES, f"{crowd.mark}-"))
    taken = {note.name for note in notes if note.who == "alerts" and is_taken(note)}
    whole = crowd.alerts_at_once
    halved = {name: count for name, count in stored.items() if count != whole}
    return taken - stored.keys(), halved


def require_sent_to_the_end(notes: Iterable[Note]) -> None:
    """Each batch and bundle was acknowledged at last: nobody gave up."""
    last = {(note.who, note.name): note for note in notes if note.who != "people"}
    assert last
    assert not [note for note in last.values() if not is_taken(note)]


def require_no_odd_answers(notes: Iterable[Note]) -> None:
    """Nobody is signed out, refused, or shown a fault of ours."""
    assert not [note for note in odd(notes) if note.status not in TOLD_TO_COME_BACK]


def odd(notes: Iterable[Note]) -> list[Note]:
    return [note for note in notes if not is_taken(note)]


def tell(
    notes: list[Note], fault: Fault, missing: set[str], missing_evidence: int
) -> str:
    """Say what each kind of sender met before, during and after the fault."""
    told = []
    for who, what in (("people", "pages"), ("alerts", "batches of 250 alerts")):
        own = [note for note in notes if note.who == who]
        before = [note for note in own if note.at < fault.killed]
        amid = [note for note in own if fault.killed <= note.at < fault.well]
        after = [note for note in own if note.at >= fault.well]
        spans = zip(("before", "amid", "after"), (before, amid, after), strict=True)
        told.append(f"{what}: " + "; ".join(_span(*span) for span in spans))
    bundles = sum(note.who == "evidence" and is_taken(note) for note in notes)
    return (
        f"{', '.join(told)}; {bundles} bundles taken, {missing_evidence} missing; "
        f"{len(missing)} acknowledged batches missing; all parts well "
        f"{fault.well - fault.back:.0f} s after it was started again"
    )


def _span(name: str, notes: list[Note]) -> str:
    if not notes:
        return f"{name} none"
    others = Counter(note.status for note in notes if not is_taken(note))
    seconds = [note.seconds for note in notes]
    answered = sum(map(is_taken, notes))
    failed = ", ".join(f"{count} × {status}" for status, count in others.items())
    return (
        f"{name} {answered} answered{f' ({failed})' if failed else ''}, median "
        f"{median(seconds):.1f} s, slowest {max(seconds):.1f} s"
    )
