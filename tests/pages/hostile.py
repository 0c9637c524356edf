"""Values that people, scanners and broken tools send, and where they can be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from incidents.models import Incident

IN_ADDRESSES = (
    quote("2026-01-01T00:00:00+23:59"),
    "9" * 5_000,
    "%00",
    "0001-01-01T00:00:00Z",
    "2026-13-45T99:99:99Z",
    "-1",
    "%ED%A0%80" + quote("'\"><%s\u202e\U0001f600") + "x" * 3_000,
)
"""As they stand in a query: an offset that no zone has, a number of 5,000 digits, NUL,
the first and no date, below zero; a lone surrogate, markup and signs in one long text.
One of each kind: a second one costs as much as the first and finds nothing more."""

IN_FORMS = ("\x00", "9" * 5_000, "evidence:" + "9" * 5_000)

KEYS = ("9" * 19, "9" * 4_999, "-1", quote("no;--"))
"""In the place of a row's key."""

BODIES = (
    b"",
    b"null",
    b"[]",
    b'"\\ud800"',
    b'{"reason": "\\ud800", "alert_id": "\\u0000", "ts_ms": 1e400}',
    b"\xff\xfe",
    b"[" * 50_000,
    b"9" * 5_000,
    b"NaN",
)

ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
FIELD = re.compile(r'<(?:input|select|textarea)[^>]*\bname="([\w-]+)"')


def list_routes(prefix: str) -> list[str]:
    """Return every route below a prefix, patterns in one style."""
    found = (_plain(route) for route in _walk(get_resolver()))
    return [route for route in found if route.startswith(prefix)]


def arguments_of(route: str) -> set[str]:
    return {argument[0] or argument[1] for argument in ARGUMENT.findall(route)}


def fill(route: str, values: dict[str, str]) -> str:
    """Return a route's address; `*` is the value of the arguments not named."""
    names = ARGUMENT.sub(
        lambda found: values.get(found[1] or found[2], values["*"]), route
    )
    return f"/{names}"


def model_of(route: str) -> Any:
    """Return the model whose pages a route is of; the case for the others."""
    parts = route.split("/")[1:3]
    for model in admin.site._registry:
        if parts == [model._meta.app_label, model._meta.model_name]:
            return model
    return Incident


def real_values(route: str) -> dict[str, str]:
    """Return arguments that exist: the newest row's key, the newest case's."""
    row = model_of(route)._default_manager.order_by("-pk").values_list("pk", flat=True)
    case = Incident.objects.order_by("-pk").values_list("pk", flat=True)[0]
    return {"*": str(row[0]), "incident_id": str(case), "form": "pdf"}


def addresses(route: str, values: dict[str, str]) -> Iterator[str]:
    """Yield a route's addresses, one for each of its buttons and one for none."""
    chosen = {"name", "action"} & arguments_of(route)
    for name in (*_buttons_of(route), "nothing") if chosen else ("",):
        yield fill(route, {**values, **dict.fromkeys(chosen, name)})


def fields_in(html: str) -> set[str]:
    """Return the names of all fields of a page."""
    return set(FIELD.findall(html)) - {"csrfmiddlewaretoken"}


def list_parameters(model_admin: Any, user: Any) -> dict[str, bool]:
    """Return what an admin's list is narrowed, searched, sorted and paged by.

    True for those that the list itself draws: of the others it shows no value.
    """
    request = RequestFactory().get("/")
    request.user = user
    changes: ChangeList = model_admin.get_changelist_instance(request)
    specs = changes.get_filters(request)[0]
    named = {name for spec in specs for name in spec.expected_parameters()}
    drawn = named | {"q", "o", "p", "all"}
    # A field is reached by other look-ups than those that its filter draws links for.
    for spec in model_admin.get_list_filter(request):
        field = spec[0] if isinstance(spec, tuple | list) else spec
        if isinstance(field, str):
            named |= {f"{field}{end}" for end in ("", "__exact", "__gte")}
    if model_admin.date_hierarchy:
        named |= {f"{model_admin.date_hierarchy}__{end}" for end in ("year", "day")}
    return {name: name in drawn for name in sorted(named | drawn)}


def resource_parameters(route: str) -> list[str]:
    """Return what a resource of the API is narrowed and paged by."""
    view = getattr(resolve(f"/{route}").func, "cls", None)
    filterset = getattr(view, "filterset_class", None)
    named = list(filterset.base_filters) if filterset else []
    extra = getattr(view, "extra_parameters", ())
    return [*named, *extra, "cursor", "page_size", "ordering"]


def _buttons_of(route: str) -> list[str]:
    return list(getattr(admin.site._registry[model_of(route)], "page_actions", ()))


def _plain(route: str) -> str:
    return route.replace("^", "").removesuffix("$").replace("\\.", ".")


def _walk(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from _walk(pattern, route)
