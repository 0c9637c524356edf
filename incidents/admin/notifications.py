"""Notifications in the admin: the log, preferences, the plan."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import TabularInline
from unfold.decorators import action, display

from evidence.admin.base import ReadOnlyAdmin, is_within_bulk, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.methods import takes_forms
from evidence.admin.telling import Waiting, tell
from evidence.errors import CasefileError
from evidence.templatetags.casefile import badge, show_moment
from incidents.admin.notification_forms import (
    PlanForm,
    PreferenceForm,
    plan_values,
    preference_values,
)
from incidents.models import (
    Incident,
    Notification,
    NotificationAttempt,
    ReminderSettings,
)
from incidents.services.notifications.channels import why_mail_is_not_sent
from incidents.services.notifications.outbox import (
    RETRY,
    retry_notification,
    send_test_message,
)
from incidents.services.notifications.preferences import set_preferences
from incidents.services.notifications.reminder_settings import (
    CHANGE_REMINDERS,
    current_settings,
    set_reminders,
)

HISTORY_LENGTH = 20


class ChannelFilter(admin.SimpleListFilter):
    """By e-mail or by webhook."""

    title = "channel"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("email", "E-mail"), ("webhook", "Webhook")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Notification]
    ) -> QuerySet[Notification]:
        if self.value() not in {"email", "webhook"}:
            return queryset
        return queryset.filter(webhook__isnull=self.value() == "email")


class AttemptInline(TabularInline):
    """Every try and what came of it."""

    model = NotificationAttempt
    fields = ("number", "outcome", "detail", "ended_at")
    readonly_fields = fields
    extra = 0
    can_delete = False
    verbose_name_plural = "Tries"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """The log: who was told what by which channel, and how it went. Read-only."""

    list_display = (
        "headline",
        "case",
        "told",
        "state_label",
        "kind",
        "owed",
        "attempts",
        "problem",
    )
    list_filter = ("state", "kind", ChannelFilter, "was_late", "found_by_check")
    list_select_related = ("incident", "recipient", "webhook")
    list_per_page = 50
    search_fields = ("incident__reference", "recipient__username", "key")
    search_help_text = "Reference, recipient or key"
    actions = ("send_again",)
    inlines = (AttemptInline,)
    fields = (
        "headline",
        "kind",
        "incident",
        "told",
        "state",
        "problem",
        "owed_at",
        "send_at",
        "finished_at",
        "next_try_at",
        "attempts",
        "attempts_left",
        "was_late",
        "found_by_check",
        "key",
        "subject",
        "body",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        rows: QuerySet[Notification] = super().get_queryset(request)
        cases = Incident.objects.visible_to(person_of(request))
        if not cases.exists():
            return rows.filter(incident__isnull=True)
        return rows

    @display(description="Case")
    def case(self, row: Notification) -> SafeString | str:
        if row.incident is None:
            return "–"
        return format_html(
            '<span class="cf-reference">{}</span>', row.incident.reference
        )

    @display(description="To")
    def told(self, row: Notification) -> str:
        return row.addressee

    @display(description="State", ordering="state")
    def state_label(self, row: Notification) -> SafeString:
        return badge(row.state, row.get_state_display())

    @display(description="Due", ordering="owed_at")
    def owed(self, row: Notification) -> SafeString | str:
        return show_moment(row.owed_at, "day")

    @action(description="Send again", permissions=["retry"])
    def send_again(
        self, request: HttpRequest, queryset: QuerySet[Notification]
    ) -> None:
        if not is_within_bulk(request, queryset):
            return
        done = 0
        for pk in queryset.values_list("pk", flat=True):
            try:
                retry_notification(actor=person_of(request), notification_id=pk)
                done += 1
            except CasefileError as error:
                messages.error(request, f"Notification {pk}: {error.message}")
        if done:
            tell(request, Waiting(f"{done} will be tried again at once."))

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(RETRY))

    # --- my preferences ---------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("preferences/", preferences_view, "preferences"),
            self.page("preferences/test/", test_view, "test"),
            *super().get_urls(),
        ]


@takes_forms
def preferences_view(request: HttpRequest) -> HttpResponse:
    """Let a person say how they want to be told; only ever their own."""
    user = person_of(request)

    def carry_out(form: PreferenceForm) -> HttpResponse:
        data = form.cleaned_data
        set_preferences(
            actor=user,
            user=user,
            by_email=data["by_email"],
            webhooks=data.get("webhooks", ()),
            quiet_from=data["quiet_from"],
            quiet_until=data["quiet_until"],
            time_zone=data["time_zone"],
        )
        messages.success(request, "Your preferences are saved.")
        return HttpResponseRedirect(request.path)

    return answer_form(
        request,
        make=lambda data, files: PreferenceForm(
            data, user=user, initial=preference_values(user)
        ),
        run=carry_out,
        show=lambda form, error: draw_page(
            request,
            "incidents/notifications/preferences.html",
            title="My notifications",
            form=form,
            recent=_recent(request),
        ),
    )


@require_POST
@takes_forms
def test_view(request: HttpRequest) -> HttpResponse:
    """Send the person who asks a test message by each of their channels."""
    rows = send_test_message(actor=person_of(request))
    names = ", ".join(row.webhook.name if row.webhook else "e-mail" for row in rows)
    tell(request, Waiting(f"On its way by {names}. What becomes of it shows below."))
    if why_mail_is_not_sent() and any(row.webhook is None for row in rows):
        messages.warning(request, f"No mail arrives: {why_mail_is_not_sent()}.")
    return HttpResponseRedirect(reverse("admin:incidents_notification_preferences"))


@admin.register(ReminderSettings)
class ReminderSettingsAdmin(ReadOnlyAdmin):
    """The plan of reminders as one page; its past stays below it."""

    @takes_forms
    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        can_edit = request.user.has_perm(CHANGE_REMINDERS)
        if request.method == "POST" and not can_edit:
            raise PermissionDenied

        def carry_out(form: PlanForm) -> HttpResponse:
            set_reminders(
                actor=person_of(request),
                plan=form.document(),
                hold_minutes=form.cleaned_data["hold_minutes"],
            )
            messages.success(request, "The plan is saved and counts from now on.")
            return HttpResponseRedirect(request.path)

        return answer_form(
            request,
            make=lambda data, files: PlanForm(
                data, initial=plan_values(current_settings())
            ),
            run=carry_out,
            show=lambda form, error: draw_page(
                request,
                "incidents/notifications/settings.html",
                title="Reminders",
                form=form,
                can_edit=can_edit,
                past=ReminderSettings.objects.select_related("set_by")[:HISTORY_LENGTH],
            ),
        )


def _recent(request: HttpRequest) -> QuerySet[Notification]:
    return (
        Notification.objects.filter(recipient=person_of(request))
        .select_related("incident", "webhook", "recipient")
        .order_by("-id")[:10]
    )
