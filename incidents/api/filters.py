"""What lists of cases, phases and alerts can be narrowed by."""

from __future__ import annotations

from evidence.api.base import filters
from evidence.handling import CHOICES
from evidence.models.choices import choices_of
from incidents.case_queries import breached, on_hold, unverified
from incidents.models import AlertDecision
from incidents.workflow.alert_rules import AlertSeverity
from incidents.workflow.incident_states import IncidentSource, IncidentStatus, Severity
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Recoverability,
    Resolution,
)
from incidents.workflow.phases import Phase


class IncidentFilter(filters.FilterSet):
    status = filters.MultipleChoiceFilter(choices=choices_of(IncidentStatus))
    severity = filters.MultipleChoiceFilter(choices=choices_of(Severity))
    tlp = filters.MultipleChoiceFilter(choices=CHOICES)
    source = filters.MultipleChoiceFilter(choices=choices_of(IncidentSource))
    resolution = filters.MultipleChoiceFilter(choices=choices_of(Resolution))
    functional_impact = filters.MultipleChoiceFilter(
        choices=choices_of(FunctionalImpact)
    )
    information_impact = filters.MultipleChoiceFilter(
        choices=choices_of(InformationImpact)
    )
    recoverability = filters.MultipleChoiceFilter(choices=choices_of(Recoverability))
    playbook = filters.CharFilter(field_name="playbook_version__playbook__code")
    extension = filters.CharFilter(field_name="extensions__extension_id")
    lead = filters.CharFilter(field_name="lead__username")
    team = filters.CharFilter(field_name="team__name")
    label = filters.CharFilter(method="filter_label")
    on_hold = filters.TruthFilter(method="filter_on_hold")
    is_breached = filters.TruthFilter(method="filter_breached")
    is_unverified = filters.TruthFilter(method="filter_unverified")
    detected_after = filters.MomentFilter("detected_at", "gte")
    detected_before = filters.MomentFilter("detected_at", "lt")

    def filter_on_hold(self, queryset, name, value):  # type: ignore[no-untyped-def]
        return on_hold(queryset, held=value)

    def filter_breached(self, queryset, name, value):  # type: ignore[no-untyped-def]
        return breached(queryset, are=value)

    def filter_unverified(self, queryset, name, value):  # type: ignore[no-untyped-def]
        return unverified(queryset, are=value)

    def filter_label(self, queryset, name, value):  # type: ignore[no-untyped-def]
        return queryset.filter(labels__contains=[value])


class PhaseFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="cycle__incident__reference")
    phase = filters.MultipleChoiceFilter(choices=choices_of(Phase))
    is_completed = filters.TruthFilter(
        "completed_at", lookup_expr="isnull", exclude=True
    )
    is_breached = filters.TruthFilter("breached_at", lookup_expr="isnull", exclude=True)
    due_before = filters.MomentFilter("due_at", "lt")
    due_after = filters.MomentFilter("due_at", "gte")


class PlaybookFilter(filters.FilterSet):
    code = filters.CharFilter()


class PlaybookVersionFilter(filters.FilterSet):
    playbook = filters.CharFilter(field_name="playbook__code")


class AlertFilter(filters.FilterSet):
    source = filters.ChoiceFilter(choices=choices_of(IncidentSource))
    alert_id = filters.CharFilter()
    category = filters.CharFilter()
    severity = filters.MultipleChoiceFilter(choices=choices_of(AlertSeverity))
    extension = filters.CharFilter(field_name="extension__extension_id")
    call_id = filters.CharFilter()
    incident = filters.CharFilter(field_name="incident__reference")
    has_incident = filters.TruthFilter("incident", lookup_expr="isnull", exclude=True)
    decision = filters.ChoiceFilter(choices=AlertDecision.choices)
    happened_after = filters.MomentFilter("happened_at", "gte")
    happened_before = filters.MomentFilter("happened_at", "lt")
    received_after = filters.MomentFilter("received_at", "gte")
    received_before = filters.MomentFilter("received_at", "lt")


class AlertRuleFilter(filters.FilterSet):
    category = filters.CharFilter()
    is_enabled = filters.TruthFilter()
    opens_severity = filters.MultipleChoiceFilter(choices=choices_of(Severity))
