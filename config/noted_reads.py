"""Noting who read which case or evidence, from what was asked and what was answered.

Nothing is listed here by page: a page's model, its row and its list come from its
route and its answer, so a new page is noted as well. Probes and metrics are answered
before this, and only answers that show something are noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from config.problems import API
from evidence.audit.history import find_case_of_stream
from evidence.audit.reads.noting import Read, note_read, telling_what_is_lost
from evidence.models import ApiToken, AuditEntry, ReadKind
from evidence.models.case_bound import CaseBound

ADMIN = "/admin/"
CASE = "incidents.incident"
KEYS = ("object_id", "pk", "before", "after")
"""How routes name the rows that a page is of."""
OF_CASE = "incident_id"
"""How they name a case, whatever else the page is of."""
OWN = ("admin:login", "admin:logout", "admin:jsi18n")
SHOWN, SEARCHED_FOR = "shown_cases", "searched_for"
"""How a page of several tables says, in its context, which cases it shows and why."""
CHUNK = 1_000


class NotedReadsMiddleware:
    """Note what each request of a person or a token has read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_read = request.method == "GET" and response.status_code == HTTPStatus.OK
        if is_read and request.user.is_authenticated:
            with telling_what_is_lost(request.path):
                read = find_read(request, response)
                if read is not None:
                    _note(request, read, reads_on=response.streaming)
                    _note_what_follows(request, response, read)
        return response


def find_read(request: HttpRequest, response: HttpResponse) -> Read | None:
    """Return what an answer shows; None where that is no case and no record."""
    match = request.resolver_match
    if match is None or match.view_name in OWN:
        return None
    if request.path_info.startswith(API):
        return _read_of_api(request, response, match)
    if request.path_info.startswith(ADMIN):
        return _read_of_page(request, response, match)
    return None


def _read_of_page(
    request: HttpRequest, response: HttpResponse, match: ResolverMatch
) -> Read | None:
    context = getattr(response, "context_data", None) or {}
    if SHOWN in context:
        return _read_of_several(context)
    model = _model_of_page(match)
    if model is None:
        return None
    keys = [str(match.kwargs[name]) for name in KEYS if name in match.kwargs]
    if OF_CASE in match.kwargs:
        keys = [str(match.kwargs[OF_CASE])]
    if keys:
        rows = [each for each in context.values() if type(each) is model]
        return _opened(model, keys, response, rows)
    changes = context.get("cl")
    if changes is None:
        return None
    words = request.GET.get("q", "")
    rows = [row.pk for row in changes.result_list]
    return Read(
        ReadKind.SEARCHED if words else ReadKind.LISTED,
        model._meta.label_lower,
        words=words or _narrowed_by(request),
        cases=find_cases(model, rows),
    )


def _read_of_several(context: Mapping[str, Any]) -> Read | None:
    """Return what a page shows that is no table's; None where it is of no case."""
    words, cases = str(context.get(SEARCHED_FOR, "")), context[SHOWN]
    if words:
        return Read(ReadKind.SEARCHED, "search", words=words, cases=cases)
    return Read(ReadKind.LISTED, CASE, cases=cases) if cases else None


def _read_of_api(
    request: HttpRequest, response: HttpResponse, match: ResolverMatch
) -> Read | None:
    view = getattr(match.func, "cls", None)
    queryset = getattr(view, "queryset", None)
    if queryset is None:
        return None
    reference = match.kwargs.get("reference")
    if reference is not None:
        return _opened(
            apps.get_model(CASE), [_key_of_case(reference, response)], response
        )
    if "report_pk" in match.kwargs:
        report = view.report_model  # type: ignore[union-attr]
        return _opened(report, [str(match.kwargs["report_pk"])], response)
    if "pk" in match.kwargs:
        return _opened(queryset.model, [str(match.kwargs["pk"])], response)
    data: Any = getattr(response, "data", None)
    rows = data.get("results", ()) if isinstance(data, dict) else ()
    keys = [row["id"] for row in rows if isinstance(row, dict) and "id" in row]
    return Read(
        ReadKind.LISTED,
        queryset.model._meta.label_lower,
        words=_narrowed_by(request),
        cases=find_cases(queryset.model, keys),
    )


