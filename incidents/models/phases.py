"""The seven phases of a cycle, their clocks, and the gates between them."""

import datetime as dt

import pgtrigger
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from evidence.loading import read_listed
from evidence.models import AppendOnlyModel, EvidenceItem, VerificationReport
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.columns import has_text, optional_person_field, person_field
from evidence.models.triggers import Protect, ReadOnly, Trigger
from evidence.stored_moments import EARLIEST
from incidents.models.case_orders import keeps_clocks
from incidents.models.cases import Cycle
from incidents.workflow.clocks import Clock
from incidents.workflow.conditions import UNWAIVABLE
from incidents.workflow.phases import Phase

PHASE_CHOICES = [(phase.value, phase.label) for phase in Phase]

REFUSE_ENDED_CYCLE = """
    IF EXISTS (SELECT 1 FROM incidents_cycle
                WHERE id = OLD.cycle_id AND ended_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the cycle has ended: % stays as it was', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
"""
REFUSE_OUT_OF_ORDER = """
    IF NEW.completed_at IS NOT NULL AND EXISTS (
        SELECT 1 FROM incidents_incidentphase
         WHERE cycle_id = NEW.cycle_id AND position < NEW.position
           AND completed_at IS NULL) THEN
        RAISE EXCEPTION 'phases complete in order: % is before its turn', NEW.phase
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
"""

