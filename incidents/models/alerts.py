"""Alerts as machines post them, the rules that open cases, and where alerts went."""

from __future__ import annotations

import pgtrigger
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.db.models import Q

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.choices import choices_of
from evidence.models.columns import known, optional_person_field
from evidence.models.indexes import any_case_index
from evidence.models.tombstones import ONLY_PRUNED_DOCUMENTS
from evidence.models.triggers import Protect, ReadOnly, Trigger
from evidence.wording import label_of
from incidents.models.cases import Incident, Team
from incidents.workflow.alert_rules import (
    DAY_SECONDS,
    JOIN_WINDOW_SECONDS,
    AlertSeverity,
    KeptNotice,
)
from incidents.workflow.incident_states import IncidentSource, Severity
from policy.models import Extension

DECIDED = ("decision", "decided_incident", "rule")
"""What is set once: as an alert comes in, or later where it waits for that."""
ALERT_SOURCES = (IncidentSource.RISK_CONTROLLER, IncidentSource.CI_GATE)


class AlertDecision(models.TextChoices):
    """What the rules made of an alert when it came in.

    One that waits is stored, and will be decided once: its sender asked for no more.
    """

    WAITING = "waiting", "Waits for the rules"
    KEPT = "kept", "Kept"
    OPENED = "opened", "Opened a case"
    JOINED = "joined", "Joined a case"


class AlertRule(models.Model):
    """When alerts open a case, and how far from its alerts others join it.

    A case opens once `count` alerts of one extension and of `category`, each of at
    least `least_severity`, lie within the window. Disabled, never deleted: cases that
    a rule opened keep naming it.
    """

    key = models.SlugField(max_length=60, unique=True)
    is_enabled = models.BooleanField("enabled", default=True)
    category = models.CharField(max_length=100)
    least_severity = models.CharField(max_length=10, choices=choices_of(AlertSeverity))
    opens_severity = models.CharField(
        max_length=10,
        choices=choices_of(Severity),
        help_text="The severity of the case that opens.",
    )
    count = models.PositiveIntegerField(
        default=1, help_text="How many alerts within the window open a case."
    )
    window_seconds = models.PositiveIntegerField(default=DAY_SECONDS)
    join_window_seconds = models.PositiveIntegerField(
        default=JOIN_WINDOW_SECONDS,
        help_text="How far from the alerts of an open case another one still joins "
        "it. The widest of a category's enabled rules counts.",
    )
    tell = models.CharField(
        "tell of kept alerts",
        max_length=30,
        choices=choices_of(KeptNotice),
        default=KeptNotice.REVIEWERS_IF_CRITICAL.value,
        db_default=KeptNotice.REVIEWERS_IF_CRITICAL.value,
        help_text="Who is told of an alert of this rule that belongs to no case.",
    )
    tell_team = models.ForeignKey(
        Team,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name="team",
        help_text="Needed where a team is told.",
    )

    class Meta:
        ordering = ("category", "key")
        constraints = (
            known("alert_rule_severity_known", "least_severity", AlertSeverity),
            known("alert_rule_opens_severity_known", "opens_severity", Severity),
            models.CheckConstraint(
                condition=Q(count__gte=1, window_seconds__gte=1),
                name="alert_rule_counts_from_one",
            ),
            known("alert_rule_tell_known", "tell", KeptNotice),
            models.CheckConstraint(
                condition=Q(tell=KeptNotice.TEAM.value, tell_team__isnull=False)
                | (~Q(tell=KeptNotice.TEAM.value) & Q(tell_team__isnull=True)),
                name="alert_rule_team_told",
            ),
        )
        triggers = (Protect(name="never_deleted", operation=pgtrigger.Delete),)

    def __str__(self) -> str:
        return self.key


class AlertQuerySet(models.QuerySet["Alert"]):
    """Alerts by who may see them."""

    def visible_to(self, user: AbstractUser | AnonymousUser) -> AlertQuerySet:
        """Return the alerts without a case, and those of the cases one may see."""
        if not user.is_active or not user.has_perm("incidents.view_alert"):
            return self.none()
        visible = Incident.objects.visible_to(user)
        return self.filter(Q(incident__isnull=True) | Q(incident__in=visible))

    def waiting(self) -> AlertQuerySet:
        """Return the alerts that the rules have not looked at yet."""
        return self.filter(decision=AlertDecision.WAITING)

    def without_case(self) -> AlertQuerySet:
        """Return the alerts that were decided and belong to no case."""
        return self.filter(incident__isnull=True).exclude(
            decision=AlertDecision.WAITING
        )


