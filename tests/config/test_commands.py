"""Every management command, run as people run it: as a program, beside its servers."""

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from psycopg import sql

from config.commands import (
    CODE_COMMANDS,
    DATABASE_COMMANDS,
    OWNER_COMMANDS,
    is_document_command,
    is_offline,
    needs_queue,
)
from tests.backend.template import name_template
from tests.config.launching import make_environment

pytestmark = pytest.mark.walk

ROOT = Path(__file__).resolve().parents[2]
APPS = ("evidence", "policy", "incidents")
OURS = {name: app for name, app in get_commands().items() if app in APPS}
BUILD = ("{folder}/made.json", "--generated-at-ms", "1", "-o", "{folder}/built.json")
CASE = ("--incident", "{case}")
NO_CASE = ("--incident", "SEC-INC-1999-0001")

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Example:
    """What a command is asked, what it says then, and the same where it refuses."""

    words: tuple[str, ...]
    says: str
    refused: tuple[str, ...]
    refusal: str
    asks: tuple[str, ...] | None = None

    @property
    def asking(self) -> tuple[str, ...]:
        """Return what asks the database, where the example itself does not."""
        return self.words if self.asks is None else self.asks


EXAMPLES = {
    "load_playbooks": Example((), "INC-1 version 1", ("{folder}/bad",), "bad.yaml"),
    "create_demo": Example((), "Sign in as", ("--people", "9"), "unrecognized"),
    "simulate": Example(
        ("--calls", "40", "-o", "{folder}/made.json"),
        "bundle_hash",
        ("-o", "{folder}/none/made.json"),
        "Cannot write",
    ),
    "verify_evidence": Example(
        ("{folder}/made.json",), "Verified", ("{folder}/none.json",), "cannot be read"
    ),
    "build_evidence": Example(
        (*BUILD, "--redaction", "full"), "bundle", (*BUILD, "--redaction", "x"), "x"
    ),
    "answer_playbook": Example(
        ("{folder}/made.json", "--class", "INC-3"),
        "The evidence shows no incident.",
        ("{folder}/none.json", "--class", "INC-3"),
        "cannot be read",
    ),
    "verify_audit": Example(
        (), "every chain holds", ("--stream", "no:such"), "no stream no:such"
    ),
    "backup": Example(
        *(("{folder}/backup",), "is a whole backup", ("{folder}",), "has other files"),
        asks=("{folder}/another",),
    ),
    "restore": Example(
        ("--help",), "empty installation", ("{folder}/backup",), "has data"
    ),
    "prune_cases": Example(
        (), "has anything to prune", ("--check", "X-1"), "no case X-1"
    ),
    "verify_records": Example(
        (), "everything is as it was written", ("--accept", " "), "Say why"
    ),
    "verify_store": Example(
        (),
        "all sound",
        ("--keep-unclaimed", "--remove-unclaimed"),
        "not allowed with",
    ),
    "rotate_log_key": Example(
        ("--print",), "PRIVATE+KEY+", ("--backwards",), "unrecognized", asks=()
    ),
    "export_audit": Example(
        ("-o", "{folder}/audit.jsonl"),
        "Streams written",
        ("-o", "{folder}/none/audit.jsonl"),
        "Cannot write",
    ),
    "break_glass": Example(
        ("rescuer", "--reason", "Nobody can sign in."),
        "is an administrator now",
        ("rescuer", "--reason", " "),
        "reason",
    ),
    "pull_records": Example(
        ("--help",),
        "file of JSON lines",
        ("http://127.0.0.1:9", "{folder}/pulled"),
        "Set CASEFILE_TOKEN",
    ),
    "create_token": Example(
        ("responder", "--scope", "read"),
        "cf_",
        ("nobody", "--scope", "read"),
        "nobody",
    ),
    "grant_app_role": Example(("{role}",), "up to date", ("no_such",), "no_such"),
    "import_evidence": Example(
        ("{folder}/made.json", *CASE),
        "received as item",
        ("{folder}/made.json", *NO_CASE),
        "no case",
    ),
    "export_scan": Example(
        ("--help",), "SARIF", ("999999", "--output", "{folder}/x"), "no scan report"
    ),
    "take_policy_snapshot": Example(
        ("{folder}/settings.json", *CASE),
        "policy snapshot",
        ("{folder}/none.json", *CASE),
        "could not be read",
    ),
    "import_runtime_history": Example(
        ("{folder}/trust.jsonl", *CASE),
        "runtime history",
        ("{folder}/trust.jsonl", *NO_CASE),
        "no case",
    ),
}
# Runs commands one after the other as manage.py does, and tells how each of them ended.
RUN_ALL = """
import contextlib, io, json, sys, traceback, django
django.setup()
from django.core.management import execute_from_command_line
told = {}
for name, words in json.loads(sys.argv[1]):
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute_from_command_line(["manage.py", name, *words])
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            code = 1
            traceback.print_exc()
    told[name] = (code, out.getvalue(), err.getvalue())
json.dump(told, sys.stdout)
"""
# Django's and the packages' own that ask a database, or something else of a run.
OTHERS = {
    *("axes_list_attempts", "axes_reset", "axes_reset_failure_logs"),
    *("axes_reset_ip", "axes_reset_ip_username", "axes_reset_logs"),
    *("axes_reset_username", "changepassword", "check", "clearsessions"),
    *("collectstatic", "createcachetable", "createsuperuser", "dbshell", "dumpdata"),
    *("flush", "generateschema", "inspectdb", "loaddata", "makemigrations"),
    *("migrate", "pgtrigger", "remove_stale_contenttypes", "runserver"),
    *("sendtestemail", "shell", "showmigrations", "sqlflush", "sqlmigrate"),
    *("sqlsequencereset", "squashmigrations", "test", "testserver"),
}


