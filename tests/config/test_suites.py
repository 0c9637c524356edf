"""No test is lost between `make test` and the commands beside it."""

import re
import subprocess
import sys

import pytest

from config.launcher.folders import ROOT
from tests.suites import APART

FIXTURES = "tests/config/test_fixtures.py"
FOLDER = "tests/browser"
MAIN_JOB = "test_responder_opens_a_case_and_sees_its_bundle_verified"


def collect(*words: str) -> str:
    """Return the names of the tests that pytest would run."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_kind_of_tests_is_run_before_a_change_is_handed_over() -> None:
    whole = (ROOT / ".ci" / "run").read_text()
    (run,) = re.findall(r"^for kind in (.+); do$", whole, re.M)
    assert set(run.split()) == {"test", "apart", "documents"}
    assert f"({' or '.join(APART)}) and not (essential or slow)" in _recipe("apart")


def _recipe(command: str) -> str:
    makefile = (ROOT / "Makefile").read_text()
    return makefile.partition(f"\n{command}: ##")[2].partition("\n\n")[0]


def test_every_kind_of_tests_has_a_command() -> None:
    commands = (ROOT / "Makefile").read_text()
    assert [kind for kind in APART if f"\n{kind}: ##" not in commands] == []


@pytest.mark.live
def test_what_has_a_command_of_its_own_is_left_out_of_a_folder() -> None:
    plain = collect("tests/config", "--ignore=tests/config/test_commands.py")
    assert "test_tests_run_on_postgresql_without_a_tcp_port" in plain
    assert "test_browser_signs_in_to_the_admin" not in plain
    assert "test_emptying_the_cache_keeps_the_queue" not in plain


@pytest.mark.live
def test_file_that_is_named_is_run_whole() -> None:
    named = collect(FIXTURES)
    assert "test_browser_signs_in_to_the_admin" in named
    assert "test_emptying_the_cache_keeps_the_queue" in named


@pytest.mark.live
def test_folder_of_nothing_else_is_run_and_the_essential_one_always() -> None:
    assert "test_no_page_has_a_fault_of_access" in collect(FOLDER)
    beside_others = collect(FOLDER, "tests/words")
    assert MAIN_JOB in beside_others
    assert "test_no_page_has_a_fault_of_access" not in beside_others


@pytest.mark.live
def test_commands_share_all_that_make_test_leaves_out() -> None:
    browser, live = collect("-m", "browser", FOLDER), collect("-m", "live", FIXTURES)
    assert "test_no_page_has_a_fault_of_access" in browser
    assert "test_emptying_the_cache_keeps_the_queue" in live
