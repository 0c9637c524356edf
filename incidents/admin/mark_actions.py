"""Marks of handling on the pages: of a case, and of each item of its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse

from evidence.admin.base import person_of
from evidence.admin.form_fields import PageForm
from evidence.admin.item_panels import Panel
from evidence.admin.page_actions import PageAction
from evidence.admin.telling import Waiting
from evidence.handling import Tlp
from evidence.models import EvidenceItem
from evidence.storable_values import BIGINT_MAX
from incidents.admin.form_fields import hidden_number, reason_field
from incidents.models import Incident, LooseningRequest
from incidents.services.changes import REVIEW, WORK
from incidents.services.lifecycle import marks
from policy.models import RequestState

Data = dict[str, Any]
CHOICES = [(mark.value, f"{mark.label}, {mark.meaning}") for mark in reversed(Tlp)]
"""The strictest first, each with whom it lets something go to."""
ASKED_OF_A_REVIEWER = Waiting(
    "Asked for. The mark stays as it is until a reviewer approves."
)


class MarkForm(PageForm):
    """Another mark; a looser one is asked for, with a reason."""

    item = hidden_number("Item", required=False, max_value=BIGINT_MAX)
    tlp = forms.ChoiceField(label="Mark", choices=CHOICES)
    reason = reason_field(
        required=False,
        help_text="Needed for a looser mark, which a reviewer has to approve.",
    )


class DecisionForm(PageForm):
    request_id = hidden_number("Request", min_value=1, max_value=BIGINT_MAX)


class DeclineForm(DecisionForm):
    reason = reason_field("Why not")


@dataclass(frozen=True)
class LooseningView:
    """A request that waits, and what this person can do about it."""

    request: LooseningRequest
    can_decide: bool
    can_withdraw: bool


@dataclass(frozen=True)
class ItemMark:
    """What the page of an item shows of its mark; `actions` is where forms go."""

    item: EvidenceItem
    choices: list[tuple[str, str]]
    waiting: list[LooseningView]
    can_mark: bool
    page: str

    def action(self, key: str) -> str:
        case = self.item.incident_id
        return reverse("admin:incidents_incident_do", args=[case, key])

    @property
    def mark_url(self) -> str:
        return self.action("mark")

    @property
    def approve_url(self) -> str:
        return self.action("approve-mark")

    @property
    def decline_url(self) -> str:
        return self.action("decline-mark")

    @property
    def withdraw_url(self) -> str:
        return self.action("withdraw-mark")


def waiting_loosenings(
    incident: Incident, user: Any, *, item: EvidenceItem | None = None
) -> list[LooseningView]:
    """Return the requests for a looser mark of a case, or of one item of it."""
    rows = LooseningRequest.objects.filter(
        incident=incident, item=item, state=RequestState.PENDING
    ).select_related("requested_by", "item")
    return [
        LooseningView(
            request=row,
            can_decide=row.requested_by_id != user.pk and user.has_perm(REVIEW),
            can_withdraw=row.requested_by_id == user.pk and user.has_perm(WORK),
        )
        for row in rows
    ]


def mark_panel(request: HttpRequest, item: EvidenceItem) -> Panel | None:
    """Return the mark of an item, with what can be done about it."""
    waiting = waiting_loosenings(item.incident, request.user, item=item)
    can_mark = request.user.has_perm(WORK)
    if not can_mark and not waiting:
        return None
    held = item.tlp
    choices = [
        (value, words)
        for value, words in CHOICES
        if value != held and Tlp(value).rank >= item.incident.mark.rank
    ]
    page = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    shown = ItemMark(item, choices, waiting, can_mark and bool(choices), page)
    return Panel("incidents/evidence/_mark.html", shown)


def _mark(request: HttpRequest, incident: Incident, data: Data) -> str:
    asked = marks.set_mark(
        actor=person_of(request),
        incident_id=incident.pk,
        item_id=data["item"],
        tlp=data["tlp"],
        reason=data["reason"],
    )
    return ASKED_OF_A_REVIEWER if asked else f"Marked {Tlp(data['tlp']).label}."


def _approve(request: HttpRequest, incident: Incident, data: Data) -> str:
    pk = _own_request(incident, data)
    done = marks.approve_loosening(actor=person_of(request), request_id=pk)
    return f"Approved: marked {done.wanted.label}."


def _decline(request: HttpRequest, incident: Incident, data: Data) -> str:
    marks.decline_loosening(
        actor=person_of(request),
        request_id=_own_request(incident, data),
        reason=data["reason"],
    )
    return "Declined: the mark stays as it is."


def _withdraw(request: HttpRequest, incident: Incident, data: Data) -> str:
    pk = _own_request(incident, data)
    marks.withdraw_loosening(actor=person_of(request), request_id=pk)
    return "Withdrawn: the mark stays as it is."


def _own_request(incident: Incident, data: Data) -> int:
    """Return the ID if the request is one of this case: no other is decided here."""
    pk: int = data["request_id"]
    if not LooseningRequest.objects.filter(pk=pk, incident=incident).exists():
        raise Http404
    return pk


MARK_ACTIONS: dict[str, PageAction] = {
    "mark": PageAction(
        "Mark how it is handled",
        "Mark it",
        MarkForm,
        _mark,
        WORK,
        help="A stricter mark counts at once, for all that the case holds.",
        fields={"reason_missing": "reason"},
    ),
    "approve-mark": PageAction(
        "Approve a looser mark", "Approve", DecisionForm, _approve, REVIEW
    ),
    "decline-mark": PageAction(
        "Decline a looser mark", "Decline", DeclineForm, _decline, REVIEW
    ),
    "withdraw-mark": PageAction(
        "Withdraw a looser mark", "Withdraw", DecisionForm, _withdraw, WORK
    ),
}
