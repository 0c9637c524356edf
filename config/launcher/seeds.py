"""A migrated database that is kept between test runs, so that tests begin at once.

A seed is the stopped folder of a PostgreSQL that holds the tests' template database.
It is named after what it was made from, made once, and copied into each run's own
folder; nobody ever starts a server on the seed itself once it is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from config.launcher.binaries import find_postgres
from config.launcher.errors import LaunchError
from config.launcher.folders import ROOT, ServerFolders
from config.launcher.postgres import start_postgres
from config.launcher.source_hash import hash_files, hash_schema
from config.launcher.valkey import name_valkey

FOLDER = ".test-seeds"
# The code as it is, and as it was before the last change of a model.
KEPT_SEEDS = 2
MAKER = "tests.backend.template"


def seed_database(folders: ServerFolders, seeds: Path | None = None) -> bool:
    """Copy a seed into a fresh folder, making it first where there is none.

    Return False where that is not possible: the tests then migrate by themselves.
    """
    # Each user has seeds of their own: a server reads only what is its user's.
    place = seeds or ROOT / FOLDER / str(os.geteuid())
    try:
        with _held(place):
            seed = place / name_seed()
            if not seed.is_dir():
                _make(seed, folders)
            os.utime(seed)
            _copy(seed / "postgres", folders.data / "postgres")
            _prune(place, keep=seed)
    except (OSError, LaunchError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folders.data / "postgres", ignore_errors=True)
        print(f"casefile: no database is kept between runs: {error}", file=sys.stderr)
        return False
    return True


def name_seed() -> str:
    """Return the seed's name: another one after any change of what makes it."""
    makers = [*ROOT.glob("tests/backend/*.py"), ROOT / "config/launcher/postgres.py"]
    return f"{hash_schema()[:16]}-{hash_files(makers)[:16]}-pg{find_postgres().major}"


@contextlib.contextmanager
def _held(place: Path) -> Iterator[None]:
    """Let one run at a time make, copy or remove seeds; the others wait."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (place / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(seed: Path, folders: ServerFolders) -> None:
    """Migrate beside the final place, so that a broken run leaves nothing there."""
    print("casefile: migrating a database, for this run and later ones", flush=True)
    unfinished = seed.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    place = ServerFolders(unfinished, folders.sockets)
    process, url = start_postgres(place, durable=False)
    try:
        variables = {
            "DATABASE_URL": url,
            "REDIS_URL": name_valkey(folders),  # named, and not asked
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "CASEFILE_TEST_FOLDER": str(folders.data),
        }
        command = [sys.executable, "-m", MAKER]
        environment = {**os.environ, **variables}
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    finally:
        process.stop()
    os.sync()  # the server did not: a seed outlives this run
    unfinished.rename(seed)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, copy_function=_copy_file)
    if os.geteuid() == 0:
        # The server may have had another user, who has to find its files.
        for path in (source, *source.rglob("*")):
            told = path.lstat()
            there = target / path.relative_to(source)
            os.chown(there, told.st_uid, told.st_gid, follow_symlinks=False)


def _copy_file(source: str, target: str) -> None:
    shutil.copyfile(source, target, follow_symlinks=False)
    shutil.copymode(source, target, follow_symlinks=False)


def _prune(place: Path, *, keep: Path) -> None:
    seeds = [path for path in place.iterdir() if path.is_dir() and path != keep]
    seeds.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in seeds[KEPT_SEEDS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
