"""Sign-ins that failed, that were locked and that worked, as axes keeps them."""

from __future__ import annotations

from typing import Any

from axes import admin as axes_admin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import action

from evidence.accounts.sign_ins import LIFT, lift_lock
from evidence.admin.base import ReadOnlyAdmin, is_within_bulk, person_of

for _model in (AccessAttempt, AccessFailureLog, AccessLog):
    admin.site.unregister(_model)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdmin, axes_admin.AccessAttemptAdmin):
    """What locks an account. Lifting a lock lets its person try again at once."""

    actions = ("lift_locks", "forget_expired")

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(LIFT)

    @action(description="Lift the locks", permissions=["lift"])
    def lift_locks(
        self, request: HttpRequest, queryset: QuerySet[AccessAttempt]
    ) -> None:
        if not is_within_bulk(request, queryset):
            return
        count = 0
        for attempt in queryset:
            lift_lock(attempt_id=attempt.pk, actor=person_of(request))
            count += 1
        messages.success(request, f"{count} may try again at once.")

    @action(description="Forget attempts that no longer count", permissions=["lift"])
    def forget_expired(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        # Axes counts from this moment, and notes it only where somebody signs in.
        request.axes_attempt_time = timezone.now()  # type: ignore[attr-defined]
        count = self.handler.clean_expired_user_attempts(request)
        messages.success(request, f"{count} attempts that no longer count are gone.")


@admin.register(AccessFailureLog)
class AccessFailureLogAdmin(ReadOnlyAdmin, axes_admin.AccessFailureLogAdmin):
    """Each failure with its name and address in full; logs mask both."""


@admin.register(AccessLog)
class AccessLogAdmin(ReadOnlyAdmin, axes_admin.AccessLogAdmin): ...
