"""Alerts in the admin: the list, one alert, moving and splitting by hand, the rules."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, RefusableAdmin, person_of, read_key
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import add_refusal
from evidence.admin.form_fields import LongTextField
from evidence.errors import CasefileError, PermissionRefused
from evidence.models import TombstoneKind
from evidence.services.pruning import find_tombstone
from evidence.shown_times import say_length
from evidence.templatetags.casefile import badge, show_moment
from evidence.text import REASON_LENGTH, drop_unstorable, is_storable
from evidence.wording import label_of
from incidents.models import (
    Alert,
    AlertAssignment,
    AlertDecision,
    AlertRule,
    Incident,
)
from incidents.models.alerts import AlertQuerySet
from incidents.services.alerts.moves import move_alerts, split_alerts
from incidents.services.alerts.rules import save_rule
from incidents.services.changes import WORK
from incidents.workflow.alert_rules import TEAM_NEEDED, KeptNotice
from policy.models import Extension

CASES_SHOWN = 500
MOVABLE_MAX = 1_000
"""What one action moves; more is a sign of a filter that was forgotten."""


class MoveForm(forms.Form):
    """Into which open case, and why."""

    incident: forms.ModelChoiceField[Incident] = forms.ModelChoiceField(
        queryset=None, empty_label="Choose an open case"
    )
    reason = LongTextField(max_length=REASON_LENGTH)

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["incident"]
        field.queryset = Incident.objects.visible_to(person_of(request)).open()
        shown = field.queryset.order_by("-last_activity_at", "-pk")[:CASES_SHOWN]
        field.choices = [
            ("", field.empty_label),
            *((case.pk, str(case)) for case in shown),
        ]


class SplitForm(forms.Form):
    """Why they do not belong to their case."""

    reason = LongTextField(max_length=REASON_LENGTH)

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class CaseFilter(admin.SimpleListFilter):
    """Alerts with a case, with none, or of which nobody knows yet."""

    title = "case"
    parameter_name = "case"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("none", "No case"),
            ("some", "In a case"),
            ("waiting", AlertDecision.WAITING.label),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Alert]:
        alerts: AlertQuerySet = queryset
        if self.value() == "none":
            return alerts.without_case()
        if self.value() == "waiting":
            return alerts.waiting()
        if self.value() == "some":
            return alerts.filter(incident__isnull=False)
        return alerts


class CategoryFilter(admin.SimpleListFilter):
    """The categories that rules know; any other is found by searching."""

    title = "category"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = AlertRule.objects.order_by("category").values_list(
            "category", flat=True
        )
        return [(name, label_of(name)) for name in names.distinct()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Alert]
    ) -> QuerySet[Alert]:
        value = self.value()
        if not value or not is_storable(value):
            return queryset
        return queryset.filter(category=value)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts change nothing but their case, by an action that gives a reason."""

    list_display = (
        "happened",
        "category_words",
        "severity_label",
        "extension",
        "case",
        "decision_words",
        "source",
        "short_summary",
    )
    list_display_links = ("happened", "category_words")
    list_filter = (
        CaseFilter,
        CategoryFilter,
        "severity",
        "source",
        ("extension__extension_id", FieldTextFilter),
        ("happened_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("extension", "incident", "decided_incident")
    list_per_page = 50
    search_fields = ("=alert_id", "=call_id", "=category", "=extension__extension_id")
    search_help_text = "Alert ID, call ID, category or extension, exactly"
    actions = ("move_into_case", "split_from_case")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        alerts: Any = super().get_queryset(request)
        visible: QuerySet[Alert] = alerts.visible_to(person_of(request))
        return visible.defer("document")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Alert], search_term: str
    ) -> tuple[QuerySet[Alert], bool]:
        """Search by conditions that have an index each, none of them over a join."""
        words = drop_unstorable(search_term)
        if not words:
            return queryset, False
        named = Extension.objects.filter(extension_id__iexact=words)
        return queryset.filter(
            Q(alert_id__iexact=words)
            | Q(call_id__iexact=words)
            | Q(category__in={words, words.lower(), words.upper()})
            | Q(extension__in=list(named.values_list("pk", flat=True)))
        ), False

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(WORK)

    # --- columns --------------------------------------------------------------------

    @display(description="Happened", ordering="happened_at")
    def happened(self, alert: Alert) -> SafeString | str:
        return show_moment(alert.happened_at)

    @display(description="Category", ordering="category")
    def category_words(self, alert: Alert) -> str:
        return label_of(alert.category)

    @display(description="Severity")
    def severity_label(self, alert: Alert) -> SafeString:
        return badge(alert.severity, alert.get_severity_display(), kind="alert")

    @display(description="Case", ordering="incident")
    def case(self, alert: Alert) -> SafeString | str:
        if alert.incident is None:
            return "–"
        page = reverse("admin:incidents_incident_change", args=[alert.incident.pk])
        return format_html('<a href="{}">{}</a>', page, alert.incident.reference)

    @display(description="Decision", ordering="decision")
    def decision_words(self, alert: Alert) -> SafeString | str:
        """Return what the rules made of it then, and that it was moved since."""
        if alert.decision == AlertDecision.WAITING:
            return badge("alert waiting", AlertDecision.WAITING.label)
        decided = alert.decided_incident
        if decided is None:
            return str(alert.get_decision_display())
        verb = "Opened" if alert.decision == AlertDecision.OPENED else "Joined"
        words = f"{verb} {decided.reference}"
        if alert.incident_id == decided.pk:
            return words
        return f"{words}, {'moved' if alert.incident_id else 'split off'} since"

    @display(description="Summary")
    def short_summary(self, alert: Alert) -> str:
        return alert.summary[:120]

    # --- pages ----------------------------------------------------------------------

    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        moves = Prefetch(
            "assignments",
            AlertAssignment.objects.select_related(
                "incident", "previous_incident", "assigned_by", "rule"
            ),
        )
        alert = (
            self.get_queryset(request)
            .defer(None)
            .select_related("extension", "incident", "rule", "received_from")
            .prefetch_related(moves)
            .filter(pk=read_key(object_id))
            .first()
        )
        if alert is None:
            raise Http404
        return draw_page(
            request,
            "incidents/alerts/alert.html",
            opts=self.opts,
            title=f"Alert {alert.alert_id}",
            alert=alert,
            document=json.dumps(alert.document, indent=2, ensure_ascii=False),
            pruned=find_tombstone(TombstoneKind.ALERT_DOCUMENT, alert.pk),
            can_work=self.has_work_permission(request),
        )

    @admin.action(description="Move into a case…", permissions=["work"])
    def move_into_case(
        self, request: HttpRequest, queryset: QuerySet[Alert]
    ) -> HttpResponse | None:
        return self._ask(request, queryset, "move_into_case", MoveForm)

    @admin.action(description="Split from their case…", permissions=["work"])
    def split_from_case(
        self, request: HttpRequest, queryset: QuerySet[Alert]
    ) -> HttpResponse | None:
        return self._ask(request, queryset, "split_from_case", SplitForm)

    def _ask(
        self,
        request: HttpRequest,
        queryset: QuerySet[Alert],
        action: str,
        form_class: type[MoveForm | SplitForm],
    ) -> HttpResponse | None:
        """Show the form of an action; carry it out once the form is sent."""
        alerts = list(queryset.order_by("-id")[: MOVABLE_MAX + 1])
        if len(alerts) > MOVABLE_MAX:
            messages.error(request, f"Choose at most {MOVABLE_MAX} alerts at a time.")
            return None
        is_sent = "confirmed" in request.POST
        form = form_class(request.POST if is_sent else None, request=request)
        if is_sent and form.is_valid():
            try:
                self._carry_out(request, alerts, form.cleaned_data)
            except PermissionRefused as error:
                raise PermissionDenied(error.message) from error
            except CasefileError as error:
                add_refusal(form, error, {})
            else:
                return None
        return draw_page(
            request,
            "incidents/alerts/move.html",
            opts=self.opts,
            title="Move alerts" if form_class is MoveForm else "Split alerts",
            alerts=alerts,
            form=form,
            action=action,
        )

    def _carry_out(
        self, request: HttpRequest, alerts: Sequence[Alert], data: dict[str, Any]
    ) -> None:
        ids = [alert.pk for alert in alerts]
        actor, reason, target = person_of(request), data["reason"], data.get("incident")
        if target is not None:
            done = move_alerts(
                actor=actor, alert_ids=ids, incident_id=target.pk, reason=reason
            )
        else:
            done = split_alerts(actor=actor, alert_ids=ids, reason=reason)
        where = f"to {target.reference}" if target is not None else "out of their case"
        untouched = len(alerts) - len(done)
        rest = f" {untouched} had nowhere to go." if untouched else ""
        messages.success(request, f"Moved {len(done)} {where}.{rest}")


