"""What a file in object storage costs in memory: `…bench.bench_object_store`.

A child process takes a file in, as an upload does, another gives it out, as a download
does, and a third holds it as a whole, to show that the measure shows it. Each prints
the peak of its own memory above where it began; the peak is set back first, since a
program begins with that of who started it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.sizes import choose
from tests.object_store import running_object_store, storage_options

MIB = 1024 * 1024
SIZES = choose((16 * MIB, 64 * MIB, 200 * MIB), (MIB, 3 * MIB))
DIRECTIONS = ("in", "out", "whole")


def main() -> int:
    print("| file | taken in, MiB more | given out, MiB more | held as a whole |")
    print("| ---: | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_object_store(folder) as address:
            for size in SIZES:
                costs = [run_child(way, size, address, folder) for way in DIRECTIONS]
                shown = " | ".join(f"{cost:.0f}" for cost in costs)
                print(f"| {size // MIB} MiB | {shown} |", flush=True)
    return 0


def run_child(direction: str, size: int, address: str, folder: Path) -> float:
    """Return the MiB that a process of its own took at most for one file."""
    command = [sys.executable, "-m", "tests.bench.bench_object_store"]
    command += [direction, str(size), address, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(told.stdout.split()[-1])


def measure(direction: str, size: int, address: str, folder: Path) -> float:
    """Move one file within this process; return the MiB that it took at most."""
    import django

    django.setup()
    from django.conf import settings

    settings.STORAGES["evidence"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": storage_options(address),
    }
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    settings.EVIDENCE_MAX_BYTES = 2 * size
    move(direction, MIB, folder)  # loads what is loaded once
    before = read_peak(reset=True)
    move(direction, size, folder)
    return (read_peak() - before) / MIB


def move(direction: str, size: int, folder: Path) -> None:
    from evidence import storage

    noted = folder / f"digest-{size}"
    if direction == "in":
        with Zeros(size) as stream, storage.receive_stream(stream) as incoming:
            incoming.keep()
            noted.write_text(incoming.sha256_hex)
    elif direction == "whole":
        assert len(storage.read_verified(noted.read_text())) == size
    else:
        with storage.open_intact(noted.read_text()) as file:
            assert sum(map(len, storage.iter_open(file))) == size


class Zeros:
    """A stream of so many zeros, none of which is held."""

    def __init__(self, size: int) -> None:
        self.left = size

    def __enter__(self) -> Zeros:
        return self

    def __exit__(self, *failure: object) -> None: ...

    def read(self, size: int, /) -> bytes:
        given = min(size, self.left)
        self.left -= given
        return bytes(given)


def read_peak(*, reset: bool = False) -> int:
    """Return the most that this process has held, in bytes; begin anew first."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] in DIRECTIONS:
        _, way, number, where, place = sys.argv
        print(measure(way, int(number), where, Path(place)))
        sys.exit(0)
    sys.exit(main())
