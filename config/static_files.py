"""Whether the pages' own files were collected: without them, pages answer 500."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, register

from evidence.errors import HealthFailure

SHOWN = 3
REMEDY = "run `manage.py collectstatic --noinput`, and restart web"


def find_uncollected() -> list[str]:
    """Return the files that pages may name and this process knows no copy of.

    None, where files are served from the apps.
    """
    collected = getattr(staticfiles_storage, "hashed_files", None)
    if collected is None:
        return []
    ignored = getattr(apps.get_app_config("staticfiles"), "ignore_patterns", None)
    names = {
        posixpath.join(getattr(storage, "prefix", None) or "", path.replace("\\", "/"))
        for finder in get_finders()
        for path, storage in finder.list(ignored)
    }
    return sorted(names - set(collected))


def check_static_files() -> str:
    """Look whether every file that pages may name was collected."""
    missing = find_uncollected()
    if missing:
        raise HealthFailure(f"{_describe(missing)}: {REMEDY}")
    return "collected"


@register(deploy=True)
def check_collected(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Report a forgotten collectstatic: `check --deploy`."""
    missing = find_uncollected()
    if not missing:
        return []
    return [
        Error(
            f"{_describe(missing).capitalize()}: pages that name them answer 500.",
            hint=f"{REMEDY.capitalize()}: docs/deploy.md, One machine.",
            id="config.E001",
        )
    ]


def _describe(missing: list[str]) -> str:
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"static files were not collected ({', '.join(missing[:SHOWN])}{more})"
