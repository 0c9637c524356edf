"""What a case is linked to: tickets ("beads") and other cases."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.lookalikes import quote_name
from evidence.models.case_bound import shown_to
from evidence.text import drop_unstorable
from incidents.errors import IncidentError
from incidents.models import Incident, TicketLink, TimelineKind
from incidents.services.changes import (
    WORK,
    bump_revision,
    lock_cases,
    lock_open_incident,
    record_change,
)

WEB_SCHEMES = ("http", "https")
TICKET_LENGTH = 100
URL_LENGTH = 200


@transaction.atomic
def link_ticket(
    *,
    actor: Actor,
    incident_id: int,
    ticket: str,
    url: str = "",
    now: dt.datetime | None = None,
) -> TicketLink:
    """Link a ticket to a case; one that is linked already is returned as it is.

    Raise IncidentError where it is linked already with another address: what was given
    is not dropped without a word.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    name, address = _clean_ticket(ticket, url)
    link, is_new = TicketLink.objects.get_or_create(
        incident=incident,
        ticket=name,
        defaults={"url": address, "added_at": moment, "added_by": actor},
    )
    if not is_new and address not in ("", link.url):
        raise IncidentError(
            f"Ticket {quote_name(name)} is linked already, with "
            f"{link.url or 'no address'}, and a link keeps its address. Give the "
            "ticket alone, or write the new address to the timeline.",
            field="url",
        )
    if is_new:
        bump_revision(incident)
        record_change(
            incident,
            action="ticket.linked",
            actor=actor,
            now=moment,
            body=f"Ticket {quote_name(name)} linked",
            kind=TimelineKind.EVENT,
            after={"revision": incident.revision, "ticket": name, "url": address},
        )
    return link


@transaction.atomic
def link_related(
    *,
    actor: Actor,
    incident_id: int,
    reference: str,
    now: dt.datetime | None = None,
) -> Incident:
    """Link two cases as related, both ways; return the other one."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    other = find_other(incident_id, reference, actor=actor)
    # Both in one call, which orders them: two that relate each other take turns.
    locked = lock_cases((incident_id, other.pk), actor)
    if locked[incident_id].related.filter(pk=other.pk).exists():
        return other
    locked[incident_id].related.add(locked[other.pk])
    for own_id, related in ((incident_id, other.pk), (other.pk, incident_id)):
        bump_revision(locked[own_id])
        record_change(
            locked[own_id],
            action="incident.related",
            actor=actor,
            now=moment,
            body=f"Related to {locked[related].reference}",
            kind=TimelineKind.EVENT,
            after={
                "revision": locked[own_id].revision,
                "related": locked[related].reference,
            },
        )
    return other


def find_other(incident_id: int, reference: str, *, actor: Actor) -> Incident:
    """Return another case by its reference; raise IncidentError where there is none.

    One that the actor may not see is none.
    """
    cases = shown_to(actor, Incident.objects.all())
    other = cases.filter(reference=reference.strip().upper()).first()
    if other is None:
        raise IncidentError(
            f"There is no case {reference.strip()!r}. Give a reference such as "
            "SEC-INC-2026-0042.",
            field="reference",
        )
    if other.pk == incident_id:
        raise IncidentError(
            "A case is not related to itself. Name another one.", field="reference"
        )
    return other


def _clean_ticket(ticket: str, url: str) -> tuple[str, str]:
    name, address = drop_unstorable(ticket), drop_unstorable(url)
    if not name or len(name) > TICKET_LENGTH:
        raise IncidentError(
            f"Give a ticket of 1 to {TICKET_LENGTH} characters. This one has "
            f"{len(name)}.",
            field="ticket",
        )
    require_web_address(address)
    return name, address


def require_web_address(address: str, *, field: str = "url") -> None:
    """Raise IncidentError where a ticket's address is given and none of the web."""
    if address and not _is_web_address(address):
        raise IncidentError(
            "The ticket's address has to begin with http:// or https:// and name a "
            f"host, without spaces, in at most {URL_LENGTH} characters.",
            field=field,
        )


def _is_web_address(address: str) -> bool:
    if len(address) > URL_LENGTH or " " in address or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in WEB_SCHEMES and bool(parts.hostname)