class Alert(CaseBound):
    """One alert, kept as it was sent. `(source, alert_id)` comes in once.

    `document` is the alert with all its members, also those that no column repeats,
    and `document_sha256` is its canonical hash. Nothing of it changes but what the
    rules decide, once, and `incident`, the case it belongs to now; how it came there is
    in its assignments. `document` is null once it was pruned: a tombstone says when,
    and which archive has it.
    """

    case_paths = ("incident", "decided_incident")

    source = models.CharField(
        max_length=20,
        choices=[(source.value, label_of(source.value)) for source in ALERT_SOURCES],
    )
    alert_id = models.CharField("alert ID", max_length=200)
    extension = models.ForeignKey(
        Extension, on_delete=models.PROTECT, related_name="alerts", db_index=False
    )
    category = models.CharField(max_length=100)
    severity = models.CharField(max_length=10, choices=choices_of(AlertSeverity))
    happened_at = models.DateTimeField()
    capability = models.CharField(max_length=100, blank=True)
    method = models.CharField(max_length=100, blank=True)
    call_id = models.CharField("call ID", max_length=200, blank=True)
    reason_codes = models.JSONField(default=list, blank=True)
    summary = models.TextField(blank=True)
    risk_score = models.FloatField(null=True, blank=True)
    document = models.JSONField(null=True)
    document_sha256 = models.CharField("document SHA-256", max_length=64)
    received_at = models.DateTimeField()
    received_from = optional_person_field()
    decision = models.CharField(max_length=10, choices=AlertDecision)
    decided_incident = models.ForeignKey(
        Incident,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The case that the rules gave it to when it came in.",
    )
    rule = models.ForeignKey(
        AlertRule,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="alerts",
        help_text="The rule that decided; empty where none fitted.",
    )
    incident = models.ForeignKey(
        Incident,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="alerts",
        db_index=False,  # alert_by_case
    )

    objects = CaseBoundManager.from_queryset(AlertQuerySet)()
    everything = AlertQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("source", "alert_id"), name="alert_once_per_source"
            ),
            models.CheckConstraint(
                condition=Q(source__in=[source.value for source in ALERT_SOURCES]),
                name="alert_source_known",
            ),
            known("alert_severity_known", "severity", AlertSeverity),
            models.CheckConstraint(
                condition=Q(decision=AlertDecision.KEPT, decided_incident__isnull=True)
                | Q(
                    decision=AlertDecision.WAITING,
                    decided_incident__isnull=True,
                    incident__isnull=True,
                    rule__isnull=True,
                )
                | Q(
                    decision__in=(AlertDecision.OPENED, AlertDecision.JOINED),
                    decided_incident__isnull=False,
                ),
                name="alert_decision_names_case",
            ),
        )
        indexes = (
            models.Index(
                fields=("extension", "category", "happened_at"),
                condition=Q(incident__isnull=True),
                name="alert_kept_by_group",
            ),
            models.Index(
                fields=("extension", "category", "id"),
                condition=Q(decision="waiting"),
                name="alert_waiting",
            ),
            models.Index(fields=("incident", "happened_at"), name="alert_by_case"),
            models.Index(
                fields=("extension", "happened_at"), name="alert_by_extension"
            ),
            models.Index(fields=("happened_at",), name="alert_happened_at"),
            models.Index(fields=("category", "severity"), name="alert_by_category"),
            models.Index(fields=("call_id",), name="alert_by_call"),
            models.Index(fields=("received_at",), name="alert_received_at"),
            any_case_index("alert_id", "alert_id_any_case"),
            any_case_index("call_id", "alert_call_any_case"),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="only_its_case_changes",
                exclude=["incident", "document", *DECIDED],
            ),
            Protect(
                name="decided_once",
                operation=pgtrigger.Update,
                condition=~pgtrigger.Q(old__decision=AlertDecision.WAITING.value)
                & (
                    pgtrigger.Q(old__decision__df=pgtrigger.F("new__decision"))
                    | pgtrigger.Q(
                        old__decided_incident__df=pgtrigger.F("new__decided_incident")
                    )
                    | pgtrigger.Q(old__rule__df=pgtrigger.F("new__rule"))
                ),
            ),
            Protect(
                name="comes_with_document",
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__document__isnull=True),
            ),
            Trigger(
                name="only_pruned",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__document__df=pgtrigger.F("new__document")),
                func=ONLY_PRUNED_DOCUMENTS,
            ),
        )

    def __str__(self) -> str:
        return f"{self.category} {self.alert_id}"


class AlertMove(models.TextChoices):
    """Why an alert's case is the one it is."""

    OPENED = "opened", "Opened the case"
    JOINED = "joined", "Joined the case"
    MOVED = "moved", "Moved by hand"
    SPLIT = "split", "Split off by hand"


class AlertAssignment(AppendOnlyModel, CaseBound):
    """One move of an alert into a case, to another, or out of one."""

    case_paths = (
        "alert__incident",
        "alert__decided_incident",
        "incident",
        "previous_incident",
    )

    alert = models.ForeignKey(
        Alert, on_delete=models.PROTECT, related_name="assignments"
    )
    kind = models.CharField(max_length=10, choices=AlertMove)
    incident = models.ForeignKey(
        Incident,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="alert_assignments",
        help_text="The case it went to; empty where it was split off.",
    )
    previous_incident = models.ForeignKey(
        Incident, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    rule = models.ForeignKey(
        AlertRule, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    assigned_at = models.DateTimeField()
    assigned_by = optional_person_field(help_text="Empty where a rule decided.")
    reason = models.TextField(blank=True)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = (
            known("alert_move_known", "kind", AlertMove),
            models.CheckConstraint(
                condition=Q(incident__isnull=True, kind=AlertMove.SPLIT)
                | (Q(incident__isnull=False) & ~Q(kind=AlertMove.SPLIT)),
                name="alert_move_names_case",
            ),
        )

    def __str__(self) -> str:
        return f"{self.alert}: {self.get_kind_display()}"