@dataclass
class Place:
    """A database with practice cases, and a folder of files for the commands."""

    folder: Path
    url: str
    role: str
    case: str = ""
    done: dict[str, Done] = field(default_factory=dict)

    def run(self, name: str, words: tuple[str, ...]) -> Done:
        """Run a command, with no more around it than it needs."""
        filled = self.fill(words)
        return run_manage(name, *filled, **self.environment(name, filled))

    def fill(self, words: tuple[str, ...]) -> list[str]:
        """Put this place's own names into the words."""
        values = {"folder": self.folder, "case": self.case, "role": self.role}
        return [word.format(**values) for word in words]

    def environment(self, name: str, words: list[str]) -> dict[str, str]:
        if is_offline([name, *words]):
            return {}
        if needs_queue([name, *words]):
            return self.variables
        return self.variables | {"REDIS_URL": "unix:///nowhere/q.sock"}

    @property
    def variables(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.url,
            "REDIS_URL": os.environ["REDIS_URL"],
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "CASEFILE_TEST_FOLDER": str(self.folder),
        }


def run_manage(*words: str, **variables: str) -> Done:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=make_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
) -> Iterator[Place]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    name = f"{urlsplit(os.environ['DATABASE_URL']).path[1:]}_commands_{worker}"
    role = f"{name}_role"
    folder = tmp_path_factory.mktemp("commands")
    (folder / "settings.json").write_text('{"extensionPolicy": {"profile": "safe"}}')
    (folder / "trust.jsonl").write_text('{"extension": "x", "from": "unknown"}\n')
    (folder / "bad").mkdir()
    (folder / "bad" / "bad.yaml").write_text("schema: nothing\n")
    with psycopg.connect(named("postgres"), autocommit=True) as server:
        drop(server, name, role)
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{name_template()}"')
        server.execute(f'CREATE ROLE "{role}"')
        try:
            place = Place(folder, named(name), role)
            for first in ("load_playbooks", "create_demo", "simulate"):
                place.done[first] = place.run(first, EXAMPLES[first].words)
            opened = place.done["create_demo"].stdout.partition("Opened ")[2]
            place.case = opened.split(" ", 1)[0]
            yield place
        finally:
            drop(server, name, role)


