"""Which methods a page takes: it is read, and takes a form only where it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import ResolverMatch
from django.views.generic import RedirectView

READS = ("GET", "HEAD")
FORMS = (*READS, "POST")
API = "/api/"
OWN_PAGE = {"_add": "add_page", "_change": "object_page"}
"""Which method of an admin class draws a page of Django's, by the end of its name."""
View = TypeVar("View", bound=Callable[..., Any])


def takes_forms(view: View) -> View:
    """Mark a view that a form may be sent to."""
    view.takes_forms = True  # type: ignore[attr-defined]
    return view


class PageMethodMiddleware:
    """Refuse a method that a page does not take, before anything is looked for.

    Django's own pages answer PUT and DELETE as they answer GET, and a form sent to a
    page that has none as if it had been taken. The API's views speak for themselves,
    and so do views that are classes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or request.path_info.startswith(API) or is_a_class(view):
            return None
        allowed = FORMS if takes_forms_at(view, match) else READS
        return None if request.method in allowed else HttpResponseNotAllowed(allowed)


def is_a_class(view: Any) -> bool:
    """Return whether a view is a class that knows its methods; a redirect does not."""
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return kind is not None and not issubclass(kind, RedirectView)


def takes_forms_at(view: Any, match: ResolverMatch) -> bool:
    """Return whether a form may be sent: the view, or the page it draws, says so.

    A list takes the actions that it has. What Django deletes by is a form, and refused
    by right.
    """
    name = match.url_name or ""
    model_admin = getattr(view, "model_admin", None)
    if model_admin is None or getattr(view, "takes_forms", False):
        return getattr(view, "takes_forms", False)
    if name.endswith("_changelist"):
        return bool(model_admin.actions)
    for end, page in OWN_PAGE.items():
        if name.endswith(end):
            own = getattr(model_admin, page, None)
            return own is None or getattr(own, "takes_forms", False)
    return name.endswith("_delete")
