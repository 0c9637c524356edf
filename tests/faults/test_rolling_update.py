"""Old and new code beside one database: the code of the first release, and this one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.launcher.folders import ROOT
from tests.config.launching import find_free_port
from tests.faults.conftest import Counted
from tests.faults.counting import (
    DOUBLE_REPORTS,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    sending,
    stored_names,
    wait_until_told,
)
from tests.faults.installation import Installation, running_installation
from tests.releases.dump import read_head

pytestmark = pytest.mark.faults
RELEASE = ROOT / "tests/data/releases/0.1.0.txt.gz"
OWN_APPS = ("evidence", "policy", "incidents")
CASES = 6
BESIDE_SECONDS = 20.0


@pytest.fixture(scope="module")
def old_code() -> Iterator[Path]:
    """Check out the last commit that has no migration beyond the release's."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip(
            "the code of the release before is in the repository's history only"
        )
    added = [str(path.relative_to(ROOT)) for path in _newer_migrations()]
    commits = _git("log", "--reverse", "--diff-filter=A", "--format=%H", "--", *added)
    first = commits.split()[0] if commits else ""
    if not first or not _git("rev-list", "--parents", "-1", first).split()[1:]:
        pytest.skip("the repository's history does not reach back to the release")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "code"
        packed = folder.with_suffix(".tar")
        _git("archive", f"--output={packed}", f"{first}^")
        shutil.unpack_archive(packed, folder, filter="data")
        yield folder


def _newer_migrations() -> list[Path]:
    """Return the migrations that came after the release."""
    reached = read_head(RELEASE)["migrations"]
    return [
        path
        for app in OWN_APPS
        for path in sorted((ROOT / app / "migrations").glob("0*.py"))
        if path.stem > reached[app]
    ]


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", ROOT, *words], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def casefile(old_code: Path) -> Iterator[Installation]:
    with running_installation(code=old_code) as made:
        made.start_workers()
        made.wait(lambda: is_well(made), seconds=120)
        yield made


@pytest.mark.promise(
    "rolling update: code of 0.1.0 and of today beside one database, migrated under "
    "four senders",
    "both take uploads before, during and after; all is stored and verified once, "
    "reminders are told once, everything that is recorded holds",
)
def test_old_and_new_code_work_beside_each_other(
    casefile: Installation, counted: Counted
) -> None:
    reference = casefile.open_case("rolling")
    cases = casefile.open_cases(CASES, title="rolling", opened_seconds_ago=200)
    old = replace(casefile)
    casefile.extra += [part for part in (casefile.web, casefile.workers) if part]
    casefile.code, casefile.port = ROOT, find_free_port()
    casefile.environment["GUNICORN_BIND"] = f"127.0.0.1:{casefile.port}"
    with sending(old, reference, mark="old", senders=2) as to_old:
        casefile.manage("migrate", "--verbosity", "0")
        migrated = len(to_old)
        casefile.start_web()
        with sending(casefile, reference, mark="new", senders=2) as to_new:
            casefile.start_workers()
            time.sleep(BESIDE_SECONDS)
    for part in casefile.extra:
        part.stop()
    answers = to_old | to_new
    taken = {name for name, answer in answers.items() if answer.status == 201}
    other = Counter(one.status for one in answers.values() if one.status != 201)
    stored = stored_names(casefile, reference)
    casefile.wait(
        lambda: count_verified(casefile, reference) == len(stored), seconds=240
    )
    wait_until_told(casefile, cases, seconds=200)
    messages = read_messages(casefile)
    doubled = casefile.count(DOUBLE_REPORTS)
    # Code of 0.1.0 does not name itself to the database: its last rows are accepted, as
    # docs/deploy.md says, and then all of them have to be as they were written.
    casefile.manage("verify_records", "--accept", "written by 0.1.0 during the update")
    require_history_holds(casefile)
    counted(
        f"{len(to_old)} uploads to the old code ({migrated} before and during the "
        f"migrations), {len(to_new)} to the new; {len(taken - stored.keys())} missing, "
        f"{doubled} verified twice, other answers: {dict(other) or 'none'}; {CASES} "
        f"breaches told; {messages}; history and store verify, and records once what "
        "0.1.0 wrote after the migrations was accepted"
    )
    assert set(other) <= {503}
    assert not taken - stored.keys()
    assert set(stored.values()) == {1}
    assert migrated < len(to_old), "nothing was sent to the old code afterwards"
    assert doubled == 0
    messages.require_each_once()