def named(name: str) -> str:
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def drop(server: psycopg.Connection, name: str, role: str) -> None:
    for kind, what in (("DATABASE", name), ("ROLE", role)):
        options = " WITH (FORCE)" if kind == "DATABASE" else ""
        statement = f"DROP {kind} IF EXISTS {{}}{options}"
        server.execute(sql.SQL(statement).format(sql.Identifier(what)))


def test_every_command_of_ours_has_an_example() -> None:
    assert set(EXAMPLES) == set(OURS)


@pytest.mark.parametrize("name", sorted(OURS))
def test_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    load_command_class(OURS[name], name).print_help("manage.py", name)
    told = capsys.readouterr()
    assert told.out.startswith(f"usage: manage.py {name}")
    assert told.err == ""


@pytest.mark.parametrize("name", sorted(OURS))
def test_command_does_its_work(name: str, place: Place) -> None:
    done = place.done.get(name) or place.run(name, EXAMPLES[name].words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXAMPLES[name].says in done.stdout + done.stderr


@pytest.fixture(scope="module")
def refused(place: Place) -> dict[str, tuple[int, str, str]]:
    """Return the exit code, the output and the errors of each refusal, by command.

    What needs a database is run in one process: starting is most of what it takes.
    """
    alone = {name for name in OURS if is_offline([name])}
    done = {name: place.run(name, EXAMPLES[name].refused) for name in alone}
    asked = [(name, place.fill(EXAMPLES[name].refused)) for name in OURS.keys() - alone]
    told = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(asked)],
        cwd=ROOT,
        env=make_environment(**place.variables),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout) | {
        name: (one.returncode, one.stdout, one.stderr) for name, one in done.items()
    }


@pytest.mark.parametrize("name", sorted(OURS))
def test_command_refuses_in_plain_words(
    name: str, refused: dict[str, tuple[int, str, str]]
) -> None:
    code, output, errors = refused[name]
    assert code != 0
    assert EXAMPLES[name].refusal in output + errors
    assert "Traceback" not in errors
    last = (errors.strip() or "None.").splitlines()[-1]
    if "error: " not in last:  # Argparse words what is wrong with the words themselves.
        assert re.fullmatch(r"(CommandError: )?[A-Z].*\.", last), errors


