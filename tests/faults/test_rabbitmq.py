"""RabbitMQ out of memory, and one that hangs: neither holds uploads nor sign-in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.launcher.processes import Process, start_process
from tests.config.launching import find_family, find_free_port, wait_until
from tests.faults.conftest import Counted
from tests.faults.counting import (
    DOUBLE_REPORTS,
    UPLOADS,
    ask_while,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    upload_many,
)
from tests.faults.installation import Answer, Installation, running_installation

pytestmark = pytest.mark.faults
# Debian's own words in /usr/sbin change to another user first.
WHERE = f"/usr/lib/rabbitmq/bin:{os.environ.get('PATH', '')}"
PATIENCE_SECONDS = 300


@dataclass
class RabbitMQ:
    """A broker of its own, which can be starved and stopped."""

    environment: dict[str, str]
    port: int
    server: Process

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def control(self, *words: str) -> bool:
        program = shutil.which("rabbitmqctl", path=WHERE) or ""
        done = subprocess.run(
            [program, *words],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return done.returncode == 0

    def has_started_or_ended(self) -> bool:
        ended = self.server.popen.poll() is not None
        return ended or self.control("await_startup", "--timeout", "100")

    def give_memory(self, share: str) -> None:
        """Set at what share of the machine's memory it takes nothing any more."""
        assert self.control("set_vm_memory_high_watermark", share)


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    program = shutil.which("rabbitmq-server", path=WHERE)
    if program is None:
        pytest.skip("rabbitmq-server is not installed")
    with tempfile.TemporaryDirectory(prefix="rabbit") as name:
        folder, port = Path(name), find_free_port()
        environment = {
            "PATH": WHERE,
            "HOME": name,
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"casefile-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(find_free_port()),
            "RABBITMQ_MNESIA_BASE": f"{name}/data",
            "RABBITMQ_LOG_BASE": f"{name}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{name}/no-plugins",
        }
        with (folder / "output").open("ab") as output:
            server = start_process(
                "rabbitmq", [program], environment=environment, output=output
            )
        made = RabbitMQ(environment, port, server)
        try:
            wait_until(made.has_started_or_ended, seconds=PATIENCE_SECONDS)
            said = (folder / "output").read_text()[-2000:]
            assert server.popen.poll() is None, said
            yield made
        finally:
            server.stop()


@pytest.fixture(scope="module")
def casefile(broker: RabbitMQ) -> Iterator[Installation]:
    with running_installation(CELERY_BROKER_URL=broker.url) as made:
        made.start_workers()
        made.wait(lambda: is_well(made), seconds=120)
        yield made


def break_and_count(
    casefile: Installation,
    mark: str,
    start: Callable[[], None],
    end: Callable[[], None],
) -> str:
    """Upload while the broker takes nothing; return what was counted."""
    reference = casefile.open_case(mark)
    answers: list[Answer] = []
    crowd = threading.Thread(
        target=lambda: answers.extend(
            upload_many(casefile, reference, mark, patiently=True)
        )
    )
    start()
    crowd.start()
    try:
        others = ask_while(casefile, crowd.is_alive)
        ready = casefile.get("/readyz")
        # Else it took something after all, and nothing was tried.
        assert count_verified(casefile, reference) == 0
    finally:
        crowd.join()
        end()
    after = casefile.wait(
        lambda: count_verified(casefile, reference) == UPLOADS, seconds=180
    )
    messages, doubled = read_messages(casefile), casefile.count(DOUBLE_REPORTS)
    require_history_holds(casefile)
    slowest = max(answer.seconds for answer in answers)
    assert {answer.status for answer in answers} == {201}
    assert slowest < 20 * casefile.slowness
    assert ready.status == 200
    assert ready.json()["parts"]["broker"]["status"] == "failing"
    others.require_unheld()
    messages.require_each_once()
    assert doubled == 0
    return (
        f"{len(answers)} taken, slowest {slowest:.1f} s; {others}; all verified "
        f"{after:.0f} s after, {doubled} twice; {messages}"
    )


@pytest.mark.promise(
    f"RabbitMQ's memory alarm: it takes nothing, {UPLOADS} uploads at once",
    "all are taken; /healthz and sign-in answer; verified once it has memory",
)
def test_a_memory_alarm_holds_no_upload(
    casefile: Installation, broker: RabbitMQ, counted: Counted
) -> None:
    counted(
        break_and_count(
            casefile,
            "alarm",
            lambda: broker.give_memory("0.00001"),
            lambda: broker.give_memory("0.4"),
        )
    )


@pytest.mark.promise(
    f"RabbitMQ hangs with its connections open, {UPLOADS} uploads at once",
    "all are taken; /healthz and sign-in answer; verified once it is back",
)
def test_a_rabbitmq_that_hangs_holds_no_upload(
    casefile: Installation, broker: RabbitMQ, counted: Counted
) -> None:
    family = [*find_family(broker.server.popen)]

    def stop() -> None:
        broker.server.popen.send_signal(signal.SIGSTOP)
        for member in family:
            member.suspend()

    def go_on() -> None:
        for member in family:
            member.resume()
        broker.server.popen.send_signal(signal.SIGCONT)

    counted(break_and_count(casefile, "hang", stop, go_on))
