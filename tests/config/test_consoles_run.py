"""Every console block of the documents, typed into a shell beside `make run`.

On a clone of this work tree, whose run is up on a port of its own; `make documents`
and `.ci/run` run it.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.config.consoles import ROOT, Command, find_documents, is_said, read_blocks
from tests.config.launching import (
    find_family,
    find_free_port,
    make_environment,
    survivors,
    wait_for_output,
    wait_until,
)

pytestmark = pytest.mark.documents

RUN = "make run"
SESSION_SECONDS = 600
DOCUMENTED = "127.0.0.1:8000"
REFERENCE = re.compile(r"SEC-INC-2026-")
END = re.compile(r"^@@end (\d+) (\d+)$", re.MULTILINE)


@dataclass
class Clone:
    """A fresh clone whose `make run` is up."""

    folder: Path
    port: int
    environment: dict[str, str]

    def localize(self, text: str) -> str:
        """Put this run's port and the year of its cases where the document has one."""
        text = text.replace(DOCUMENTED, f"127.0.0.1:{self.port}")
        return REFERENCE.sub(f"SEC-INC-{datetime.now(UTC).year}-", text)


def make_clone(folder: Path) -> None:
    """Clone the work tree with what is changed in it, and lend it the environment."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    for option in ("-m", "-o", "-d"):
        command = ["git", "ls-files", "-z", "--exclude-standard", option]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, told.decode().split("\0")):
            (folder / name).unlink(missing_ok=True)
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    folder = tmp_path_factory.mktemp("clone") / "casefile"
    make_clone(folder)
    port = find_free_port()
    environment = make_environment(PORT=str(port))
    output = folder.with_name("output")
    with output.open("wb") as stream:
        process = subprocess.Popen(
            RUN.split(),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_output(process, output, "Casefile runs on", seconds=300)
        yield Clone(folder, port, environment)
    finally:
        family = find_family(process)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        assert survivors(family) == []


def find_commands(name: str) -> list[Command]:
    blocks = [block for block in read_blocks(name) if block.language == "console"]
    return [c for b in blocks if b.reason is None for c in b.commands()]


DOCUMENTS = [name for name in find_documents() if find_commands(name)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_of_the_document_do_what_it_says(name: str, clone: Clone) -> None:
    commands = [c for c in find_commands(name) if c.text != RUN]
    outputs = type_into_shell(commands, clone)
    for command, (code, output) in zip(commands, outputs, strict=True):
        assert code == 0, f"{name}: $ {command.text}\n{output}"
        expected = [clone.localize(line) for line in command.prints]
        assert is_said(expected, output), f"{name}: $ {command.text}\n{output}"
        assert "Traceback" not in output


def type_into_shell(commands: list[Command], clone: Clone) -> list[tuple[int, str]]:
    """Type commands into one shell; return the code and the output of each."""
    typed = "".join(
        f"{clone.localize(command.text)}\nprintf '\\n@@end {number} %d\\n' $?\n"
        for number, command in enumerate(commands)
    )
    script = clone.folder.with_name("typed.sh")
    script.write_text(typed)
    done = subprocess.run(
        ["bash", str(script)],
        cwd=clone.folder,
        env=clone.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SESSION_SECONDS,
    )
    parts = END.split(done.stdout)
    outputs = [(int(code), said) for said, _, code in batched(parts)]
    assert len(outputs) == len(commands), done.stdout
    return outputs


def batched(parts: list[str]) -> Iterator[tuple[str, str, str]]:
    for place in range(0, len(parts) - 2, 3):
        yield parts[place], parts[place + 1], parts[place + 2]


def test_readers_first_command_is_the_run_that_is_up(clone: Clone) -> None:
    first = next(c for name in DOCUMENTS for c in find_commands(name))
    assert first.text == RUN
    wait_until(lambda: (clone.folder / ".casefile" / "environment.json").exists())
