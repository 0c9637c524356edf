"""Sign-ins that failed, that were locked and that worked, as axes keeps them."""

from __future__ import annotations

from typing import Any

from axes import admin as axes_admin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action

from evidence.accounts.sign_ins import lift_lock
from evidence.admin.base import ChosenRows, person_of

for _model in (AccessAttempt, AccessFailureLog, AccessLog):
    admin.site.unregister(_model)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ChosenRows, ModelAdmin, axes_admin.AccessAttemptAdmin):
    """What locks an account. Deleting a row lets its person try again at once."""

    actions = ("forget_expired",)

    def delete_model(self, request: HttpRequest, obj: AccessAttempt) -> None:
        lift_lock(attempt_id=obj.pk, actor=person_of(request))

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[AccessAttempt]
    ) -> None:
        for attempt in queryset:
            lift_lock(attempt_id=attempt.pk, actor=person_of(request))

    @action(description="Forget attempts that no longer count", permissions=["delete"])
    def forget_expired(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        # Axes counts from this moment, and notes it only where somebody signs in.
        request.axes_attempt_time = timezone.now()  # type: ignore[attr-defined]
        count = self.handler.clean_expired_user_attempts(request)
        messages.success(request, f"{count} attempts that no longer count are gone.")


class KeptRows(ChosenRows, ModelAdmin):
    """What happened stays: nobody deletes these by hand."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AccessFailureLog)
class AccessFailureLogAdmin(KeptRows, axes_admin.AccessFailureLogAdmin):
    """Each failure with its name and address in full; logs mask both."""


@admin.register(AccessLog)
class AccessLogAdmin(KeptRows, axes_admin.AccessLogAdmin): ...
