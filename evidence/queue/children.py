"""Doing what hostile material may end in a child process, so that the worker goes on.

A library written in C does not always raise MemoryError where memory runs out: it may
end its process by a signal. So what reads large documents is done in a fork, which has
the worker's limit of memory and no more to do with it: it touches no database, no store
and no broker, and dies with the worker. The worker waits, and says how it ended.

A document that cannot reach the limit is read in the worker itself: a fork takes some
milliseconds.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import faulthandler
import io
import json
import os
import pickle
import resource
import signal
import struct
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self, TypeVar, cast

from django.conf import settings

from evidence.queue.limits import MIB, memory_limit
from evidence.queue.parents import die_with

Result = TypeVar("Result")
Tell = Callable[[float], None]
"""Is told the fraction of the work that is done."""

# Of ten hostile kinds of document a ledger of one-byte entries takes most: 129 bytes
# for each (docs/benchmarks.md). Four times that is for what nobody has thought of yet.
MOST_MEMORY_PER_BYTE = 512
# A buffer that grows doubles: who holds a quarter of the limit may have asked for more
# than the rest.
_TELLING_SHARE = 4
_DONE, _FAILED, _NO_MEMORY = 0, 70, 71
_OUT_OF_MEMORY_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)
_FRACTION = struct.Struct("d")
_BATCH = 1000
_OUR_PACKAGES = frozenset(("evidence", "policy", "incidents"))
_PLAIN_TYPES: tuple[type, ...] = (set, frozenset, Counter, defaultdict)
_PLAIN_TYPES += (dt.datetime, dt.date, dt.timedelta, dt.timezone)


class ChildBroke(Exception):
    """The child was ended by its material, and would be each time; says by what."""


class ChildKilled(Exception):
    """Somebody else ended the child: another try may come to an answer."""


def run_apart(
    work: Callable[[Tell], Result],
    *,
    reads: Iterable[bytes],
    hear: Tell = lambda fraction: None,
) -> Result:
    """Do work that reads these bytes, in a child where they may reach the limit.

    Raise MemoryError where it needs more than TASK_MEMORY_MB, ChildBroke where it ends
    its process otherwise, and whatever the work raises. What it returns is pickled:
    many rows belong into `Rows`. `hear` is told the fraction done, in this process.
    """
    if may_reach_limit(sum(map(len, reads))):
        return run_in_child(work, hear=hear)
    return work(hear)


def may_reach_limit(size_bytes: int) -> bool:
    """Return whether reading so much, unpacked, may take as much as a task may."""
    return size_bytes * MOST_MEMORY_PER_BYTE >= settings.TASK_MEMORY_MB * MIB


def run_in_child(work: Callable[[Tell], Result], *, hear: Tell) -> Result:
    """Do work in a child, as run_apart says."""
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as answer:
        _give_back_what_is_freed()
        held = _own_bytes()
        code, peak = _wait_for(partial(_be_child, work, answer, os.getpid()), hear)
        return cast(Result, _answer_of(code, answer, peak - held))


def _wait_for(be_child: Callable[[int], NoReturn], hear: Tell) -> tuple[int, int]:
    """Fork, hear the child out, and return its exit code and peak of memory in bytes.

    Whatever is raised meanwhile, a limit of time above all, kills the child.
    """
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as told:
        # Celery's soft limit must not strike before somebody minds the child.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        try:
            child = os.fork()
            if child == 0:
                be_child(writing)
        finally:
            os.close(writing)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            _listen(told, hear)
            _, status, usage = os.wait4(child, 0)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024


def _listen(told: IO[bytes], hear: Tell) -> None:
    """Hear how far the child is until it has ended."""
    while piece := told.read(_FRACTION.size):
        hear(_FRACTION.unpack(piece)[0])


def _answer_of(code: int, answer: IO[bytes], grown: int) -> Any:
    """Return what the child answered, or raise what its end says."""
    answer.seek(0)
    if code == _DONE:
        return _Answer(answer).load()
    if code == _FAILED:
        raise _Answer(answer).load()
    if code == _NO_MEMORY:
        raise MemoryError
    raise why_ended(code, is_full=_is_full(grown))


class _Answer(pickle.Unpickler):
    """Reads what a child wrote, and makes of it nothing but values and errors.

    A fork of this very process wrote it; but it had hostile material in hand.
    """

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        is_ours = module.partition(".")[0] in _OUR_PACKAGES
        if isinstance(found, type) and (
            is_ours or found in _PLAIN_TYPES or issubclass(found, BaseException)
        ):
            return found
        raise pickle.UnpicklingError(f"No answer holds {module}.{name}.")


def _is_full(grown: int) -> bool:
    return grown * _TELLING_SHARE >= settings.TASK_MEMORY_MB * MIB


def why_ended(code: int, *, is_full: bool) -> Exception:
    """Return the error for a process that its material ended, by its exit code.

    `is_full`: it held so much memory that a signal means that there was no more.
    """
    if code >= 0:
        return ChildBroke(f"its process ended by itself, with code {code}")
    ended_by = signal.Signals(-code)
    if is_full and ended_by in _OUT_OF_MEMORY_SIGNALS:
        return MemoryError()
    if ended_by == signal.SIGKILL:
        return ChildKilled("its process was killed, for want of the machine's memory")
    return ChildBroke(f"the parser broke off over it ({ended_by.name})")


# --- In the child ---------------------------------------------------------------------


def _be_child(
    work: Callable[[Tell], Any], answer: IO[bytes], worker: int, writing: int
) -> NoReturn:
    """Do the work and end, whatever happens, without any clean-up of the worker's.

    A connection that was closed here would be closed for the worker too.
    """
    code = _NO_MEMORY
    try:
        die_with(worker, signal.SIGKILL)
        # The worker says how this ended; a trace of the signal would say no more.
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with memory_limit():
            pickle.dump(work(_teller(writing)), answer)
            answer.flush()
        code = _DONE
    except MemoryError:
        pass
    except BaseException as error:
        answer.seek(0)
        answer.truncate()
        answer.write(_pickled(error))
        answer.flush()
        code = _FAILED
    finally:
        os._exit(code)


def _teller(writing: int) -> Tell:
    def tell(fraction: float) -> None:
        os.write(writing, _FRACTION.pack(fraction))

    return tell


def _pickled(error: BaseException) -> bytes:
    """Return an error for the worker, with where it came from."""
    error.add_note("In the child:\n" + "".join(traceback.format_exception(error)))
    try:
        data = pickle.dumps(error)
        # Many errors can be written and not read.
        _Answer(io.BytesIO(data)).load()
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return data


def _give_back_what_is_freed() -> None:
    """Have the kernel take the memory that this process holds and does not use.

    A child that fills it again would not grow, and its end not be known for what it is.
    """
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _own_bytes() -> int:
    """Return the memory of this process that a fork has too; 0 where unknown.

    Pages of files are not among it: a fork maps them only once it looks at them.
    """
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize()


class Rows:
    """Rows of plain values in a file, which a child writes and the worker reads.

    Neither holds more than a batch of them.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 (closed below)
            dir=settings.FILE_UPLOAD_TEMP_DIR
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, rows: Iterable[tuple[Any, ...]]) -> int:
        """Keep rows in their order; return how many there were."""
        count, rest = 0, iter(rows)
        while batch := list(islice(rest, _BATCH)):
            self._file.write(json.dumps(batch).encode() + b"\n")
            count += len(batch)
        self._file.flush()
        return count

    def __iter__(self) -> Iterator[list[Any]]:
        self._file.seek(0)
        for line in self._file:
            yield from json.loads(line)
