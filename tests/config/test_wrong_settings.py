"""Every setting with a wrong value stops the start, by its name.

The names are found in the code: a new setting fails here until somebody has said what
is wrong for it, or why nothing is.
"""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from evidence.proof.notes import SigningKey, encode_signing_key
from tests.config.test_documents import find_variables
from tests.config.test_settings import PRODUCTION, ROOT

FLAGS = ("perhaps", "2", "yes please")
NUMBERS = ("-1", "many", "1.5", "1e3", "٣", "9" * 5000)
COUNTS = (*NUMBERS, "0")
PATHS = ("relative/folder", "/etc/passwd")
SITES = ("casefile.example.org", "ftp://a.example.org", "https://", "https://a:b")
HOSTS = ("*", ",", "https://a.example.org", "a.example.org:8000", "a.org/x", "*.a.org")
REDIS = (
    *("localhost:6379", "http://h:6379/0", "redis://", "redis://h:port/0"),
    *("redis://h/first", "unix://run/socket", "unix:///s?db=x", "redis://:a#b@h/0"),
)
DATABASES = (
    *(
        "sqlite:///x",
        "postgres://h",
        "postgres://u:p@h:port/db",
        "postgres://u:a/b@h/d",
    ),
    *("postgres://u:a#b@h/db", "postgres://h/db?sslmode=maybe"),
    *("postgres://h/db?no_such_option=1", "postgres://h/db name"),
)
WRONG: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("DATABASE_POOL", "DEBUG", "EVIDENCE_S3_PATH_STYLE", "HSTS_PRELOAD"),
            *("HSTS_INCLUDE_SUBDOMAINS", "HTTPS", "LOG_IS_PUBLIC", "SSL_REDIRECT"),
            "STATIC_MANIFEST",
            "OIDC_MAKES_ACCOUNTS",
        ),
        FLAGS,
    ),
    **dict.fromkeys(
        (
            *("DATABASE_CONN_MAX_AGE_SECONDS", "DATABASE_IDLE_SECONDS"),
            *("DATABASE_LOCK_SECONDS", "DATABASE_STATEMENT_SECONDS"),
            *("DATABASE_WAITERS", "EVIDENCE_CHECK_MEGABYTES_PER_SECOND"),
            *("HSTS_SECONDS", "READINESS_SECONDS", "STORE_WAITERS"),
            "TRUSTED_PROXY_COUNT",
            *("SESSION_IDLE_MINUTES", "PRESENCE_MINUTES", "CASE_RETENTION_DAYS"),
        ),
        NUMBERS,
    ),
    **dict.fromkeys(
        (
            *("API_ALERT_RATE", "API_EVIDENCE_RATE", "API_READ_RATE", "API_WRITE_RATE"),
            *("EVIDENCE_CHECK_DAYS", "EVIDENCE_MAX_BYTES", "LOGIN_COOLOFF_HOURS"),
            *("LOGIN_ADDRESS_LIMIT", "LOGIN_NAME_LIMIT"),
            *("LOGIN_FAILURE_LIMIT", "SESSION_HOURS", "TASK_MEMORY_MB"),
            *("TASK_TIME_LIMIT_SECONDS", "WEB_CONCURRENCY", "WEB_THREADS"),
            *("WORKER_CLOCKS", "WORKER_DELIVERY", "WORKER_FOLLOWUPS", "WORKER_LARGE"),
            *("WORKER_SMALL", "NOTIFICATION_SENDERS", "REPLICA_MAX_LAG_SECONDS"),
        ),
        COUNTS,
    ),
    "ALLOWED_HOSTS": HOSTS,
    "CACHE_URL": REDIS,
    "CASEFILE_BASE_URL": (*SITES, "https://a.example.org/casefile", "https://a b.org"),
    "CELERY_BROKER_URL": ("rabbit:5672", "amqp://", "kafka://h", "amqp://h:port//"),
    "CSRF_TRUSTED_ORIGINS": (*SITES, "https://a.example.org/path", "*"),
    **dict.fromkeys(("DATABASE_URL", "REPLICA_DATABASE_URL"), DATABASES),
    "DEFAULT_FROM_EMAIL": ("casefile", "a@b@c", "Casefile <casefile>"),
    "EMAIL_URL": (
        *("mail.example.org:587", "smtp://", "smtps+tls://h", "smtp://u:p@h:port"),
        *("smtp://h?tls=true", "smtp://u:a#b@h"),
    ),
    "ARCHIVE_BUCKET": (
        *("bucket", "https://bucket", "s3://", "s3://kept?lock_days=0"),
        *("s3://kept?lock_days=many", "s3://kept?days=3", "s3://u:p@kept", "s3://a b"),
        *("s3://kept?lock_days=36501", "s3://Kept", "s3://kept/a b", "s3://kept#a"),
        *("s3://kept?lock_days=3&lock_days=4", "s3://kept?lock_days=٣"),
    ),
    "EVIDENCE_ROOT": PATHS,
    "EVIDENCE_S3_ACCESS_KEY": ("a b",),
    "EVIDENCE_S3_BUCKET": ("https://s3.example.org/bucket", "a/b"),
    "EVIDENCE_S3_ENDPOINT": ("s3.example.org", "https://"),
    "EVIDENCE_S3_REGION": ("Frankfurt am Main",),
    "EVIDENCE_S3_SECRET_KEY": ("a b",),
    "DATABASE_READ_ROLE": ("Upper", "two words", "1st", "x" * 64, "a-b"),
    "LOG_FORMAT": ("xml",),
    "LOG_KEY_FILE": ("relative.key", "/etc"),
    "LOG_LEVEL": ("LOUD", "10"),
    "LOG_ORIGIN": ("two words", "a+b"),
    "LOG_PLACES": (
        *("ftp://example.org", "file://relative", "mailto:nobody", "https://"),
        *("s3:///x", "witness+https://h", "rfc3161://h", "file:///x?every=0"),
        "https://[h",
    ),
    "LOG_SIGNING_KEYS": ("PRIVATE+KEY+nothing", "a,b"),
    "METRICS_ALLOWED": ("10.0.0.0/8, inside", "10.0.0.1/8", "10.0.0.0/33"),
    "METRICS_TOKEN": ("two words", "schlüssel"),
    "OIDC_CLIENT_ID": ("two words", "casefile"),
    "OIDC_CLIENT_SECRET": ("two words",),
    "OIDC_GROUPS_CLAIM": ("two words",),
    "OIDC_ISSUER": ("sso.example.org", "ftp://a.org", "https://", "http://a.org"),
    "OIDC_ROLES": ("staff=boss", "staff", "=reviewer", "staff=machine"),
    "OIDC_SCOPES": ("profile, email",),
    "PLAYBOOK_FOLDERS": ("/no/such/folder", "/tmp, relative", "/etc/passwd"),
    "PROMETHEUS_MULTIPROC_DIR": ("/no/such/folder", "relative"),
    "REDIS_URL": REDIS,
    "SECOND_FACTOR_ROLES": ("boss", "reviewer; administrator", "machine"),
    "SECRET_KEY": ("short", "ab" * 40),
    "STATIC_ROOT": PATHS,
    "UPLOAD_TEMP_DIR": (*PATHS, "/no/such/folder"),
    "WEBHOOK_CA_FILE": ("/no/such/file", "/etc/passwd"),
    "WEBHOOK_SCHEMES": ("dicsord", "slack, tls"),
}
ANYTHING_GOES = {
    "BEAT_SCHEDULE_FILE": "a name in the working directory, made when it is missing",
    "OIDC_NAME": "what the button is called, in whatever words",
    "OIDC_SECOND_FACTOR": "what a provider calls its second factors, in its words",
    "GUNICORN_BIND": "gunicorn itself refuses what is no address",
    "SECRET_KEY_FALLBACKS": "keys of the past; the deployment check warns of weak ones",
}
# Evaluates the settings anew for each case, in one process, as each start would.
SCRIPT = """
import json, os, runpy, sys
from django.core.exceptions import ImproperlyConfigured
import django

own = ("config.settings", "config.storages")
base = json.loads(sys.argv[1])
django.setup()
for line in sys.stdin:
    name, value = json.loads(line)
    os.environ.clear()
    os.environ.update({**base, name: value})
    for module in own:
        sys.modules.pop(module, None)
    try:
        if name.startswith(("WEB_", "GUNICORN", "PROMETHEUS")):
            runpy.run_path("config/gunicorn.py")
        import config.settings as found
    except (ImproperlyConfigured, SystemExit) as refusal:
        said = str(refusal).removeprefix("Casefile does not start: ")
    except BaseException as other:
        said = f"{type(other).__name__}: {other}"
    else:
        said = ""
    print(json.dumps(said), flush=True)
"""
Evaluate = Callable[[str, str], str]