class AlertRuleForm(forms.ModelForm):
    """A rule as an administrator sets it."""

    class Meta:
        model = AlertRule
        fields = (
            "key",
            "is_enabled",
            "category",
            "least_severity",
            "count",
            "window_seconds",
            "opens_severity",
            "join_window_seconds",
            "tell",
            "tell_team",
        )

    def clean_count(self) -> int:
        return _require_positive(self.cleaned_data["count"])

    def clean_window_seconds(self) -> int:
        return _require_positive(self.cleaned_data["window_seconds"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        tells_team = cleaned.get("tell") == KeptNotice.TEAM
        if "tell" in cleaned and tells_team != bool(cleaned.get("tell_team")):
            self.add_error("tell_team", TEAM_NEEDED)
        return cleaned


def _require_positive(number: int) -> int:
    if number < 1:
        raise ValidationError("Give a number above 0.")
    return number


@admin.register(AlertRule)
class AlertRuleAdmin(RefusableAdmin):
    """Rules are set, disabled and enabled; none is deleted."""

    form = AlertRuleForm
    list_display = (
        "key",
        "is_enabled",
        "category_words",
        "least_severity",
        "count",
        "window",
        "opens_severity",
        "join_window",
        "tell",
        "tell_team",
    )
    list_select_related = ("tell_team",)
    list_filter = ("is_enabled", "opens_severity")
    ordering = ("category", "key")

    @display(description="Category", ordering="category")
    def category_words(self, rule: AlertRule) -> str:
        return label_of(rule.category)

    @display(description="Within", ordering="window_seconds")
    def window(self, rule: AlertRule) -> str:
        return say_length(dt.timedelta(seconds=rule.window_seconds))

    @display(description="Joins within", ordering="join_window_seconds")
    def join_window(self, rule: AlertRule) -> str:
        return say_length(dt.timedelta(seconds=rule.join_window_seconds))

    def has_delete_permission(
        self, request: HttpRequest, obj: AlertRule | None = None
    ) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: AlertRule, form: Any, change: bool
    ) -> None:
        save_rule(row=obj, actor=person_of(request))
