"""The launcher: servers without root and ports, and nothing left behind."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import psutil
import psycopg
import pytest
from packaging.specifiers import SpecifierSet

from config.launcher import bootstrap
from config.launcher.binaries import find_postgres
from config.launcher.errors import LaunchError
from config.launcher.folders import ServerFolders, fresh_folder, state_folder
from config.launcher.secret_files import read_or_make_secret
from config.launcher.servers import running_servers
from config.launcher.users import NOBODY
from config.launcher.waiting import explain_log
from tests.config.launching import (
    ROOT,
    find_family,
    find_free_port,
    kill,
    launch,
    make_environment,
    run_launcher,
    survivors,
    wait_for_output,
)

pytestmark = pytest.mark.live

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def no_servers_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def find_postgres_process(folders: ServerFolders) -> psutil.Process:
    pid_file = folders.data / "postgres" / "cluster" / "postmaster.pid"
    return psutil.Process(int(pid_file.read_text().split()[0]))


@pytest.mark.usefixtures("no_servers_named")
def test_servers_answer_on_private_sockets_and_stop() -> None:
    with fresh_folder() as folders:
        with running_servers(folders, durable=False) as urls:
            server = find_postgres_process(folders)
            assert urls["DATABASE_URL"].startswith("postgres://casefile_owner:")
            assert server.net_connections(kind="inet") == []
            assert stat.S_IMODE(folders.sockets.stat().st_mode) == 0o700
        assert not server.is_running()
        data = folders.data
    assert not data.exists()


@pytest.mark.usefixtures("no_servers_named")
def test_database_asks_for_the_password() -> None:
    with (
        fresh_folder() as folders,
        running_servers(folders, durable=False),
        pytest.raises(psycopg.OperationalError, match="password"),
    ):
        psycopg.connect(
            host=str(folders.sockets), user="casefile_owner", dbname="postgres"
        )


def test_named_servers_are_used_and_none_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = {"DATABASE_URL": "postgres://db.example.org/x", "REDIS_URL": "redis://r"}
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    with running_servers(ServerFolders(tmp_path, tmp_path), durable=True) as urls:
        assert urls == named
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_servers_named")
def test_servers_start_again_after_a_crash_left_their_files() -> None:
    with fresh_folder() as folders:
        for round_number in range(2):
            # The second start finds a socket, a lock file and a pid that is gone.
            with running_servers(folders, durable=False) as urls:
                server = find_postgres_process(folders)
                if round_number == 0:
                    server.kill()
                    for child in psutil.Process().children(recursive=True):
                        if "valkey" in child.name():
                            child.kill()
                    server.wait(10)
        assert urls["REDIS_URL"].endswith("valkey.sock")


@pytest.mark.usefixtures("no_servers_named")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")
def test_without_user_namespaces_root_becomes_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CASEFILE_NO_USER_NAMESPACES", "1")
    with fresh_folder() as folders:
        if can_nobody_run(find_postgres().postgres):
            with running_servers(folders, durable=False):
                assert find_postgres_process(folders).uids().real == NOBODY
        else:
            # The project lies where nobody else may go: said, and not opened up.
            with (
                pytest.raises(
                    LaunchError, match=r"nobody cannot reach .* DATABASE_URL"
                ),
                running_servers(folders, durable=False),
            ):
                pass


def can_nobody_run(program: Path) -> bool:
    return subprocess.run(["test", "-x", program], user=NOBODY).returncode == 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="death signals are Linux's")
def test_kill_9_of_the_launcher_leaves_no_process(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.touch()
    process = launch(
        "beside", "sh", "-c", "echo started; exec sleep 300", output=output
    )
    wait_for_output(process, output, "started")
    family = find_family(process)
    assert {"postgres", "valkey-server", "sleep"} <= {
        member.name() for member in family
    }
    kill(process)
    assert survivors(family) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_signals_end_the_command_and_the_servers(
    tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "output"
    output.touch()
    # Where nohup runs the tests, a hang-up is ignored by what they start, rightly.
    heard = signal.signal(number, signal.SIG_DFL)
    try:
        process = launch("beside", "sh", "-c", "echo started; sleep 60", output=output)
    finally:
        signal.signal(number, heard)
    wait_for_output(process, output, "started")
    family = find_family(process)
    os.killpg(process.pid, number)
    assert process.wait(30) == 130
    assert survivors(family) == []


def test_interrupt_is_heard_by_what_was_started_in_the_background(
    tmp_path: Path,
) -> None:
    """A shell without job control starts its background programs deaf to SIGINT."""
    output = tmp_path / "output"
    output.touch()
    process = launch(
        "beside",
        *("sh", "-c", "echo started; sleep 60"),
        output=output,
        ignored=(signal.SIGINT,),
    )
    wait_for_output(process, output, "started")
    family = find_family(process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert survivors(family) == []


def test_hang_up_that_nohup_switched_off_stops_nothing(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.touch()
    process = launch(
        "beside",
        *("sh", "-c", "echo started; sleep 3; echo whole"),
        output=output,
        ignored=(signal.SIGINT, signal.SIGHUP),
    )
    wait_for_output(process, output, "started")
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(30) == 0
    assert "whole" in output.read_text()


def test_two_launches_at_once_do_not_meet(tmp_path: Path) -> None:
    outputs = [tmp_path / "one", tmp_path / "two"]
    code = "import os; print(os.environ['DATABASE_URL'])"
    both = [
        launch("beside", sys.executable, "-c", code, output=output)
        for output in outputs
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert outputs[0].read_text() != outputs[1].read_text()


def test_exit_code_of_the_command_is_the_launchers() -> None:
    assert run_launcher("beside", "sh", "-c", "exit 7").returncode == 7


def test_second_run_in_the_same_folder_says_who_holds_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEFILE_STATE", str(state))
        with state_folder():
            port = str(find_free_port())
            told = run_launcher("run", CASEFILE_STATE=str(state), PORT=port)
    assert told.returncode == 1
    assert "already runs" in told.stderr
    assert f"process {os.getpid()}" in told.stderr
    assert "Traceback" not in told.stderr


def test_clean_removes_nothing_under_a_run(tmp_path: Path) -> None:
    state = tmp_path / "state"
    copy = tmp_path / "copy"  # where it may remove what it likes
    shutil.copytree(ROOT / "config" / "launcher", copy / "config" / "launcher")
    (copy / "config" / "__init__.py").touch()
    (copy / "staticfiles").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEFILE_STATE", str(state))
        with state_folder():
            told = subprocess.run(
                [sys.executable, "-m", "config.launcher.clean"],
                cwd=copy,
                env=make_environment(CASEFILE_STATE=str(state)),
                capture_output=True,
                text=True,
            )
    assert told.returncode == 1
    assert "Stop it first" in told.stderr
    assert (copy / "staticfiles").exists()


def test_command_waits_for_a_run_that_is_starting_or_stopping(tmp_path: Path) -> None:
    state = tmp_path / "state"
    output = tmp_path / "output"
    output.touch()
    words = ("manage", "showmigrations", "evidence")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEFILE_STATE", str(state))
        with state_folder():
            process = launch(*words, output=output, CASEFILE_STATE=str(state))
            wait_for_output(process, output, f"waiting for process {os.getpid()}")
            assert process.poll() is None
    wait_for_output(process, output, "bringing the database up to date")
    process.terminate()
    assert process.wait(60) != 0


def test_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = run_launcher("run", CASEFILE_STATE=str(tmp_path / "s"), PORT=str(port))
    assert told.returncode == 1
    assert f"Port {port}" in told.stderr
    assert "make run PORT=" in told.stderr


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "٣"])
def test_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    told = run_launcher("run", CASEFILE_STATE=str(tmp_path / "s"), PORT=port)
    assert told.returncode == 1
    assert "PORT must be a number" in told.stderr


def test_full_disk_is_named_before_anything_is_written(tmp_path: Path) -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this machine refuses the namespace that holds the small disk")
    small = tmp_path / "small"
    small.mkdir()
    script = (
        f"mount -t tmpfs -o size=20m none {small} && "
        f"exec {sys.executable} -m config.launcher manage check"
    )
    told = subprocess.run(
        [*unshare, "sh", "-c", script],
        cwd=ROOT,
        env=make_environment(CASEFILE_STATE=str(small / "state")),
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1
    assert "MiB left" in told.stderr
    assert "Free some space" in told.stderr


def test_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = run_launcher("manage", "check", CASEFILE_STATE=str(tmp_path / "file" / "x"))
    assert told.returncode == 1
    assert "CASEFILE_STATE" in told.stderr


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("FATAL: could not write file: No space left on device", "The disk is full"),
        ("initdb: error: Permission denied", "belongs to somebody else"),
        ("something nobody has seen before", "ends with"),
    ],
)
def test_servers_log_is_shown_with_a_remedy(
    tmp_path: Path, line: str, remedy: str
) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"first\n{line}\n")
    assert remedy in explain_log(log)
    assert line in explain_log(log)


@pytest.mark.usefixtures("no_servers_named")
def test_long_state_path_gets_a_short_folder_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / ("deep-" * 20) / ("folder-" * 10)
    monkeypatch.setenv("CASEFILE_STATE", str(state))
    with state_folder() as folders:
        assert len(os.fsencode(folders.sockets)) < 60
        assert stat.S_IMODE(folders.sockets.stat().st_mode) == 0o700
        with running_servers(folders, durable=False) as urls:
            assert str(folders.sockets) in urls["REDIS_URL"]
    assert not folders.sockets.exists()


def test_abandoned_test_folders_are_swept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(parent))
    abandoned, held = (parent / f"casefile-test-{name}" for name in ("old", "held"))
    for folder in (abandoned, held):
        folder.mkdir()
        (folder / "lock").touch()
        os.utime(folder, (0, 0))
    holder = subprocess.Popen(
        ["flock", held / "lock", "sleep", "60"], stdout=subprocess.DEVNULL
    )
    try:
        while subprocess.run(["flock", "-n", held / "lock", "true"]).returncode == 0:
            pass
        with fresh_folder():
            assert not abandoned.exists()
            assert held.exists()
    finally:
        for child in psutil.Process(holder.pid).children():
            child.kill()
        holder.wait()
        shutil.rmtree(parent)


def test_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = read_or_make_secret(path)
    assert read_or_make_secret(path) == secret
    assert len(secret) > 60
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def make_program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_wrong_python_is_named_with_the_right_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_program(tmp_path / "python3", "echo 3 9")
    make_program(tmp_path / "python3.12", "exit 127")  # a wrapper without its Python
    monkeypatch.setattr(sys, "executable", str(old))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match=r"3\.11, 3\.12, 3\.13 or 3\.14") as raised:
        bootstrap.find_interpreter()
    assert "make run PYTHON=" in str(raised.value)


def test_another_python_on_path_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_program(tmp_path / "python3", "echo 3 9")
    right = make_program(tmp_path / "python3.12", "echo 3 12")
    monkeypatch.setattr(sys, "executable", str(old))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.find_interpreter() == str(right)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_each_python_that_is_promised_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    python = make_program(tmp_path / "python3", f"echo {version.replace('.', ' ')}")
    monkeypatch.setattr(sys, "executable", str(python))
    assert bootstrap.find_interpreter() == str(python)
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{version}.0")
    assert version in bootstrap.SUPPORTED_TEXT


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_a_python_that_nobody_has_tried_is_refused(version: str) -> None:
    assert tuple(map(int, version.split("."))) not in bootstrap.SUPPORTED
    assert not SpecifierSet(PROJECT["requires-python"]).contains(f"{version}.0")


def find_binaries(path: Path) -> subprocess.CompletedProcess[str]:
    """Look for servers without installed packages, as where no wheel fits."""
    code = (
        "from config.launcher.binaries import find_postgres, find_valkey\n"
        "print(find_postgres().postgres, find_valkey())"
    )
    return subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        env={"PATH": f"{path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_servers_on_path_stand_in_for_the_wheels(tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        make_program(tmp_path / name, "echo 'postgres (PostgreSQL) 16.4'")
    redis = make_program(tmp_path / "redis-server", "true")
    make_program(tmp_path / "valkey-server", "true")
    assert find_binaries(tmp_path).stdout.split() == [
        str(tmp_path / "postgres"),
        str(tmp_path / "valkey-server"),
    ]
    (tmp_path / "valkey-server").unlink()
    assert find_binaries(tmp_path).stdout.split()[1] == str(redis)


@pytest.mark.skipif(
    any(
        Path(f"/usr/bin/{name}").exists() for name in ("valkey-server", "redis-server")
    ),
    reason="this machine has a server of its own",
)
def test_missing_servers_are_named_with_a_way_out(tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        make_program(tmp_path / name, "echo 'postgres (PostgreSQL) 16.4'")
    told = find_binaries(tmp_path).stderr
    assert "No Valkey or Redis server was found" in told
    assert "REDIS_URL" in told


def test_tether_refuses_to_start_for_a_parent_that_is_gone() -> None:
    tether = ROOT / "config" / "launcher" / "tether.py"
    told = subprocess.run(
        [sys.executable, tether, "9", "1", "-1", "/bin/echo", "started"],
        capture_output=True,
        text=True,
    )
    assert told.stdout == ""
    assert "already gone" in told.stderr


def test_installing_says_what_it_is_at(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sh", "-c", "echo Collecting Django; sleep 1; echo done"]
    assert bootstrap.run_with_progress(command, every_seconds=0.2)
    told = capsys.readouterr()
    assert told.out.count("Collecting Django") >= 2
    assert told.err == ""


def test_installing_that_fails_shows_why(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sh", "-c", "echo no such package >&2; exit 1"]
    assert not bootstrap.run_with_progress(command)
    assert "no such package" in capsys.readouterr().err


def test_pip_understands_how_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    # Installed already: nothing is fetched, and nothing changes.
    assert bootstrap.run_pip("--no-index", "--dry-run", "pytest")
    assert not bootstrap.run_pip("--no-index", "--dry-run", "no-such-package")
    assert "no-such-package" in capsys.readouterr().err
