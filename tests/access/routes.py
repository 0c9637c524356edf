"""Every route there is, from the resolver, and a row for each to be asked about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

import config.urls  # noqa: F401  (the pages)
from tests.pages import hostile

METHODS = ("get", "head", "options", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Route:
    """An address with its arguments unfilled, and what answers it."""

    path: str
    view: Any

    @property
    def is_api(self) -> bool:
        return self.path.startswith(("api/", "log/"))

    @property
    def resource(self) -> Any:
        """Return the API's view class; None for a page."""
        return getattr(self.view, "cls", None)

    @property
    def actions(self) -> dict[str, str]:
        """Return the methods that an API's route takes, and what each is called."""
        named: dict[str, str] | None = getattr(self.view, "actions", None)
        if named is not None:
            return dict(named)
        resource = self.resource or getattr(self.view, "view_class", None)
        return {name: name for name in METHODS if hasattr(resource, name)}


@cache
def all_routes() -> dict[str, Route]:
    """Return every route by its path, without those that another stands before."""
    found: dict[str, Route] = {}
    for path, view in _walk(get_resolver()):
        found.setdefault(path, Route(path, view))
    return found


def _walk(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield _plain(path), pattern.callback
        else:
            yield from _walk(pattern, path)


def _plain(path: str) -> str:
    """Return a path in one style: `api/v1/^a/(?P<pk>[0-9]+)/$` as `api/v1/a/<pk>/`."""
    path = re.sub(r"\(\?P<(\w+)>(?:\[[^]]*\]|[^)\[])*\)", r"<\1>", path)
    return path.replace("^", "").removesuffix("$").replace("\\.", ".")


def buttons(path: str) -> list[str]:
    """Return the buttons that a route's last argument names: `do/<slug:action>/`."""
    if not path.endswith("/do/<slug:action>/"):
        return []
    return list(admin.site._registry[hostile.model_of(path)].page_actions)  # type: ignore[attr-defined]


def bulk_actions(path: str) -> list[str]:
    """Return what an admin's list does with the rows that are chosen."""
    parts = path.split("/")
    if len(parts) != 4 or parts[0] != "admin" or parts[3]:
        return []
    for model, model_admin in admin.site._registry.items():
        if parts[1:3] == [model._meta.app_label, model._meta.model_name]:
            return list(model_admin.actions or ())
    return []
