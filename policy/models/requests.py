"""Requests that a second person decides on: what all of them keep and refuse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pgtrigger
from django.db import models
from django.db.models import F, Q

from evidence.models.columns import has_text, known, optional_person_field, person_field
from evidence.models.triggers import Protect, ReadOnly, StateMachine


class RequestState(models.TextChoices):
    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Withdrawn"
    LAPSED = "lapsed", "Lapsed"


DECISION_FIELDS = ("decided_at", "decided_by", "decision_reason")
"""What a decision writes; fixed from then on."""
DECISIONS = (
    RequestState.APPROVED,
    RequestState.DECLINED,
    RequestState.WITHDRAWN,
    RequestState.LAPSED,
)
"""What ends the wait; a kind with states of its own has these among them."""


class ReviewedRequest(models.Model):
    """What somebody asks for, until another agrees, declines, or it is withdrawn.

    The database holds for every kind: it starts undecided, moves only along its state
    machine, is decided by somebody other than who asked, keeps its decision, and is
    never deleted.
    """

    what = "request"
    asked = "asked for"
    """The words of a kind in sentences: "only who asked for it can withdraw a …"."""

    reason = models.TextField()
    state = models.CharField(
        max_length=10, choices=RequestState, default=RequestState.PENDING
    )
    requested_at = models.DateTimeField()
    requested_by = person_field()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = optional_person_field()
    decision_reason = models.TextField(blank=True)

    class Meta:
        abstract = True
        ordering = ("-id",)


def request_constraints(
    prefix: str,
    states: type[models.TextChoices] = RequestState,
    *,
    waiting: str = RequestState.PENDING,
) -> tuple[models.BaseConstraint, ...]:
    """Return the rules of a kind's rows, each named with the prefix.

    `waiting` is the state before a decision. An approval and a refusal need a second
    person; one who withdraws decides alone, and nobody does where a request lapses
    or is overtaken.
    """
    return (
        known(f"{prefix}_state_known", "state", states),
        has_text(f"{prefix}_has_reason"),
        models.CheckConstraint(
            condition=Q(state=waiting, decided_at__isnull=True)
            | (~Q(state=waiting) & Q(decided_at__isnull=False)),
            name=f"{prefix}_waits_or_is_decided",
        ),
        models.CheckConstraint(
            condition=Q(
                state__in=[waiting, RequestState.WITHDRAWN, RequestState.LAPSED]
            )
            | (Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by"))),
            name=f"{prefix}_decided_by_second_person",
        ),
    )


def _decision_changes() -> pgtrigger.Q:
    changes = pgtrigger.Q()
    for name in DECISION_FIELDS:
        changes |= pgtrigger.Q(**{f"old__{name}__df": pgtrigger.F(f"new__{name}")})
    return changes


def request_triggers(
    fixed: Sequence[str],
    *,
    waiting: str = RequestState.PENDING,
    later_moves: Iterable[tuple[str, str]] = (),
) -> tuple[Any, ...]:
    """Return the triggers of a kind's rows; `fixed` are the fields of what is asked.

    `later_moves` are those that follow a decision, for a kind that goes on after it.
    """
    moves = [(waiting, decision) for decision in DECISIONS]
    return (
        Protect(name="never_deleted", operation=pgtrigger.Delete),
        Protect(
            name="starts_undecided",
            operation=pgtrigger.Insert,
            condition=pgtrigger.Q(new__state__df=waiting),
        ),
        StateMachine(
            name="state_moves",
            field="state",
            transitions=[(str(a), str(b)) for a, b in (*moves, *later_moves)],
        ),
        Protect(
            name="decided_stays_decided",
            operation=pgtrigger.Update,
            condition=pgtrigger.Q(old__decided_at__isnull=False) & _decision_changes(),
        ),
        ReadOnly(
            name="request_is_fixed",
            fields=[*fixed, "reason", "requested_at", "requested_by"],
        ),
    )
