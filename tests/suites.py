"""Which tests `make test` leaves to commands of their own; in what order files run."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import filterfalse
from pathlib import Path
from typing import Any

import pytest

# Each is a mark and a command, such as `make browser`. `.ci/run` runs all of them by
# `make apart`: started once, the long files of one beside the short ones of another.
APART = ("browser", "live", "walk", "long")
# A test that takes one of these needs what the mark says, whether it says so or not.
MARK_OF_FIXTURE = {"chromium": "browser", "live_worker": "live"}
# They walk every page or start programs, the longest first.
LONG_FILES = (
    *("test_absence.py", "test_room.py", "test_every_page.py", "test_access.py"),
    *("test_pages.py", "test_sent.py", "test_run.py", "test_full_case.py"),
    *("test_refused_forms.py", "test_commands.py", "test_links.py"),
    "test_hostile_input.py",
)


def leave_slow(values: Iterable[Any], *slow: Any) -> list[Any]:
    """Return values as parameters; what is named after them waits for `make slow`."""
    return [
        pytest.param(one, marks=pytest.mark.slow) if one in slow else one
        for one in values
    ]


def arrange(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has a command of its own, and begin with what takes long.

    With the long files first, all processes end at about one time.
    """
    for item in items:
        _mark_by_fixtures(item)
    left_out = _find_left_out(config, items)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
    items.sort(key=_rank)


def name_commands(config: pytest.Config) -> str:
    """Say where the tests are that this run may leave out, where it may."""
    if _chooses_by_mark(config):
        return ""
    commands = " and ".join(f"`make {mark}`" for mark in APART)
    return f"suites: what takes long is tested by {commands}"


def _mark_by_fixtures(item: pytest.Item) -> None:
    for name in getattr(item, "fixturenames", ()):
        mark = MARK_OF_FIXTURE.get(name)
        if mark and not item.get_closest_marker(mark):
            item.add_marker(mark)


def _find_left_out(
    config: pytest.Config, items: list[pytest.Item]
) -> list[pytest.Item]:
    """Return what this run does not test: nothing that was asked for by name."""
    if _chooses_by_mark(config):
        return []
    if all(map(_is_apart, filterfalse(_is_slow, items))):
        return []
    named = {(config.invocation_params.dir / path).resolve() for path in _named(config)}
    return [
        item
        for item in items
        if _is_apart(item)
        # Left out by pytest's own choice of marks, unless it is what was asked for.
        and not _is_slow(item)
        and not item.get_closest_marker("essential")
        and item.path not in named
    ]


def _chooses_by_mark(config: pytest.Config) -> bool:
    return any(mark in config.getoption("markexpr") for mark in APART)


def _named(config: pytest.Config) -> Iterable[Path]:
    """Return the files that the command line names, with or without a test's name."""
    paths = (Path(word.partition("::")[0]) for word in config.args)
    return (path for path in paths if path.suffix == ".py")


def _is_apart(item: pytest.Item) -> bool:
    return any(map(item.get_closest_marker, APART))


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _rank(item: pytest.Item) -> int:
    """Return the place among the files: what is apart and long first, in its order."""
    name = item.path.name
    place = LONG_FILES.index(name) if name in LONG_FILES else len(LONG_FILES)
    return place if _is_apart(item) else place + len(LONG_FILES) + 1
