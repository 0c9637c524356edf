"""Incidents, the cycles they go through, and what they are linked to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.functional import cached_property

from evidence.handling import CASE_DEFAULT, CHOICES, Tlp
from evidence.lookalikes import show_hidden
from evidence.models import AppendOnlyModel
from evidence.models.case_bound import (
    CaseBound,
    CaseBoundManager,
    hidden_from,
    is_bound,
    leave_out,
)
from evidence.models.choices import choices_of
from evidence.models.columns import (
    known,
    optional_person_field,
)
from evidence.models.indexes import any_case_index, part_index
from evidence.models.triggers import Protect, ReadOnly, StateMachine, Trigger
from evidence.stored_moments import EARLIEST
from incidents.models.case_orders import SHOW_CLOCKS, WORST_FIRST, keeps_clocks
from incidents.models.outcome_fields import (
    outcome_constraints,
    outcome_field,
    stored_outcome,
)
from incidents.models.playbooks import PlaybookVersion
from incidents.models.teams import Team
from incidents.workflow.incident_states import (
    INCIDENT_MOVES,
    IncidentSource,
    IncidentStatus,
    Severity,
)
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Outcome,
    Recoverability,
    Resolution,
)
from policy.models import Extension

if TYPE_CHECKING:
    from incidents.models.phases import IncidentPhase


class ReferenceCounter(models.Model):
    """The last incident number given out in a year.

    Its row is locked while an incident opens: a rolled-back opening gives its number
    back, so references have no gap and no duplicate.
    """

    year = models.PositiveSmallIntegerField(primary_key=True)
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(name="year_is_fixed", fields=["year"]),
            Protect(
                name="only_upwards",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(
                    old__last_number__gt=pgtrigger.F("new__last_number")
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.year}: {self.last_number}"


REFUSE_UNFINISHED = """
    IF NOT EXISTS (
        SELECT 1 FROM incidents_incidentphase AS phase
          JOIN incidents_cycle AS cycle ON cycle.id = phase.cycle_id
         WHERE cycle.incident_id = NEW.id AND phase.phase = 'postmortem'
           AND phase.completed_at IS NOT NULL
           AND cycle.number = (SELECT max(number) FROM incidents_cycle
                                WHERE incident_id = NEW.id)) THEN
        RAISE EXCEPTION 'case % is closed after its postmortem: phases are open', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""
"""Phases complete in order, so a complete POSTMORTEM has all before it complete."""


REFUSE_UNRECORDED_MARK = """
    IF NOT EXISTS (
        SELECT 1 FROM evidence_markchange
         WHERE id = (SELECT max(id) FROM evidence_markchange
                      WHERE incident_id = NEW.id AND item_id IS NULL)
           AND from_tlp = OLD.tlp AND to_tlp = NEW.tlp) THEN
        RAISE EXCEPTION 'case % is marked %: no recorded change makes it %',
            NEW.id, OLD.tlp, NEW.tlp
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""
"""A mark is loosened only by a change that two people stand for."""


class IncidentQuerySet(models.QuerySet["Incident"]):
    def visible_to(self, user: AbstractUser | AnonymousUser) -> IncidentQuerySet:
        """Return the incidents this person may see: the single gate to cases."""
        if user.is_active and user.has_perm("incidents.view_incident"):
            from incidents.models.restrictions import among_shown

            rows: IncidentQuerySet = leave_out(self, hidden_from(user))
            return among_shown(rows, user) if is_bound(user) else rows
        return self.none()

    def hidden_from(
        self, person: AbstractBaseUser | AnonymousUser
    ) -> tuple[models.QuerySet[Incident], ...]:
        """Return the cases that are not there for somebody: the one rule there is.

        Empty where none is hidden, which one query finds out.
        """
        # The rows that name people point at cases, and so are below this module.
        from incidents.models.restrictions import hidden_cases_of

        return hidden_cases_of(person, self)

    def shown_if_bound(
        self, person: AbstractBaseUser | AnonymousUser, *, most: int
    ) -> list[int] | None:
        """Return up to so many keys of what is there for who sees a team's cases."""
        from incidents.models.restrictions import shown_if_bound

        return shown_if_bound(person, most=most)

    def open(self) -> IncidentQuerySet:
        return self.filter(status=IncidentStatus.OPEN)