@pytest.fixture(scope="module")
def evaluate() -> Iterator[Evaluate]:
    """Return what is said of a setting's value; nothing where it starts."""
    base = {**PRODUCTION, "PATH": os.environ["PATH"], "EVIDENCE_S3_BUCKET": "evidence"}
    base["DJANGO_SETTINGS_MODULE"] = "config.settings"
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(base)],
        cwd=ROOT,
        env=base,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        asked, answers = process.stdin, process.stdout

        def ask(name: str, value: str) -> str:
            print(json.dumps([name, value]), file=asked, flush=True)
            said: str = json.loads(answers.readline())
            return said

        yield ask
        asked.close()
    assert process.returncode == 0


def test_somebody_has_said_what_is_wrong_for_every_setting() -> None:
    assert find_variables() == WRONG.keys() | ANYTHING_GOES.keys()


def test_wrong_values_are_refused_by_the_name_of_their_setting(
    evaluate: Evaluate,
) -> None:
    cases = [(name, value) for name, values in WRONG.items() for value in values]
    taken = [case for case in cases if not evaluate(*case).startswith(case[0])]
    assert taken == []


def test_a_refusal_says_what_is_expected(evaluate: Evaluate) -> None:
    cases = [(name, values[0]) for name, values in WRONG.items()]
    curt = [case for case in cases if len(evaluate(*case).split()) < 6]
    assert curt == []