def _key_of_case(reference: str, response: HttpResponse) -> str:
    """Return the key of a case: the answer's own row's, where it is made of that."""
    serializer = getattr(getattr(response, "data", None), "serializer", None)
    row = getattr(serializer, "instance", None)
    model = apps.get_model(CASE)
    if row is not None and type(row) is model and row.reference == reference:
        return str(row.pk)
    rows = model._base_manager.filter(reference=reference)
    return str(rows.values_list("pk", flat=True).first())


def _opened(
    model: Any, keys: list[str], response: HttpResponse, rows: Sequence[Any] = ()
) -> Read | None:
    """Return what was opened; `rows` are those that the page has read anyway."""
    if not all(key.isascii() and key.isdecimal() and len(key) < 19 for key in keys):
        return None
    is_file = "attachment" in response.get("Content-Disposition", "")
    return Read(
        ReadKind.DOWNLOADED if is_file else ReadKind.OPENED,
        model._meta.label_lower,
        object_id=", ".join(keys),
        cases=_cases_of(model, keys, rows),
    )


def _cases_of(model: Any, keys: list[str], rows: Sequence[Any]) -> list[int]:
    """Return the cases of rows, from the page's own where that names its case."""
    row = next((row for row in rows if [str(row.pk)] == keys), None)
    if row is None or paths_to_case(model) != ("incident",):
        return find_cases(model, list(map(int, keys)))
    return [row.incident_id] if row.incident_id is not None else []


def _narrowed_by(request: HttpRequest) -> str:
    """Return what a list was narrowed by, as it stands in the address."""
    return request.META.get("QUERY_STRING", "")


def _note(request: HttpRequest, read: Read, *, reads_on: bool = True) -> None:
    token = getattr(request, "auth", None)
    note_read(
        read,
        reader=request.user,  # type: ignore[arg-type]
        token=token if isinstance(token, ApiToken) else None,
        by_api=request.path_info.startswith(API),
        reads_on=reads_on,
    )


def _note_what_follows(request: HttpRequest, response: Any, read: Read) -> None:
    """Note the cases in a stream of rows once it has ended, however it ended.

    That it began is noted by then.
    """
    shown: list[int] | None = getattr(response, "shown_keys", None)
    if shown is None:
        return
    model = apps.get_model(read.subject)
    parts: Iterator[bytes] = iter(response.streaming_content)

    def sent() -> Iterator[bytes]:
        try:
            yield from parts
        finally:
            with telling_what_is_lost(request.path):
                cases = find_cases(model, shown)
                _note(request, replace(read, cases=cases))

    response.streaming_content = sent()


def _model_of_page(match: ResolverMatch) -> Any:
    """Return the model whose rows a page shows: a case's where it names one."""
    if OF_CASE in match.kwargs:
        return apps.get_model(CASE)
    return _model_named_in(match.url_name or "")


@cache
def _model_named_in(name: str) -> Any:
    """Return the model whose page has this name, the longest that fits."""
    fitting = [
        model
        for model in admin.site._registry
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_")
    ]
    return max(
        fitting, key=lambda model: len(str(model._meta.model_name)), default=None
    )


def find_cases(model: Any, keys: Sequence[int]) -> list[int]:
    """Return the keys of the cases that rows belong to; empty for what has none."""
    if not keys:
        return []
    if model._meta.label_lower == CASE:
        return list(keys)
    if model is AuditEntry:
        return _cases_of_entries(keys)
    paths = paths_to_case(model)
    if not paths:
        return []
    found: set[int | None] = set()
    for start in range(0, len(keys), CHUNK):
        rows = model._base_manager.filter(pk__in=keys[start : start + CHUNK])
        for cases in rows.values_list(*paths):
            found.update(cases)
    return sorted(key for key in found if key is not None)


def paths_to_case(model: Any) -> tuple[str, ...]:
    """Return the ways from a row to the cases it hangs from, as its model states."""
    return model.case_paths if issubclass(model, CaseBound) else ()


def _cases_of_entries(keys: Sequence[int]) -> list[int]:
    rows = AuditEntry.objects.filter(pk__in=keys).order_by()
    streams = rows.values_list("stream", flat=True).distinct()
    found = (find_case_of_stream(stream) for stream in streams)
    return sorted({case for case in found if case is not None})
