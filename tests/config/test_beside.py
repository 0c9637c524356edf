"""Commands find the servers of a run that lives, and of no other."""

import json
import threading
from pathlib import Path

import pytest

from config.launcher.beside import FILE, GUEST_SECONDS, SETTINGS, published, visit
from config.launcher.folders import FolderHeld, ServerFolders, state_folder
from tests.config.test_documents import find_variables

VARIABLES = {"DATABASE_URL": "postgres://app@/x", "SECRET_KEY": "s", "HOME": "/root"}
OWNER = "postgres://owner@/x"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASEFILE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_guest_gets_what_the_holder_publishes(state: Path) -> None:
    with state_folder() as folders:
        with visit(state) as before:
            assert before is None
        with published(folders, VARIABLES, OWNER):
            assert (state / FILE).stat().st_mode & 0o777 == 0o600
            with visit(state) as host:
                assert host is not None
                assert host.owner_url == OWNER
                # What is not Casefile's is nobody else's business.
                assert host.variables == {
                    name: VARIABLES[name] for name in ("DATABASE_URL", "SECRET_KEY")
                }
        with visit(state) as after:
            assert after is None


def leave_behind(state: Path) -> None:
    """Leave the file of a run that was killed before it could take it away."""
    with state_folder() as folders, published(folders, VARIABLES, OWNER):
        content = (state / FILE).read_bytes()
    (state / FILE).write_bytes(content)


def test_file_of_a_killed_run_is_believed_by_nobody(state: Path) -> None:
    leave_behind(state)
    with visit(state) as host:
        assert host is None


def test_file_of_a_killed_run_is_not_taken_for_the_next_ones(state: Path) -> None:
    leave_behind(state)
    with state_folder(), visit(state) as host:
        assert host is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"holder": ""}', "null"])
def test_damaged_file_is_believed_by_nobody(state: Path, content: str) -> None:
    with state_folder() as folders, published(folders, VARIABLES, OWNER):
        (state / FILE).write_text(content)
        with visit(state) as host:
            assert host is None


def test_holder_waits_for_its_guests(state: Path) -> None:
    order: list[str] = []
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with visit(state) as host:
            assert host is not None
            inside.set()
            leave.wait(GUEST_SECONDS)
            order.append("guest left")

    with state_folder() as folders:
        with published(folders, VARIABLES, OWNER):
            guest = threading.Thread(target=work)
            guest.start()
            assert inside.wait(10)
            threading.Timer(0.5, leave.set).start()
        order.append("holder stopped")
        guest.join(10)
    assert order == ["guest left", "holder stopped"]


def test_asking_who_holds_the_folder_keeps_nobody_from_holding_it(state: Path) -> None:
    state.mkdir()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with visit(state):
                pass

    asking = [threading.Thread(target=ask) for _ in range(3)]
    (state / FILE).write_text(json.dumps({"holder": "x", "variables": {}}))
    for thread in asking:
        thread.start()
    try:
        for _ in range(20):
            with state_folder():
                pass
    finally:
        stop.set()
        for thread in asking:
            thread.join()


def test_second_holder_is_refused(state: Path) -> None:
    refused = pytest.raises(FolderHeld, match="already runs")
    with state_folder(), refused, state_folder():
        pass


def test_missing_folder_has_no_host(tmp_path: Path) -> None:
    with visit(tmp_path / "none") as host:
        assert host is None
    assert not (tmp_path / "none").exists()


def test_every_setting_of_a_run_is_published() -> None:
    # The parts' own counts; a command beside them would leave its own there.
    assert find_variables() - SETTINGS == {"PROMETHEUS_MULTIPROC_DIR"}


def test_folders_without_a_holder_are_nobodys(tmp_path: Path) -> None:
    folders = ServerFolders(tmp_path, tmp_path)
    with published(folders, VARIABLES, OWNER), visit(tmp_path) as host:
        assert host is None
