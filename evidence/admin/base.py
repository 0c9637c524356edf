"""What the app's admin classes share."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from evidence.admin.moment_columns import CasefileAdmin
from evidence.errors import CasefileError, PermissionRefused

KEY_DIGITS = 18
# Rows that an action goes through one by one while the browser waits.
BULK_MOST = 100


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
    """Call a service and tell the person how it went; None where it refused."""
    try:
        result = service()
    except CasefileError as error:
        messages.error(request, error.message)
        return None
    messages.success(request, success)
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