class Incident(CaseBound):
    """One security incident, from the alert to the signed postmortem.

    `detected_at` is when the event was seen and starts every clock; `reported_at` is
    when the case was opened here. `revision` counts saved edits and is the optimistic
    lock. The reference is never changed or reused, and no incident is deleted.
    """

    case_paths = ("pk",)

    year = models.PositiveSmallIntegerField(editable=False)
    number = models.PositiveIntegerField(editable=False)
    reference = models.CharField(max_length=24, unique=True, editable=False)
    title = models.CharField(max_length=200)
    playbook_version = models.ForeignKey(
        PlaybookVersion, on_delete=models.PROTECT, related_name="incidents"
    )
    severity = models.CharField(max_length=10, choices=choices_of(Severity))
    source = models.CharField(
        max_length=20,
        choices=choices_of(IncidentSource),
        default=IncidentSource.MANUAL.value,
    )
    status = models.CharField(
        max_length=20,
        choices=choices_of(IncidentStatus),
        default=IncidentStatus.OPEN.value,
    )
    detected_at = models.DateTimeField()
    reported_at = models.DateTimeField()
    opened_by = optional_person_field()
    lead = optional_person_field(related_name="led_incidents")
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="incidents"
    )
    labels = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    extensions = models.ManyToManyField(Extension, related_name="incidents", blank=True)
    duplicate_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="duplicates",
    )
    related = models.ManyToManyField("self", blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = optional_person_field()
    closing_reason = models.TextField(blank=True)
    tlp = models.CharField(
        "mark of handling",
        max_length=10,
        choices=CHOICES,
        default=CASE_DEFAULT.value,
        db_default=CASE_DEFAULT.value,
    )
    is_restricted = models.BooleanField(
        "restricted",
        default=False,
        db_default=False,
        help_text="Only there for its lead and for the people and teams named on it.",
    )
    resolution = outcome_field(Resolution)
    functional_impact = outcome_field(FunctionalImpact)
    information_impact = outcome_field(InformationImpact)
    recoverability = outcome_field(Recoverability)
    revision = models.PositiveIntegerField(default=1, editable=False)
    last_activity_at = models.DateTimeField()
    next_due_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When the clock of the phase that runs is due; kept by triggers.",
    )
    late_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When a clock of the current cycle was or will be late; by triggers.",
    )

    objects = CaseBoundManager.from_queryset(IncidentQuerySet)()
    everything = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ("-detected_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("year", "number"), name="incident_number_unique_in_year"
            ),
            known("incident_severity_known", "severity", Severity),
            known("incident_source_known", "source", IncidentSource),
            known("incident_status_known", "status", IncidentStatus),
            models.CheckConstraint(
                condition=Q(status=IncidentStatus.OPEN.value, closed_at__isnull=True)
                | (~Q(status=IncidentStatus.OPEN.value) & Q(closed_at__isnull=False)),
                name="incident_closed_has_time",
            ),
            known("incident_mark_known", "tlp", Tlp),
            *outcome_constraints("incident"),
            models.CheckConstraint(
                condition=Q(
                    status__in=[IncidentStatus.OPEN.value, IncidentStatus.CLOSED.value]
                )
                | ~Q(closing_reason=""),
                name="incident_closed_early_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(status=IncidentStatus.CLOSED_DUPLICATE.value)
                | Q(duplicate_of__isnull=False),
                name="incident_duplicate_names_original",
            ),
            models.CheckConstraint(
                condition=Q(duplicate_of__isnull=True) | ~Q(duplicate_of=F("id")),
                name="incident_not_its_own_duplicate",
            ),
            models.CheckConstraint(
                condition=Q(detected_at__gte=EARLIEST),
                name="incident_detected_at_plausible",
            ),
        )
        indexes = (
            models.Index(fields=("status", "-detected_at"), name="incident_by_status"),
            models.Index(fields=("detected_at",), name="incident_detected_at"),
            models.Index(fields=("last_activity_at",), name="incident_last_activity"),
            models.Index(*WORST_FIRST, name="incident_worst_first"),
            models.Index(fields=("title", "-id"), name="incident_by_title"),
            models.Index(
                fields=("late_at",),
                condition=Q(late_at__isnull=False),
                name="incident_late",
            ),
            any_case_index("reference", "incident_reference_any_case"),
            part_index("reference", "incident_part_of_reference"),
            part_index("title", "incident_part_of_title"),
            models.Index(
                fields=("id",),
                condition=Q(is_restricted=True),
                name="incident_restricted",
            ),
        )
        permissions = (
            ("work_incident", "Can work incidents: evidence, phases, checklist, notes"),
            ("review_incident", "Can review: waive, sign, close without postmortem"),
            ("see_restricted", "Can see restricted cases without being named on them"),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="reference_is_fixed",
                fields=["year", "number", "reference", "opened_by", "reported_at"],
            ),
            Protect(
                name="starts_open",
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__status__df=IncidentStatus.OPEN.value),
            ),
            StateMachine(
                name="status_moves",
                field="status",
                transitions=[
                    (start.value, end.value)
                    for start, ends in INCIDENT_MOVES.items()
                    for end in sorted(ends)
                ],
            ),
            Trigger(
                name="closed_after_postmortem",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("status"),
                condition=pgtrigger.Q(
                    new__status=IncidentStatus.CLOSED.value,
                    old__status__df=IncidentStatus.CLOSED.value,
                ),
                func=REFUSE_UNFINISHED,
            ),
            Protect(
                name="starts_with_the_default_mark",
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__tlp__df=CASE_DEFAULT.value),
            ),
            Trigger(
                name="mark_is_its_newest_change",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("tlp"),
                condition=pgtrigger.Q(new__tlp__df=pgtrigger.F("old__tlp")),
                func=REFUSE_UNRECORDED_MARK,
            ),
            Trigger(
                name="shows_its_clocks",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert
                | pgtrigger.UpdateOf("next_due_at", "late_at"),
                func=SHOW_CLOCKS,
            ),
        )

    def __str__(self) -> str:
        return f"{self.reference} {show_hidden(self.title)}"

    @property
    def is_open(self) -> bool:
        return self.status == IncidentStatus.OPEN

    @property
    def mark(self) -> Tlp:
        return Tlp(self.tlp)

    @property
    def outcome(self) -> Outcome | None:
        """What it turned out to be; None for an open case and for a duplicate."""
        return stored_outcome(self)

    @cached_property
    def current_cycle(self) -> Cycle:
        """Return the newest cycle; it costs a query unless `cycles` is prefetched."""
        return max(self.cycles.all(), key=lambda cycle: cycle.number)

    @property
    def current_phase_name(self) -> str:
        """The phase that is running, or "" when all are complete. May query."""
        phase = self.current_cycle.running_phase
        return phase.phase if phase else ""


class TicketLink(AppendOnlyModel, CaseBound):
    """A ticket ("bead") in another system that belongs to an incident."""

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="ticket_links", db_index=False
    )
    ticket = models.CharField(max_length=100)
    url = models.URLField(blank=True)
    added_at = models.DateTimeField()
    added_by = optional_person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("ticket",)
        constraints = (
            models.UniqueConstraint(
                fields=("incident", "ticket"), name="ticket_link_once_per_incident"
            ),
        )

    def __str__(self) -> str:
        return self.ticket


class Cycle(CaseBound):
    """One passage through the phases. Reopening starts another; this one stays."""

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="cycles", db_index=False
    )
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    started_by = optional_person_field()
    reason = models.TextField(blank=True, help_text="Why it was reopened.")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(
                fields=("incident", "number"), name="cycle_number_unique"
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="ended_stays_ended",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ended_at__isnull=False),
            ),
            *keeps_clocks("SELECT incident_id FROM changed"),
        )

    def __str__(self) -> str:
        return f"cycle {self.number}"

    @property
    def running_phase(self) -> IncidentPhase | None:
        """The first phase that is not complete. May query for `phases`."""
        return next(
            (phase for phase in self.phases.all() if not phase.completed_at), None
        )
