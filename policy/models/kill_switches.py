"""Kill switches: ordered, confirmed, asked to be lifted, lifted; each its own row."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.choices import choices_of
from evidence.models.columns import has_text, known, person_field
from evidence.models.triggers import Trigger
from policy.models.extensions import Extension
from policy.models.requests import (
    RequestState,
    ReviewedRequest,
    request_constraints,
    request_triggers,
)
from policy.rules.kill_switch import KillSwitchScope, KillSwitchState

LIFTED_BY_THIRD_PERSON = """
    SELECT ordered_by_id INTO activator FROM policy_killswitch
     WHERE id = NEW.kill_switch_id;
    IF NEW.approved_by_id = activator THEN
        RAISE EXCEPTION 'kill switch % was activated by user %: another must lift it',
            NEW.kill_switch_id, activator
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""
LIFTED_AS_APPROVED = """
    IF NOT EXISTS (
        SELECT 1 FROM policy_liftrequest AS request
         WHERE request.id = NEW.request_id
           AND request.kill_switch_id = NEW.kill_switch_id
           AND request.state = 'approved'
           AND request.requested_by_id = NEW.requested_by_id
           AND request.decided_by_id = NEW.approved_by_id) THEN
        RAISE EXCEPTION 'no approved request to lift kill switch % by these people',
            NEW.kill_switch_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""
LIFT_FOLLOWS = """
    IF NOT EXISTS (SELECT 1 FROM policy_killswitchlift WHERE request_id = NEW.id) THEN
        RAISE EXCEPTION 'lift request % is approved: its kill switch has to be lifted',
            NEW.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""


class KillSwitchQuerySet(models.QuerySet["KillSwitch"]):
    def active(self) -> "KillSwitchQuerySet":
        """Keep those that nobody lifted; an unconfirmed order counts."""
        return self.filter(lift__isnull=True)

    def unconfirmed(self) -> "KillSwitchQuerySet":
        """Keep the orders that stand and nobody confirmed: they may have no effect."""
        return self.active().filter(confirmation__isnull=True)

    def confirmed(self) -> "KillSwitchQuerySet":
        """Keep those that stand and are known to have taken effect."""
        return self.active().filter(confirmation__isnull=False)

    def covering(self, extension: Extension) -> "KillSwitchQuerySet":
        """Keep those that stop this extension, by name or by stopping all."""
        return self.filter(Q(extension=extension) | Q(scope=KillSwitchScope.ALL.value))

    def with_state(self) -> "KillSwitchQuerySet":
        """Select what says how far each has come."""
        return self.select_related("extension", "confirmation", "lift")

    def with_people(self) -> "KillSwitchQuerySet":
        """Select what says how far each has come, and who did what."""
        return self.with_state().select_related(
            "incident",
            "ordered_by",
            "confirmation__confirmed_by",
            "lift__requested_by",
            "lift__approved_by",
        )


class KillSwitch(AppendOnlyModel, CaseBound):
    """The order to stop one extension, or all of them."""

    case_paths = ("incident",)

    scope = models.CharField(max_length=10, choices=choices_of(KillSwitchScope))
    extension = models.ForeignKey(
        Extension,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="kill_switches",
    )
    reason = models.TextField()
    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.PROTECT, related_name="kill_switches"
    )
    ordered_at = models.DateTimeField()
    ordered_by = person_field()
    previous_trust = models.CharField(
        max_length=12,
        blank=True,
        help_text="The extension's trust when it was ordered.",
    )

    objects = CaseBoundManager.from_queryset(KillSwitchQuerySet)()
    everything = KillSwitchQuerySet.as_manager()

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "kill switches"
        ordering = ("-id",)
        constraints = (
            known("kill_switch_scope_known", "scope", KillSwitchScope),
            models.CheckConstraint(
                condition=Q(scope=KillSwitchScope.ALL.value, extension__isnull=True)
                | Q(scope=KillSwitchScope.EXTENSION.value, extension__isnull=False),
                name="kill_switch_names_its_extension",
            ),
            has_text("kill_switch_has_reason"),
        )
        permissions = (
            ("confirm_killswitch", "Can confirm that a kill switch took effect"),
        )

    def __str__(self) -> str:
        return f"kill switch for {self.extension or 'all extensions'}"

    @property
    def state(self) -> KillSwitchState:
        """How far it has come. Costs queries unless both relations are selected."""
        if hasattr(self, "lift"):
            return KillSwitchState.LIFTED
        if hasattr(self, "confirmation"):
            return KillSwitchState.CONFIRMED
        return KillSwitchState.ORDERED


class KillSwitchConfirmation(AppendOnlyModel, CaseBound):
    """The runtime's, or its operator's, word that the order took effect."""

    case_paths = ("kill_switch__incident",)

    kill_switch = models.OneToOneField(
        KillSwitch, on_delete=models.PROTECT, related_name="confirmation"
    )
    effective_at = models.DateTimeField()
    confirmed_at = models.DateTimeField()
    confirmed_by = person_field()
    means = models.TextField(help_text="What was run, and what it showed.")

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.kill_switch} confirmed"


class LiftRequest(ReviewedRequest, CaseBound):
    """A request to lift a kill switch, until a reviewer decides."""

    case_paths = ("kill_switch__incident",)

    kill_switch = models.ForeignKey(
        KillSwitch, on_delete=models.PROTECT, related_name="lift_requests"
    )

    class Meta(ReviewedRequest.Meta):
        abstract = False
        constraints = (
            *request_constraints("lift_request"),
            models.UniqueConstraint(
                fields=("kill_switch",),
                condition=Q(state=RequestState.PENDING),
                name="lift_one_pending",
            ),
        )
        triggers = (
            *request_triggers(("kill_switch",)),
            Trigger(
                name="lift_follows",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("state"),
                condition=pgtrigger.Q(new__state=RequestState.APPROVED),
                timing=pgtrigger.Deferred,
                func=LIFT_FOLLOWS,
            ),
        )

    def __str__(self) -> str:
        return f"lift of {self.kill_switch}: {self.get_state_display()}"


class KillSwitchLift(AppendOnlyModel, CaseBound):
    """The end of a kill switch, by a reviewer who neither activated it nor asks."""

    case_paths = ("kill_switch__incident",)

    kill_switch = models.OneToOneField(
        KillSwitch, on_delete=models.PROTECT, related_name="lift"
    )
    request = models.OneToOneField(
        LiftRequest, on_delete=models.PROTECT, related_name="lift"
    )
    reason = models.TextField()
    exception = models.TextField(
        blank=True, help_text="Why it is lifted before the case reached REMEDIATE."
    )
    lifted_at = models.DateTimeField()
    requested_by = person_field()
    approved_by = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(approved_by=F("requested_by")),
                name="lift_approver_is_second_person",
            ),
            has_text("lift_has_reason"),
        )
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="lifted_by_third_person",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                declare=[("activator", "bigint")],
                func=LIFTED_BY_THIRD_PERSON,
            ),
            Trigger(
                name="lifted_as_approved",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=LIFTED_AS_APPROVED,
            ),
        )

    def __str__(self) -> str:
        return f"{self.kill_switch} lifted"
