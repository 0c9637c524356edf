"""What the app's admin classes share."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.admin import ModelAdmin

from evidence.admin.long_lists import CountedPaginator, LongChangeList
from evidence.admin.methods import takes_forms
from evidence.admin.moment_columns import moment_column
from evidence.admin.searching import find_words
from evidence.admin.telling import tell
from evidence.errors import CasefileError, PermissionRefused

KEY_DIGITS = 18
# Rows that an action goes through one by one while the browser waits.
BULK_MOST = 100


class CasefileAdmin(ModelAdmin):
    """Shows moments with their zone, UTC on hover, and has room for pages of our own.

    A class that draws the page of a row or the page that adds one by itself overrides
    `object_page` or `add_page`; `page` gives it more. Its list may be of any length.
    """

    paginator = CountedPaginator
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return LongChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return find_words(queryset, self.get_search_fields(request), search_term), False

    def page(self, route: str, view: Callable[..., Any], name: str) -> URLPattern:
        """Return the address of one more page of this table, for who is signed in."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(view), name=name)

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Show or answer the page that adds a row."""
        return super().add_view(request)

    @takes_forms
    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show or answer the page of a row."""
        return super().change_view(request, object_id)

    def add_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        return self.add_page(request)

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **options: Any
    ) -> Any:
        return self.object_page(request, object_id)

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        return [self._shown(name) for name in super().get_list_display(request)]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> Sequence[Any]:
        names = super().get_readonly_fields(request, obj)
        return [self._shown(name) for name in names]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Name the read-only moments as get_readonly_fields does: both must match."""
        fixed = {
            str(getattr(field, "__name__", field)): field
            for field in self.get_readonly_fields(request, obj)
        }
        return [
            (title, {**options, "fields": _replaced(options["fields"], fixed)})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def _shown(self, name: Any) -> Any:
        if not isinstance(name, str):
            return name
        own = getattr(self, name, None)
        if callable(own):
            return name
        return moment_column(self.model, name) or name


def _replaced(fields: Sequence[Any], fixed: dict[str, Any]) -> list[Any]:
    return [
        _replaced(field, fixed)
        if isinstance(field, list | tuple)
        else fixed.get(field, field)
        for field in fields
    ]


class ChosenRows:
    """Mixin: an action on rows that cannot be keys says so; Django's raises."""

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(map(read_key, chosen)):
            messages.error(request, "Some of the chosen rows do not exist. Try again.")
            return HttpResponseRedirect(request.get_full_path())
        answer: HttpResponse | None = super().response_action(  # type: ignore[misc]
            request, queryset
        )
        return answer


class ReadOnlyAdmin(ChosenRows, CasefileAdmin):
    """Shows rows and changes none; superusers are not exempt."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


class RefusableAdmin(CasefileAdmin):
    """Shows the form again, as it was typed, where the service that saves refuses."""

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,
        **options: Any,
    ) -> Any:
        form_class = super().get_form(request, obj, change, **options)

        class Refusable(form_class):  # type: ignore[misc, valid-type]
            def clean(self) -> Any:
                cleaned = super().clean()
                refusal = getattr(request, "refusal", None)
                if refusal is not None:
                    name = refusal.field if refusal.field in self.fields else None
                    self.add_error(name, refusal.message)
                return cleaned

        return Refusable

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **options)
        except PermissionRefused:
            raise
        except CasefileError as error:
            request.refusal = error  # type: ignore[attr-defined]
            return super().changeform_view(request, *args, **options)


def read_key(text: object) -> int:
    """Return the key that an address or a form names; 0, which no row has, otherwise.

    A key is a positive number of PostgreSQL's bigint; Python refuses to read one of
    thousands of digits, and the database one beyond its range.
    """
    digits = str(text)
    is_key = digits.isascii() and digits.isdecimal() and len(digits) <= KEY_DIGITS
    return int(digits) if is_key else 0


def person_of(request: HttpRequest) -> User:
    """Return who is signed in; the admin lets nobody else come this far."""
    return cast(User, request.user)


def client_address(request: HttpRequest) -> str | None:
    """Return the IP address a request came from; None over a Unix socket."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def call_service(
    request: HttpRequest, service: Callable[[], Any], *, success: str
) -> Any:
    """Call a service and tell the person how it went; None where it refused.

    Nothing is told of a success whose text is empty: the caller does.
    """
    try:
        result = service()
    except CasefileError as error:
        messages.error(request, error.message)
        return None
    if success:
        tell(request, success)
    return result


def is_within_bulk(request: HttpRequest, rows: QuerySet[Any]) -> bool:
    """Return whether an action may go through these rows in one request; say if not."""
    count = rows.count()
    if count <= BULK_MOST:
        return True
    messages.error(
        request,
        f"{count} are chosen, and at most {BULK_MOST} are done at once. Nothing was "
        "done: filter the list, or choose fewer.",
    )
    return False


def way_back(request: HttpRequest, data: Any, page: str) -> str:
    """Return the address in the form's `next` where it is one of ours, or the page."""
    target = str((data or {}).get("next", ""))
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else page


def find_next(request: HttpRequest) -> str:
    """Return the page of ours that the address's `next` names, or the start page."""
    return way_back(request, request.GET, reverse("admin:index"))
