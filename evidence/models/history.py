"""The audit history: one hash chain for each incident, each extension, the system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pgtrigger
from django.apps import apps
from django.db import models
from django.db.models import (
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
)

from evidence.models.append_only import AppendOnlyModel
from evidence.models.case_bound import (
    AskedOfEachRow,
    CaseBound,
    KeyAmong,
    KeyIn,
    NamedIn,
)
from evidence.models.columns import optional_person_field
from evidence.models.fault_checks import FaultCheck
from evidence.models.indexes import part_index
from evidence.models.triggers import Trigger

ALERT = "incidents.alert"
BEGINNING_THEN_TIME = ("varchar_pattern_ops", "timestamptz_ops")
TEXT: dict[str, Any] = {"output_field": models.TextField()}

CONTINUE_THE_CHAIN = """
    SELECT sequence, entry_hash INTO last
      FROM evidence_auditentry
     WHERE stream = NEW.stream
     ORDER BY sequence DESC
     LIMIT 1;
    IF NEW.sequence <> COALESCE(last.sequence, 0) + 1
       OR NEW.previous_hash IS DISTINCT FROM last.entry_hash THEN
        RAISE EXCEPTION 'audit stream % stands at %: entry % does not continue it',
            NEW.stream, COALESCE(last.sequence, 0), NEW.sequence
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""


OF_CASES = ("incident", "reads")
"""Kinds of streams that a case has: of what was done to it, and of who read it."""


def _named_by_stream(cases: QuerySet[Any], *kinds: str) -> QuerySet[Any]:
    """Return which of these cases a row's stream is of, if it is of such a kind."""
    form = f"^(?:{'|'.join(kinds)}):[0-9]{{1,18}}$"
    return cases.filter(pk=KeyIn(OuterRef("stream"), form=form, colons=1))


