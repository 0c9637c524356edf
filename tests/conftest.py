"""Fixtures for every test: people by role, a real worker, a real browser."""

import gc
import itertools
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from pytest_django import Settings

import config.urls  # noqa: F401  (the pages that tests find in the admin)
from tests.live import LiveWorker, start_live_worker
from tests.shared import new_store, store_at
from tests.suites import arrange, name_commands

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LONGEST_ID = 200
PASSWORD = "a long and quiet sentence"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_OPTIONS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run a single file in this very process: a worker takes seconds to start."""
    files = {Path(word.partition("::")[0]) for word in config.args}
    return 0 if len(files) == 1 and files.pop().suffix == ".py" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave modules and tests out of every later search for garbage: they all stay.

    Looking through them again and again took a quarter of a process's start.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    arrange(config, items)


def pytest_report_header(config: pytest.Config) -> str:
    return name_commands(config)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long values and packed bytes by their argument, so that every worker finds
    the same names: what is packed holds the time at which it was."""
    if isinstance(val, bytes) and not val.decode("latin-1").isprintable():
        return argname
    is_long = isinstance(val, (bytes, str)) and len(val) > LONGEST_ID
    return argname if is_long else None


def make_user(name: str, *groups: str) -> User:
    """Make a member of staff in the groups that the migrations made."""
    user = User.objects.create_user(
        name, email=f"{name}@example.org", password=PASSWORD, is_staff=True
    )
    user.groups.set([Group.objects.get(name=group) for group in groups])
    return user


@pytest.fixture
def responder(db: None) -> User:
    return make_user("responder", "responder")


@pytest.fixture
def reviewer(db: None) -> User:
    return make_user("reviewer", "reviewer")


@pytest.fixture
def auditor(db: None) -> User:
    return make_user("auditor", "auditor")


@pytest.fixture
def administrator(db: None) -> User:
    return make_user("administrator", "administrator")


@pytest.fixture
def machine(db: None) -> User:
    return make_user("machine", "machine")


@pytest.fixture
def outsider(db: None) -> User:
    """A member of staff without any role, who must be refused everywhere."""
    return make_user("outsider")


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Forget throttles and heartbeats of the test before. The queue is elsewhere."""
    cache.clear()


@pytest.fixture(scope="session")
def new_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give names for new folders, without looking which there are: there are many."""
    place = tmp_path_factory.mktemp("evidence")
    return (place / f"{number}" for number in itertools.count(1))


@pytest.fixture(autouse=True)
def evidence_folder(settings: Settings, new_folders: Iterator[Path]) -> Path:
    """Give each test an evidence store of its own, with its mark."""
    folder = new_store(next(new_folders))
    for name, value in store_at(settings, folder).items():
        setattr(settings, name, value)
    return folder


@pytest.fixture
def live_worker(
    transactional_db: None, evidence_folder: Path, tmp_path: Path
) -> Iterator[LiveWorker]:
    """Run a real Celery worker on the test's database, broker and evidence store."""
    worker = start_live_worker(evidence_folder, tmp_path / "worker.log")
    try:
        yield worker
    finally:
        worker.stop()


def find_chromium() -> str | None:
    """Return the path of a Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@contextmanager
def running_chromium() -> "Iterator[Browser]":
    """Run this machine's Chromium, without a network of its own and a fresh profile."""
    program = find_chromium()
    if program is None:
        pytest.skip(
            f"no Chromium found on PATH (looked for {', '.join(CHROMIUM_NAMES)}); "
            "install your distribution's chromium package to run browser tests"
        )
    from playwright.sync_api import sync_playwright

    options = list(CHROMIUM_OPTIONS)
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """Share one browser between the tests."""
    # Playwright's own loop runs in this thread, where the tests use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with running_chromium() as browser:
            yield browser
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def browser_page(chromium: "Browser") -> "Iterator[Page]":
    """Give a page in a profile of its own; it fails the test on requests elsewhere."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    strays: list[str] = []
    context.on("request", lambda request: _note_stray(request.url, strays))
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()
    assert not strays, f"the page asked other sites: {strays}"


def _note_stray(url: str, strays: list[str]) -> None:
    if not url.startswith(("http://localhost", "http://127.0.0.1", "data:", "blob:")):
        strays.append(url)


def sign_in(page: "Page", base_url: str, user: User) -> None:
    """Sign in through the form, as a person does."""
    page.goto(f"{base_url}/admin/login/?next=/admin/")
    page.fill("input[name=username]", user.username)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{base_url}/admin/")