SECRETS = {
    "DATABASE_URL": "postgres://casefile:hidden/word@db.example.org/casefile",
    "REPLICA_DATABASE_URL": "postgres://casefile:hidden/word@db2.example.org/casefile",
    "REDIS_URL": "redis://:hidden/word@h:6379/0",
    "CACHE_URL": "redis://:hidden#word@h:6379/0",
    "CELERY_BROKER_URL": "amqp://u:hidden/word@h//",
    "EMAIL_URL": "smtp://u:hidden/word@h:587",
    "METRICS_TOKEN": "hidden word",
    "OIDC_CLIENT_SECRET": "hidden word",
    "EVIDENCE_S3_SECRET_KEY": "hidden word",
    "LOG_SIGNING_KEYS": "PRIVATE+KEY+hidden+word",
    "LOG_PLACES": "s3+https://u:hidden@h/word",
    "SECRET_KEY": "hidden word",
}


def test_a_refusal_repeats_no_secret(evaluate: Evaluate) -> None:
    refusals = {name: evaluate(name, value) for name, value in SECRETS.items()}
    assert [name for name, said in refusals.items() if not said.startswith(name)] == []
    assert [name for name, said in refusals.items() if "hidden" in said] == []
    # What a start prints of them is no more.
    told = start_with("command", SECRETS)
    require_told(told, SECRETS)
    assert "hidden" not in told.stdout + told.stderr


