"""A migrated database is kept between test runs, and never a wrong or a broken one."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from config.launcher import seeds
from config.launcher.folders import ROOT, fresh_folder
from config.launcher.servers import running_servers
from config.launcher.source_hash import APPS, hash_files, hash_schema
from tests.backend.template import name_template
from tests.config.launching import make_environment

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs at once, in a folder without a seed."""
    place = tmp_path_factory.mktemp("seeds")
    code = (
        "import sys; from pathlib import Path\n"
        "from config.launcher.folders import fresh_folder\n"
        "from config.launcher.seeds import seed_database\n"
        "with fresh_folder() as folders:\n"
        "    sys.exit(not seed_database(folders, Path(sys.argv[1])))"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, place],
            cwd=ROOT,
            env=make_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "".join(told).count("migrating a database") == 1, "both made one"
    return place


def test_seed_brings_the_template_that_tests_clone(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with fresh_folder() as folders:
        assert seeds.seed_database(folders, place)
        with (
            running_servers(folders, durable=False, with_queue=False) as servers,
            psycopg.connect(servers["DATABASE_URL"]) as server,
        ):
            found = server.execute("SELECT datname FROM pg_database").fetchall()
    assert (name_template(),) in found
    assert "migrating" not in capfd.readouterr().out


def test_seeds_are_private_and_no_server_has_left_its_mark(place: Path) -> None:
    cluster = place / seeds.name_seed() / "postgres" / "cluster"
    assert place.stat().st_mode & 0o077 == 0
    assert (cluster / "PG_VERSION").exists()
    assert not (cluster / "postmaster.pid").exists()
    assert not (place / "unfinished").exists()


def test_old_seeds_are_removed(place: Path) -> None:
    for age, name in enumerate(("newer", "older", "oldest"), start=1):
        (place / name).mkdir()
        os.utime(place / name, (10_000 - age, 10_000 - age))
    with fresh_folder() as folders:
        assert seeds.seed_database(folders, place)
    left = {path.name for path in place.iterdir() if path.is_dir()}
    assert left == {seeds.name_seed(), "newer"}


def test_place_that_cannot_be_written_only_costs_time(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with fresh_folder() as folders:
        assert not seeds.seed_database(folders, tmp_path / "file" / "seeds")
        assert not (folders.data / "postgres").exists()
    assert "no database is kept" in capfd.readouterr().err


def test_name_changes_with_what_makes_the_database(tmp_path: Path) -> None:
    inside = ROOT / "config" / "launcher"
    one, two = inside / "seeds.py", inside / "postgres.py"
    assert hash_files([one]) != hash_files([one, two])
    assert hash_files([one, two]) == hash_files([two, one])
    assert hash_schema() == hash_schema()


def test_everything_that_migrations_import_of_ours_counts() -> None:
    """Else a changed helper would leave a database of before in the next run."""
    counted = {"migrations", "models", "apps", "workflow"}
    for path in ROOT.glob("*/migrations/*.py"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]) and words[1].startswith(APPS):
                assert words[1].split(".")[1] in counted, f"{path}: {line}"
