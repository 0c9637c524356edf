"""A forgotten collectstatic is found before a page answers 500."""

from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django import Settings

from config.static_files import check_collected, check_static_files
from config.storages import STATIC_BACKENDS
from evidence.errors import HealthFailure


@pytest.fixture
def source(tmp_path: Path, settings: Settings) -> Path:
    """Serve one file as production does, and give its folder."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "one.css").write_text("body {}")
    settings.STATIC_ROOT = str(tmp_path / "collected")
    settings.STATICFILES_FINDERS = [
        "django.contrib.staticfiles.finders.FileSystemFinder"
    ]
    settings.STATICFILES_DIRS = [folder]
    settings.STORAGES = {
        **django_settings.STORAGES,
        "staticfiles": {"BACKEND": STATIC_BACKENDS[True]},
    }
    return folder


def restart_web(settings: Settings) -> None:
    """Forget what this process read of the collected files, as a new one would."""
    settings.STORAGES = {**settings.STORAGES}


def test_nothing_collected_is_found(source: Path) -> None:
    with pytest.raises(HealthFailure, match=r"one\.css.*collectstatic"):
        check_static_files()
    (found,) = check_collected(None)
    assert found.id == "config.E001"
    assert "collectstatic" in (found.hint or "").lower()


def test_collected_files_are_well(source: Path, settings: Settings) -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    restart_web(settings)
    assert check_static_files() == "collected"
    assert check_collected(None) == []


def test_update_without_collecting_again_is_found(
    source: Path, settings: Settings
) -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    (source / "new.css").write_text("p {}")
    restart_web(settings)
    with pytest.raises(HealthFailure, match=r"\(new\.css\)"):
        check_static_files()


def test_local_run_needs_nothing_collected() -> None:
    assert check_collected(None) == []


def test_web_without_its_files_gets_no_visitors() -> None:
    (part,) = [
        part
        for part in django_settings.READINESS_PARTS
        if part.check == "config.static_files.check_static_files"
    ]
    assert part.takes_web_out