def spoken_in(path: Path) -> Iterator[tuple[int, str]]:
    """Return the literals that a command's refusals start with, each with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "id", "")
        if name not in ("CommandError", "HistoryError"):
            continue
        first = node.args[0]
        for said in (
            [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
        ):
            if isinstance(said, ast.JoinedStr):
                said = said.values[0]
            if isinstance(said, ast.Constant):
                yield node.lineno, str(said.value)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_refusal_of_a_command_starts_with_a_capital(name: str) -> None:
    path = ROOT / OURS[name] / f"management/commands/{name}.py"
    assert [one for one in spoken_in(path) if not one[1][:1].isupper()] == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_command_says_which_exit_codes_it_has(name: str) -> None:
    told = load_command_class(OURS[name], name).help
    assert re.search(r"[Ee]xit (code|status)", told), told


@pytest.mark.parametrize("name", sorted(OURS))
def test_argument_has_a_name_that_django_does_not_use(name: str) -> None:
    """Django takes its own options away before the command sees the rest."""
    command = load_command_class(OURS[name], name)
    names = Counter(action.dest for action in command.create_parser("m", name)._actions)
    assert [dest for dest, count in names.items() if count > 1] == []
    django = {action.dest for action in BaseCommand().create_parser("m", "x")._actions}
    flags = [
        flag
        for action in command.create_parser("m", name)._actions
        if action.dest not in django
        for flag in action.option_strings
    ]
    assert not {"--settings", "--pythonpath", "--verbosity"} & set(flags)


# --- What a command needs -----------------------------------------------------------


def test_every_command_is_sorted_by_what_it_needs() -> None:
    sorted_ones = {*CODE_COMMANDS, *OTHERS, *OURS}
    assert set(get_commands()) - sorted_ones == set()
    assert set() == (DATABASE_COMMANDS | OWNER_COMMANDS) & CODE_COMMANDS
    assert OTHERS | OURS.keys() >= DATABASE_COMMANDS | OWNER_COMMANDS


def test_command_that_works_without_a_database_is_known_to(place: Place) -> None:
    """Run what is said to need one where there is none: it must miss it."""
    code = (
        "import sys, json, django; django.setup()\n"
        "from django.core.management import call_command\n"
        "for name, words in json.loads(sys.argv[1]):\n"
        "    try: call_command(name, *words)\n"
        "    except BaseException as error:\n"
        "        both = [type(error), type(error.__cause__)]\n"
        "        missed = django.db.OperationalError in both\n"
        "        print('missed' if missed else type(error), name, error)\n"
    )
    asked = [
        (name, [w.format(folder=place.folder, case="X-1", role="r") for w in e.asking])
        for name, e in EXAMPLES.items()
        if not is_offline([name, *e.asking])
    ]
    told = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asked)],
        cwd=ROOT,
        env=make_environment(DJANGO_SETTINGS_MODULE="config.settings_offline"),
        capture_output=True,
        text=True,
    )
    missed = {
        line.split()[1]
        for line in told.stdout.splitlines()
        if line.startswith("missed")
    }
    assert missed == {name for name, _ in asked}, told.stdout + told.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("help",),
        ("version",),
        ("--version",),
        ("diffsettings",),
        ("findstatic", "casefile/favicon.svg"),
        ("spectacular", "--file", "/dev/null"),
        ("migrate", "--help"),
    ],
    ids=lambda words: words[0],
)
def test_command_about_the_code_needs_nothing(words: tuple[str, ...]) -> None:
    assert is_offline(words)
    done = run_manage(*words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["verify_audit", "--file", "x"], True),
        (["verify_audit", "--file=x"], True),
        (["verify_audit"], False),
        (["verify_audit", "--filed"], False),
        (["simulate"], True),
        ([], False),
    ],
)
def test_document_commands_are_told_by_their_words(
    words: list[str], expected: bool
) -> None:
    assert is_document_command(words) is expected


def test_document_command_loads_no_models(tmp_path: Path) -> None:
    """What is loaded for nothing is most of the time that such a command takes."""
    code = (
        "import sys; sys.argv = ['manage.py', 'simulate', '-o', sys.argv[1]]\n"
        "import manage; manage.main()\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'celery', 'rest_framework', 'unfold', 'psycopg'}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "made.json")],
        cwd=ROOT,
        env=make_environment(),
        capture_output=True,
        text=True,
    )
    assert told.stdout.splitlines()[-1] == "[]", told.stderr


def test_start_of_web_and_workers_loads_nothing_that_draws_or_parses() -> None:
    """Few processes ever do: for the others it would be memory and time at start."""
    code = (
        "import sys, django; django.setup()\n"
        "from config.celery import app\n"
        "app.loader.import_default_modules()\n"
        "import config.urls\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'reportlab', 'apprise', 'tree_sitter'}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test"},
        capture_output=True,
        text=True,
    )
    assert told.stdout.splitlines()[-1:] == ["[]"], told.stderr


def test_a_database_that_is_away_is_told_in_words() -> None:
    done = run_manage(
        "break_glass",
        *("nobody", "--reason", "locked out"),
        DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing",
        REDIS_URL=os.environ["REDIS_URL"],
        DJANGO_SETTINGS_MODULE="config.settings_test",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("The database did not answer, or not in time: ")
    assert "Run it again once the server answers" in done.stderr
    assert "Traceback" not in done.stderr