class AuditEntry(AppendOnlyModel, CaseBound):
    """One recorded action. `entry_hash` covers every other column but the id.

    `stream` is `incident:<pk>`, `extension:<extension_id>` or `system`; `sequence`
    counts from 1 in each stream. `before` and `after` hold the changed values only.
    """

    case_paths = ()
    is_dear_to_count = True

    stream = models.CharField(max_length=300)
    sequence = models.PositiveBigIntegerField()
    recorded_at = models.DateTimeField()
    actor = optional_person_field(
        help_text="Who acted; empty where the system itself did."
    )
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=80)
    object_label = models.CharField(max_length=300)
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    previous_hash = models.CharField(  # noqa: DJ001 (null is what is hashed)
        max_length=64, null=True, blank=True
    )
    entry_hash = models.CharField(max_length=64)

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ("-recorded_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("stream", "sequence"), name="audit_stream_sequence_unique"
            ),
            # Not `unique=True`: that adds an index for LIKE, which nobody asks with.
            models.UniqueConstraint(
                fields=("entry_hash",), name="audit_entry_hash_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(sequence__gte=1), name="audit_sequence_from_one"
            ),
        )
        indexes = (
            models.Index(fields=("recorded_at",), name="audit_recorded_at"),
            models.Index(
                fields=("action", "recorded_at"),
                opclasses=BEGINNING_THEN_TIME,
                name="audit_by_action",
            ),
            models.Index(
                fields=("actor_name", "recorded_at"),
                opclasses=BEGINNING_THEN_TIME,
                name="audit_by_actor",
            ),
            part_index("object_label", "audit_part_of_label"),
            models.Index(
                fields=("object_type", "object_id"), name="audit_object_lookup"
            ),
        )
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="continue_chain",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                declare=[("last", "record")],
                func=CONTINUE_THE_CHAIN,
            ),
        )

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence} {self.action}"

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield what finds entries of these cases, their twins, and what names them.

        What is done to a case and to something else is one act in several streams. Who
        read a list is told with the keys of the cases that were in it. An alert may
        have come before it was one of a case.
        """
        yield _named_by_stream(cases, *OF_CASES)
        alert = KeyIn(OuterRef("object_id"), form="^[0-9]{1,18}$", colons=0)
        yield cases.annotate(
            entry_type=ExpressionWrapper(OuterRef("object_type"), **TEXT)
        ).filter(entry_type=ALERT, alerts__pk=alert)
        yield cls._twins_in(_named_by_stream(cases, "incident"))
        lists = apps.get_model("evidence", "RecordedRead").everything
        in_list = cases.filter(KeyAmong(F("pk"), OuterRef("cases")))
        yield lists.filter(Exists(in_list), entry=OuterRef("pk"))
        told = ("object_label", "reason", "before", "after")
        yield cases.filter(NamedIn(F("reference"), *map(OuterRef, told)))

    @classmethod
    def led_to_by(cls, keys: list[int]) -> Iterator[Q]:
        """Yield what leads to entries of these cases' streams, and of no case's."""
        own = [f"{kind}:{key}" for kind in OF_CASES for key in keys]
        yield Q(stream__in=own) | ~Q(stream__regex=f"^(?:{'|'.join(OF_CASES)}):")
        alerts: Any = apps.get_model("incidents", "Alert").everything.order_by()
        key = KeyIn(OuterRef("object_id"), form="^[0-9]{1,18}$", colons=0)
        # Looked up for each entry of an alert, and not for all alerts there are.
        foreign = alerts.filter(AskedOfEachRow(), pk=key, incident__isnull=False)
        foreign = foreign.exclude(incident__in=keys)
        yield ~Q(object_type=ALERT) | Q(~Exists(foreign))

    @classmethod
    def _twins_in(cls, named: QuerySet[Any]) -> QuerySet[Any]:
        """Return what finds an act in another stream that is told in these alone.

        `named` finds the hidden case that a row's stream is of.
        """
        columns = ("recorded_at", "action", "object_type", "object_id")
        twin = {name: OuterRef(name) for name in columns}
        elsewhere = cls.everything.filter(
            ~Exists(named), **twin, stream__startswith="incident:"
        )
        own = ExpressionWrapper(OuterRef("stream"), **TEXT)
        return (
            cls.everything.filter(Exists(named), AskedOfEachRow(), **twin)
            .annotate(own_stream=own)
            .exclude(own_stream__startswith="incident:")
            .exclude(Exists(elsewhere))
        )


class HistoryCheckQuerySet(models.QuerySet["HistoryCheck"]):
    def newest_whole(self) -> HistoryCheck | None:
        """Return the newest check of every stream."""
        return self.filter(is_whole=True).first()

    def unfinished(self) -> HistoryCheck | None:
        """Return the newest part that nothing has gone on with yet."""
        return self.exclude(reached="").filter(continuation=None).first()

    def standing(self) -> HistoryCheck | None:
        """Return the check that says how the history stands.

        A fault stands until every stream was found to hold: a later check of other
        streams says nothing about it.
        """
        says_something = models.Q(is_whole=True) | models.Q(fault_count__gt=0)
        return self.filter(says_something).first()


class HistoryCheck(FaultCheck):
    """One recomputation of every stream, or of chosen ones, with what it found."""

    is_whole = models.BooleanField(
        "of every stream",
        default=False,
        help_text="Whether every stream was read, and not chosen ones only.",
    )
    continues = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="continuation",
        help_text="The part before; its streams, entries and faults count here too.",
    )
    reached = models.CharField(
        "came to",
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="The last stream of a part that is to be continued; empty for one "
        "that came to its end.",
    )
    stream_count = models.PositiveIntegerField()
    entry_count = models.PositiveBigIntegerField()
    faults = models.JSONField(
        default=list, help_text="The first faults: stream, sequence, code, message."
    )

    objects = HistoryCheckQuerySet.as_manager()

    def __str__(self) -> str:
        found = "not at its end" if self.reached else "holds"
        if self.fault_count:
            found = f"{self.fault_count} faults"
        return f"history check {self.pk}: {found}"


class NotedHead(AppendOnlyModel, CaseBound):
    """The newest entry of a stream as a check found it.

    A chain alone cannot show that its newest entries were cut off; a later check that
    misses a noted head does.
    """

    case_paths = ()

    check_run = models.ForeignKey(
        HistoryCheck, on_delete=models.PROTECT, related_name="noted_heads"
    )
    stream = models.CharField(max_length=300)
    sequence = models.PositiveBigIntegerField()
    entry_hash = models.CharField(max_length=64)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("stream", "sequence")
        constraints = (
            models.UniqueConstraint(
                fields=("stream", "sequence"), name="noted_head_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence}"

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield what finds the heads of these cases' streams."""
        yield _named_by_stream(cases, *OF_CASES)
