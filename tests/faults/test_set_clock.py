"""The clock of the web's and the workers' machine, set an hour back and forth.

A small library, built here, gives every process of Casefile the time of a file; the
database and the queue keep theirs, as servers on another machine do. Time that passes
still passes: only what the clock says is moved, as when somebody sets it. (libfaketime
does not do for this: where passing time is left alone, Python 3.11 cannot sleep.)
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Counted
from tests.faults.counting import (
    DOUBLE_REPORTS,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    stored_names,
    upload_many,
    wait_until_told,
)
from tests.faults.installation import Installation, running_installation

pytestmark = pytest.mark.faults
SOURCE = Path(__file__).with_name("set_clock.c")
CASES = 6
UPLOADS_A_TIME = 6
HOUR = 3600
BACKWARD = (
    "SELECT count(*) FROM (SELECT recorded_at, lag(recorded_at) OVER (PARTITION BY"
    " stream ORDER BY sequence) AS before_at FROM evidence_auditentry) AS entries"
    " WHERE recorded_at < before_at - interval '1 minute'"
)
SetClock = Callable[[int], None]


@pytest.fixture(scope="module")
def clock_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "offset"


@pytest.fixture(scope="module")
def set_clock(clock_file: Path) -> SetClock:
    def set_to(seconds: int) -> None:
        # In one step: a process that reads an empty file would take it for none.
        fresh = clock_file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(clock_file)

    set_to(0)
    return set_to


@pytest.fixture(scope="module")
def library(clock_file: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("setting the clock needs a C compiler (Debian: apt install gcc)")
    built = clock_file.with_name("set_clock.so")
    words = [compiler, "-shared", "-fPIC", "-O2", "-o", built, SOURCE, "-ldl"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture(scope="module")
def casefile(
    clock_file: Path, library: Path, set_clock: SetClock
) -> Iterator[Installation]:
    clock = {"LD_PRELOAD": str(library), "FAULTS_CLOCK": str(clock_file)}
    with running_installation(**clock) as made:
        made.start_workers()
        made.wait(lambda: is_well(made), seconds=120)
        yield made


@pytest.mark.promise(
    "clock set an hour back, right, an hour forth, and right again",
    "reminders are told once each, everything taken is verified once; where the "
    "history's times go back, it says so",
)
def test_a_clock_that_is_set_doubles_and_loses_nothing(
    casefile: Installation, set_clock: SetClock, counted: Counted
) -> None:
    reference = casefile.open_case("set clock")
    cases = casefile.open_cases(CASES, title="before", opened_seconds_ago=200)
    statuses, told = [], []
    for step, offset in enumerate((-HOUR, 0, HOUR, 0)):
        set_clock(offset)
        casefile.wait(lambda: is_well(casefile), seconds=120)
        answers = upload_many(
            casefile, reference, f"step{step}", patiently=True, count=UPLOADS_A_TIME
        )
        statuses += [answer.status for answer in answers]
        # What is due by the clock as it now stands is told as soon as ever.
        due = casefile.open_cases(CASES, title="now", opened_seconds_ago=295)
        told.append(wait_until_told(casefile, due, seconds=90))
        cases += due
    wait_until_told(casefile, cases, seconds=400)
    total = len(statuses)
    casefile.wait(lambda: count_verified(casefile, reference) == total, seconds=120)
    messages = read_messages(casefile)
    names = stored_names(casefile, reference)
    doubled = casefile.count(DOUBLE_REPORTS)
    require_history_holds(casefile)
    said = re.findall(r"#\d+ \((\d+) s back\)", casefile.manage("verify_audit"))
    backward = casefile.count(BACKWARD)
    counted(
        f"{len(cases)} breaches told once each, within {max(told):.0f} s of being due "
        f"by each clock; {total} uploads, {len(names)} stored, {doubled} verified "
        f"twice; {messages}; the history holds, its times go back {backward} times, "
        f"which verify_audit says"
    )
    assert set(statuses) == {201}
    assert set(names.values()) == {1}
    assert len(names) == total
    assert doubled == 0
    messages.require_each_once()
    assert backward > 0, "no entry was written after the clock was set back"
    assert len(said) == min(backward, 5)