RIGHT = {
    "ALLOWED_HOSTS": "a.example.org, .b.org,[::1] ,10.0.0.1",
    "CACHE_URL": "rediss://:p%2Fw@h:6380/3?ssl_cert_reqs=required",
    "CASEFILE_BASE_URL": "https://casefile.example.org:8443/",
    "CELERY_BROKER_URL": "amqp://u:p@h1:5672//;amqp://u:p@h2//",
    "CSRF_TRUSTED_ORIGINS": "https://a.example.org, https://*.b.org:8443",
    "DATABASE_URL": "postgres://u:p%2Fw%23@/casefile?host=/run/postgresql&sslmode=disable",
    "DEFAULT_FROM_EMAIL": "Casefile <casefile@example.org>",
    "EMAIL_URL": "smtp+tls://u:p%40w@mail.example.org:587",
    "LOG_FORMAT": "Console",
    "LOG_LEVEL": "debug",
    "METRICS_ALLOWED": "10.0.0.0/8, fd00::/8",
    "PLAYBOOK_FOLDERS": "/tmp, /usr",
    "REDIS_URL": "unix:///run/valkey/valkey.sock?db=4",
    "REPLICA_DATABASE_URL": "postgres://u:p%2Fw@db2.example.org/casefile",
    "REPLICA_MAX_LAG_SECONDS": "5",
    "LOG_PLACES": "file:///mnt/a?every=300, mailto:auditor@example.org",
    "ARCHIVE_BUCKET": "s3://kept-2/of/casefile?lock_days=36500",
    "CASE_RETENTION_DAYS": "365",
    "WEBHOOK_SCHEMES": "slack, json",
    "SECOND_FACTOR_ROLES": "Auditor, reviewer",
    "WEB_THREADS": "1",
}


def test_values_as_the_documents_write_them_are_taken(evaluate: Evaluate) -> None:
    assert [said for said in itertools.starmap(evaluate, RIGHT.items()) if said] == []


def test_half_of_a_bucket_does_not_mean_the_disk(tmp_path: Path) -> None:
    """A forgotten bucket would keep evidence on a machine's own disk, unsaid."""
    from tests.config.test_settings import read_settings

    told = read_settings("''", EVIDENCE_S3_ENDPOINT="https://s3.example.org")
    assert "EVIDENCE_S3_BUCKET is not set" in told.stderr
    told = read_settings(
        "''", EVIDENCE_S3_BUCKET="evidence", EVIDENCE_S3_ACCESS_KEY="a"
    )
    assert "belong together" in told.stderr


def test_a_replica_is_for_a_role_that_only_reads() -> None:
    from tests.config.test_settings import read_settings

    told = read_settings(
        "''", REPLICA_DATABASE_URL="postgres://u@h/d", DATABASE_READ_ROLE="none"
    )
    assert "REPLICA_DATABASE_URL is for who reads under" in told.stderr


OF_THE_WEB = ("PROMETHEUS_MULTIPROC_DIR", "WEB_CONCURRENCY", "WEB_THREADS")
STARTS = {
    "web": ["-m", "gunicorn", "-c", "config/gunicorn.py"],
    "workers": ["-m", "config.workers", "clocks"],
    "worker": ["-m", "celery", "-A", "config", "worker", "--queues", "clocks"],
    "beat": ["-m", "celery", "-A", "config", "beat", "--pidfile="],
    "command": ["manage.py", "verify_audit"],
}