REFUSE_UNSIGNED = """
    IF NOT EXISTS (
        SELECT 1 FROM incidents_postmortem AS postmortem
          JOIN incidents_postmortemversion AS version
            ON version.postmortem_id = postmortem.id
          JOIN incidents_postmortemreview AS review
            ON review.version_id = version.id AND review.verdict = 'signed'
          JOIN incidents_postmortemarchive AS archive ON archive.review_id = review.id
         WHERE postmortem.cycle_id = NEW.cycle_id AND postmortem.state = 'signed'
           AND version.number = (SELECT max(number) FROM incidents_postmortemversion
                                  WHERE postmortem_id = postmortem.id)) THEN
        RAISE EXCEPTION 'POSTMORTEM is complete once its newest version is signed '
            'and archived' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""

REFUSE_RECORD_OF_WHAT_RUNS = """
    IF NOT EXISTS (
        SELECT 1 FROM incidents_incidentphase AS phase
          JOIN incidents_cycle AS cycle ON cycle.id = phase.cycle_id
         WHERE phase.id = NEW.phase_id
           AND (phase.completed_at IS NOT NULL OR cycle.ended_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'a gate is kept when its phase is complete or its cycle ends'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
"""

CASES_OF_PHASES = """
    SELECT cycle.incident_id FROM changed
      JOIN incidents_cycle AS cycle ON cycle.id = changed.cycle_id
"""


def refuse_ended_cycle() -> Trigger:
    """Return the trigger that keeps the rows of an ended cycle as they were."""
    return Trigger(
        name="ended_cycle_stays",
        level=pgtrigger.Row,
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=REFUSE_ENDED_CYCLE,
    )


def is_late(now: dt.datetime) -> Q:
    """Return the phases that were completed after their limit, or are past it.

    A clock that still ran when its cycle ended has stood still since.
    """
    return Q(due_at__lt=Coalesce("completed_at", "cycle__ended_at", Value(now)))


class IncidentPhaseQuerySet(models.QuerySet["IncidentPhase"]):
    def late(self, now: dt.datetime | None = None) -> "IncidentPhaseQuerySet":
        """Return the phases that `is_late` says."""
        return self.filter(is_late(now or timezone.now()))


class IncidentPhase(CaseBound):
    """One phase of a cycle with its clock. Once completed it never changes.

    `counted_from`, `target_seconds` and `due_at` are frozen when the clock starts,
    which is at detection for most; `started_at` is when work on the phase could begin.
    REMEDIATE has no due time until the lead sets one, with `due_reason`.
    """

    case_paths = ("cycle__incident",)

    cycle = models.ForeignKey(
        Cycle, on_delete=models.PROTECT, related_name="phases", db_index=False
    )
    phase = models.CharField(max_length=12, choices=PHASE_CHOICES)
    position = models.PositiveSmallIntegerField()
    target_seconds = models.PositiveIntegerField(null=True, blank=True)
    counted_from = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    due_reason = models.TextField(blank=True)
    due_set_by = optional_person_field()
    completed_at = models.DateTimeField(null=True, blank=True)
    completed_by = optional_person_field()
    breached_at = models.DateTimeField(null=True, blank=True)

    objects = CaseBoundManager.from_queryset(IncidentPhaseQuerySet)()
    everything = IncidentPhaseQuerySet.as_manager()

    class Meta:
        ordering = ("cycle", "position")
        constraints = (
            models.UniqueConstraint(fields=("cycle", "phase"), name="phase_once"),
            models.CheckConstraint(
                condition=Q(phase__in=[phase.value for phase in Phase]),
                name="phase_known",
            ),
            models.CheckConstraint(
                condition=Q(completed_at__isnull=True) | Q(started_at__isnull=False),
                name="phase_completed_was_started",
            ),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True) | Q(due_at__gte=EARLIEST),
                name="phase_due_at_plausible",
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",),
                condition=Q(completed_at__isnull=True),
                name="phase_running_due_at",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="completed_stays_completed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__completed_at__isnull=False),
            ),
            refuse_ended_cycle(),
            Trigger(
                name="complete_in_order",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func=REFUSE_OUT_OF_ORDER,
            ),
            Protect(
                name="starts_incomplete",
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__completed_at__isnull=False)
                & ~pgtrigger.Q(new__phase=Phase.DETECT.value),
            ),
            Trigger(
                name="postmortem_is_signed",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(
                    new__phase=Phase.POSTMORTEM.value,
                    new__completed_at__isnull=False,
                    old__completed_at__isnull=True,
                ),
                func=REFUSE_UNSIGNED,
            ),
            *keeps_clocks(CASES_OF_PHASES),
        )

    def __str__(self) -> str:
        return self.get_phase_display()

    @property
    def name(self) -> Phase:
        return Phase(self.phase)

    @property
    def duration(self) -> dt.timedelta | None:
        """Time from where the clock counts to the completion; None until then."""
        if self.completed_at is None or self.counted_from is None:
            return None
        return self.completed_at - self.counted_from

    def as_clock(self) -> Clock:
        """Return the pure clock. Costs a query unless `waivers` is prefetched.

        A clock that still ran when its cycle ended has stood still since.
        """
        return Clock(
            phase=self.name,
            counted_from=self.counted_from,
            started_at=self.started_at,
            due_at=self.due_at,
            completed_at=self.completed_at,
            stopped_at=self.cycle.ended_at,
            waived=any(waiver.is_in_force for waiver in read_listed(self, "waivers")),
        )


class GateStatement(AppendOnlyModel, CaseBound):
    """What a person states for one condition of a phase's gate; the newest counts.

    For "isolation verified" it says how; for a failed report it is the explanation of
    `report`; for the root cause it is the text itself.
    """

    case_paths = ("phase__cycle__incident",)

    phase = models.ForeignKey(
        IncidentPhase, on_delete=models.PROTECT, related_name="statements"
    )
    condition_key = models.CharField(max_length=60)
    statement = models.TextField()
    report = models.ForeignKey(
        VerificationReport,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="explanations",
    )
    evidence_item = models.ForeignKey(
        EvidenceItem,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    stated_at = models.DateTimeField()
    stated_by = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.condition_key}: {self.statement[:60]}"


class GateRecord(AppendOnlyModel, CaseBound):
    """A gate as it stood when its phase was completed, or was left open by the cycle.

    What came later changes neither: pages, the API and postmortems read this row and
    never evaluate such a gate again. `conditions` are the conditions with their
    waivers, `facts` all that they were read from (incidents/workflow/gate_record.py).
    """

    case_paths = ("phase__cycle__incident",)

    phase = models.OneToOneField(
        IncidentPhase, on_delete=models.PROTECT, related_name="gate_record"
    )
    conditions = models.JSONField()
    facts = models.JSONField()
    recorded_at = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="only_of_what_ended",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=REFUSE_RECORD_OF_WHAT_RUNS,
            ),
        )

    def __str__(self) -> str:
        return f"gate of {self.phase}"


class GateWaiver(CaseBound):
    """A reviewer's decision to let a phase pass without one of its conditions.

    It can be revoked while its phase runs; the row then says so and stays.
    """

    case_paths = ("phase__cycle__incident",)

    phase = models.ForeignKey(
        IncidentPhase, on_delete=models.PROTECT, related_name="waivers"
    )
    condition_key = models.CharField(max_length=60)
    reason = models.TextField()
    waived_at = models.DateTimeField()
    waived_by = person_field()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = optional_person_field()
    revocation_reason = models.TextField(blank=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("phase", "condition_key"),
                condition=Q(revoked_at__isnull=True),
                name="gate_waived_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    revoked_at__isnull=True,
                    revoked_by__isnull=True,
                    revocation_reason="",
                )
                | (
                    Q(revoked_at__isnull=False, revoked_by__isnull=False)
                    & ~Q(revocation_reason="")
                ),
                name="gate_waiver_revoked_with_reason",
            ),
            has_text("gate_waiver_has_reason"),
            models.CheckConstraint(
                condition=~Q(condition_key__in=sorted(key.value for key in UNWAIVABLE)),
                name="gate_waiver_not_of_postmortem",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="decision_is_fixed",
                fields=["phase", "condition_key", "reason", "waived_at", "waived_by"],
            ),
            Protect(
                name="revoked_stays_revoked",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__revoked_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.condition_key} waived"

    @property
    def is_in_force(self) -> bool:
        return self.revoked_at is None
