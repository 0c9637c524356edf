"""PgBouncer, the real one: by session it serves, otherwise nothing starts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from config.environment.servers import MISSED_AFTER
from config.health import check_database
from config.launcher.folders import ROOT
from evidence.database import pooling
from evidence.database.errors import PooledByTransaction, PoolFull
from evidence.errors import HealthFailure
from tests.config.test_settings import PRODUCTION
from tests.deploy.poolers import behind, documented_settings, running_pooler

pytestmark = pytest.mark.django_db(transaction=True)
LIMITS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
STARTS = {
    "web": ["-m", "gunicorn", "-c", "config/gunicorn.py"],
    "workers": ["-m", "config.workers", "clocks"],
    "worker": ["-m", "celery", "-A", "config", "worker", "--queues", "clocks"],
    "beat": ["-m", "celery", "-A", "config", "beat", "--pidfile="],
    "command": ["manage.py", "verify_audit"],
    "deployment check": [
        *("manage.py", "check", "--deploy", "--database", "default"),
        *("--fail-level", "WARNING"),
    ],
}


def read_limits(through: object) -> dict[str, str]:
    found = {}
    with through.cursor() as cursor:  # type: ignore[attr-defined]
        for name in LIMITS:
            cursor.execute(f"SHOW {name}")
            found[name] = cursor.fetchone()[0]
    return found


def test_the_documented_pooler_asks_after_its_clients_as_the_database_does() -> None:
    told = ConfigParser()
    told.read_string(documented_settings())
    pooler = told["pgbouncer"]
    assert pooler["tcp_keepalive"] == "1"
    assert {
        "tcp_keepalives_idle": int(pooler["tcp_keepidle"]),
        "tcp_keepalives_interval": int(pooler["tcp_keepintvl"]),
        "tcp_keepalives_count": int(pooler["tcp_keepcnt"]),
    } == MISSED_AFTER


def test_a_direct_connection_is_taken() -> None:
    connection.close()
    assert check_database() == "answers"


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_shared_session_is_refused_before_anything_is_done(mode: str) -> None:
    with behind(mode) as through:
        with pytest.raises(PooledByTransaction, match="pool_mode=session"):
            through.ensure_connection()
        # It is not taken the second time either.
        with pytest.raises(PooledByTransaction):
            through.ensure_connection()


def test_a_session_of_its_own_is_taken_with_the_limits_of_a_direct_one() -> None:
    with behind("session") as through:
        through.settings_dict["OPTIONS"]["options"] = (
            "-c lock_timeout=7s -c statement_timeout=31s"
        )
        found = read_limits(through)
        assert (found["lock_timeout"], found["statement_timeout"]) == ("7s", "31s")
        assert through.get_autocommit()
        with through.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(1), pg_backend_pid()")
            held, session = cursor.fetchone()
            cursor.execute("SELECT pg_advisory_unlock(1), pg_backend_pid()")
            assert (held, *cursor.fetchone()) == (True, True, session)


def test_two_that_ask_at_one_pace_are_refused_both() -> None:
    """In step each is given the other's session, and its own again, time after time."""
    start = threading.Barrier(2, timeout=60)

    def check(url: str) -> bool:
        with closing(psycopg.connect(url)) as first:
            pooling._ask(first)
            start.wait()
            return pooling._is_shared(first)

    for _ in range(3):  # whether they fall into step is decided when the pool is new
        with running_pooler("transaction") as url, ThreadPoolExecutor(2) as both:
            assert all(all(both.map(check, [url, url])) for _ in range(25))


@contextmanager
def held(url: str) -> Iterator[None]:
    """Hold one of the pool's sessions, by a transaction."""
    with psycopg.connect(url) as holder:
        holder.execute("SELECT 1")
        yield
        holder.rollback()


@pytest.mark.live
def test_a_full_pool_by_session_is_not_taken_for_a_shared_one() -> None:
    with behind("session", size=1) as through, through.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.live
def test_a_full_pool_by_transaction_is_not_taken_for_one_by_session() -> None:
    """Who was answered once waits like everybody else: nobody can tell, and so it says.

    The two are closed without a commit, which they could not say while they wait.
    """
    with (
        running_pooler("transaction", size=1) as url,
        closing(psycopg.connect(url, autocommit=True)) as first,
        closing(psycopg.connect(url, autocommit=True)) as second,
    ):
        known = pooling._ask(first)
        with held(url):
            pooling._send(second)
            with pytest.raises(PoolFull, match="no free session"):
                pooling._is_shared_while_full(first, second, known)
        with (
            psycopg.connect(url, autocommit=True) as third,
            pytest.raises(PooledByTransaction, match="pool_mode=session"),
        ):
            pooling.require_own_session(third, "")


def test_readiness_says_what_to_do(settings: object) -> None:
    with behind("transaction") as through:
        known = dict(connection.settings_dict)
        connection.close()
        connection.settings_dict.update(through.settings_dict)
        try:
            with pytest.raises(HealthFailure, match="pool_mode=session"):
                check_database()
        finally:
            connection.close()
            connection.settings_dict.update(known)


@pytest.mark.live
@pytest.mark.parametrize("part", STARTS)
def test_nothing_starts_behind_one_that_pools_by_transaction(
    part: str, tmp_path: Path
) -> None:
    with running_pooler("transaction") as url:
        environment = {
            **PRODUCTION,
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "REDIS_URL": os.environ["REDIS_URL"],
            "EVIDENCE_ROOT": str(tmp_path),
            "GUNICORN_BIND": f"unix:{tmp_path}/web",
            "BEAT_SCHEDULE_FILE": str(tmp_path / "beat"),
        }
        said = tmp_path / "said"
        with said.open("w") as output:
            started = subprocess.Popen(
                [sys.executable, *STARTS[part]],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
            try:
                code = started.wait(240)
            except subprocess.TimeoutExpired:
                started.terminate()
                started.wait()
                pytest.fail(f"it runs, and said: {said.read_text()}")
    assert code != 0, said.read_text()
    assert "pool_mode=session" in said.read_text()