def start_with(part: str, wrong: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start a part with all of these values, and wait for its end."""
    return subprocess.run(
        [sys.executable, *STARTS[part]],
        cwd=ROOT,
        env={**PRODUCTION, "PATH": os.environ["PATH"], **wrong},
        capture_output=True,
        text=True,
        timeout=240,
    )


def require_told(told: subprocess.CompletedProcess[str], wrong: dict[str, str]) -> None:
    said = told.stdout + told.stderr
    assert told.returncode != 0
    assert f"{len(wrong)} settings are wrong:" in said
    # Each has a line of its own, once.
    lines = [line for line in said.splitlines() if line.startswith("- ")]
    assert sorted(line.split()[1].rstrip(":") for line in lines) == sorted(wrong)
    assert "Traceback" not in said


@pytest.mark.live
@pytest.mark.parametrize("part", STARTS)
def test_every_wrong_setting_is_told_at_once(part: str) -> None:
    others = () if part == "web" else OF_THE_WEB
    wrong = {name: values[0] for name, values in WRONG.items() if name not in others}
    if part == "web":
        # What is no number at all, gunicorn refuses by itself, before it reads ours.
        wrong["WEB_CONCURRENCY"] = "0"
    require_told(start_with(part, wrong), wrong)


def test_every_missing_setting_is_told_at_once() -> None:
    missing = dict.fromkeys(PRODUCTION, "")
    require_told(start_with("command", missing), missing)


# The second entry of each is right.
LISTS = {
    "ALLOWED_HOSTS": ("*", "a.example.org", "https://a.example.org", "a.org:8000"),
    "CELERY_BROKER_URL": ("amqp://", "amqp://u:p@h//", "kafka://h", "amqp://h:port//"),
    "CSRF_TRUSTED_ORIGINS": (
        "a.org",
        "https://a.org",
        "ftp://a.org",
        "https://a.org/x",
    ),
    "LOG_PLACES": (
        *("ftp://example.org", "mailto:a@example.org", "file://relative", "x"),
        *("https://[h", "s3://bucket?lock_days=99999", "file:///x?every=" + "9" * 5000),
        "witness+https://h#no+key",
    ),
    "LOG_SIGNING_KEYS": ("PRIVATE+KEY+nothing", "{key}", "b", "{key}x"),
    "METRICS_ALLOWED": ("inside", "10.0.0.0/8", "10.0.0.1/8", "10.0.0.0/33"),
    "PLAYBOOK_FOLDERS": ("/no/such/folder", "/tmp", "relative", "/etc/passwd"),
}


def find_lists() -> set[str]:
    """Return the settings that are lists, as the settings read them."""
    text = (ROOT / "config/settings.py").read_text()
    readers = "hosts|origins|networks|folders|places|signing_keys|schemes|words|broker"
    return set(re.findall(rf'read_(?:{readers})\(\s*"(\w+)"', text))


def test_somebody_has_said_what_is_wrong_in_every_list() -> None:
    # Apprise names all that it does not know; any key of the past will do.
    assert find_lists() - {"WEBHOOK_SCHEMES", "SECRET_KEY_FALLBACKS"} == LISTS.keys()


@pytest.mark.parametrize("name", LISTS)
def test_every_wrong_entry_of_a_list_is_named_at_once(
    name: str, evaluate: Evaluate
) -> None:
    right = encode_signing_key(
        SigningKey(
            f"{urlsplit(PRODUCTION['CASEFILE_BASE_URL']).hostname}/log", b"1" * 32
        )
    )
    entries = [entry.replace("{key}", right) for entry in LISTS[name]]
    joined = (";" if name == "CELERY_BROKER_URL" else ",").join(entries)
    said = evaluate(name, joined)
    told = [line for line in said.splitlines() if line.startswith("  entry ")]
    places = [int(line.split()[1].rstrip(":")) for line in told]
    assert places == [place for place in range(1, len(entries) + 1) if place != 2], said
    assert said.startswith(f"{name} is wrong in {len(entries) - 1} of its")
    # What each says is its own fault, and more than a word.
    assert all(len(line.split()) > 6 for line in told)


def test_every_scheme_that_is_not_known_is_named_at_once(evaluate: Evaluate) -> None:
    said = evaluate("WEBHOOK_SCHEMES", "dicsord, slack, tls")
    assert "dicsord, tls, which apprise does not know" in said


def test_keys_of_another_log_are_named_and_not_blamed_for_its_name(
    evaluate: Evaluate,
) -> None:
    keys = ",".join(
        encode_signing_key(SigningKey(name, name[:1].encode() * 32))
        for name in ("other.example.org/log", "third.example.org/log")
    )
    said = evaluate("LOG_SIGNING_KEYS", keys)
    assert "what stands at 1, 2 is not a key of" in said
    told = start_with("command", {"LOG_SIGNING_KEYS": keys, "LOG_ORIGIN": "two words"})
    assert "LOG_ORIGIN must be" in told.stderr
    assert "LOG_SIGNING_KEYS" not in told.stderr


def test_a_setting_that_is_wrong_by_itself_is_not_blamed_for_a_pair() -> None:
    wrong = {
        "EVIDENCE_S3_BUCKET": "evidence",
        "EVIDENCE_S3_ACCESS_KEY": "access",
        "EVIDENCE_S3_SECRET_KEY": "two words",
    }
    told = start_with("command", wrong)
    assert "EVIDENCE_S3_SECRET_KEY must be" in told.stderr
    assert "belong together" not in told.stderr
