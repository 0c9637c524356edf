"""A web process whose threads are all taken still answers probes."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest

from config.launcher.folders import ROOT
from tests.call_edges import CALLS
from tests.config.launching import find_free_port, wait_until

pytestmark = pytest.mark.live

THREADS = 2


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    number = find_free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.config.slow_app:application"]
    command += ["--worker-class", "config.web_worker.ProbingWorker"]
    command += ["--threads", str(THREADS), "--bind", f"127.0.0.1:{number}"]
    command += ["--graceful-timeout", "1", "--log-level", "error"]
    server = subprocess.Popen(command, cwd=ROOT)
    wait_until(lambda: ask(number, "/healthz") == 200)
    yield number
    server.kill()
    server.wait()


def ask(port: int, path: str, *, timeout: float = 5) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_other_requests_are_answered_as_ever(port: int) -> None:
    assert [ask(port, "/quick") for _ in range(20)] == [200] * 20


def test_two_requests_of_one_connection_are_answered(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for path in ("/quick", "/healthz", "/quick"):
        connection.request("GET", path)
        assert connection.getresponse().read() == b"ok"
    connection.close()


def test_no_call_of_a_request_stands_on_an_edge_of_the_stack(port: int) -> None:
    assert read_figure(port, "/faults") < CALLS / 10


def test_the_collector_leaves_alone_what_was_loaded(port: int) -> None:
    assert read_figure(port, "/left-alone") > 1_000


def read_figure(port: int, path: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return int(answer.read())


def test_probes_are_answered_while_every_thread_hangs(port: int) -> None:
    hanging = [
        threading.Thread(target=ask, args=(port, "/slow"), daemon=True)
        for _ in range(3 * THREADS)
    ]
    # Such as connect and say nothing hold no thread either.
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
    for thread in hanging:
        thread.start()
    time.sleep(0.5)
    assert ask(port, "/quick", timeout=0.5) == 0, "the threads should be taken"
    for path in ("/healthz", "/readyz", "/healthz"):
        assert ask(port, path) == 200
    for client in silent:
        client.close()


def test_a_web_that_ends_answers_who_is_in_and_refuses_who_comes() -> None:
    """One that is taken in and not answered is a lost request; a refused one is not."""
    number = find_free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.config.slow_app:application"]
    command += ["--worker-class", "config.web_worker.ProbingWorker", "--workers", "2"]
    command += ["--threads", str(THREADS), "--bind", f"127.0.0.1:{number}"]
    command += ["--graceful-timeout", "60", "--log-level", "error"]
    server = subprocess.Popen(command, cwd=ROOT)
    answers: list[int] = []
    try:
        wait_until(lambda: ask(number, "/healthz") == 200)
        inside = threading.Thread(
            target=lambda: answers.append(ask(number, "/brief", timeout=60))
        )
        inside.start()
        time.sleep(0.5)
        server.terminate()
        wait_until(lambda: not connects(number))
        assert server.poll() is None, "it ended before it had answered"
        inside.join(60)
        assert answers == [200]
    finally:
        server.kill()
        server.wait()


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
