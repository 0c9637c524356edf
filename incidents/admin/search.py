"""The search box: one word over cases and all that belongs to them, then people.

Each kind is one query over what the person may see, cut at SHOWN: what one may not see
is not found, and how much of it there is is not told either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_safe

from evidence.admin.base import person_of
from evidence.admin.drawing import draw_page
from evidence.models import CustodyEvent, CustodyKind, EvidenceItem, ReplayStep
from evidence.models.case_bound import listed
from evidence.text import is_storable
from incidents.case_queries import search_cases
from incidents.models import Alert, Incident
from policy.models import Extension

SHOWN = 50
LONGEST_TERM = 255
"""As long as the longest name that evidence has."""
SHORTEST_DIGEST = 6
DIGEST_LENGTH = 64
DIGEST_PREFIX = "sha256:"
HEX_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Match:
    """One thing found: what it is called, what tells it apart, and its page.

    `is_exact` says that the term is the whole reference, digest or ID of this one,
    `case` which case it is of, if of any.
    """

    title: str
    detail: str
    url: str
    is_exact: bool = False
    case: int | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of thing, the permission to see it, and how it is found."""

    title: str
    asked_by: str
    permission: str
    find: Callable[[User, str], Iterator[Match]]


@dataclass(frozen=True)
class Group:
    """What was found of one kind."""

    title: str
    matches: list[Match]
    has_more: bool


@require_safe
def search_view(request: HttpRequest) -> HttpResponse:
    """Open the one thing that the term names in full, or list all that it fits."""
    term = request.GET.get("s", "").strip()
    is_too_long = len(term) > LONGEST_TERM
    groups = [] if is_too_long else find(person_of(request), term)
    exact = [match for group in groups for match in group.matches if match.is_exact]
    if len(exact) == 1:
        return HttpResponseRedirect(exact[0].url)
    kinds = _kinds_for(person_of(request))
    context: dict[str, Any] = {
        "title": "Search",
        "term": term,
        "groups": groups,
        "shown": SHOWN,
        "longest": LONGEST_TERM,
        "is_too_long": is_too_long,
        "asked_by": [kind.asked_by for kind in kinds],
        "searched_for": term,
        "shown_cases": sorted(_cases_in(groups)),
    }
    return draw_page(request, "incidents/search.html", **context)


def _cases_in(groups: list[Group]) -> set[int]:
    return {match.case for group in groups for match in group.matches if match.case}


def find(user: User, term: str) -> list[Group]:
    """Return what this person may see of each kind, at most SHOWN of one."""
    # No text of the database holds NUL, and it refuses to be asked for one.
    if not term or not is_storable(term):
        return []
    found = ((kind.title, list(kind.find(user, term))) for kind in _kinds_for(user))
    return [
        Group(title, matches[:SHOWN], has_more=len(matches) > SHOWN)
        for title, matches in found
        if matches
    ]


def _kinds_for(user: User) -> list[Kind]:
    return [kind for kind in KINDS if user.has_perm(kind.permission)]


def _first(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Cut a query at one more than is shown, which tells that there are more."""
    return listed(rows)[: SHOWN + 1]


def _page(name: str, pk: int, **query: str) -> str:
    wanted = QueryDict(mutable=True)
    wanted.update(query)
    address = reverse(f"admin:{name}_change", args=[pk])
    return f"{address}?{wanted.urlencode()}" if query else address


def _find_cases(user: User, term: str) -> Iterator[Match]:
    rows = search_cases(Incident.objects.visible_to(user), term)
    # The case itself before those that tell of it, however many.
    is_named = Case(When(reference__iexact=term, then=1), default=0)
    for row in _first(rows.order_by(is_named.desc(), "-id")):
        yield Match(
            row.reference,
            f"{row.title} · {row.get_severity_display()} · {row.get_status_display()}",
            _page("incidents_incident", row.pk),
            is_exact=row.reference.lower() == term.lower(),
            case=row.pk,
        )


def _find_extensions(user: User, term: str) -> Iterator[Match]:
    rows = Extension.objects.filter(
        Q(extension_id__icontains=term)
        | Q(name__icontains=term)
        | Q(publisher__icontains=term)
    )
    for row in _first(rows.order_by("extension_id")):
        state = row.get_trust_state_display()
        detail = f"{row.name} · {state}" if row.name else state
        yield Match(row.extension_id, detail, _page("policy_extension", row.pk))


def _find_evidence(user: User, term: str) -> Iterator[Match]:
    """Find by any name the bytes came under, or by how their digest begins."""
    digest = term.lower().removeprefix(DIGEST_PREFIX).strip()
    items = EvidenceItem.objects.order_by()
    renamed = CustodyEvent.objects.filter(
        kind=CustodyKind.RECEIVED, original_name__icontains=term
    )
    found = items.filter(original_name__icontains=term).values("pk")
    more = [renamed.order_by().values("item")]
    if SHORTEST_DIGEST <= len(digest) <= DIGEST_LENGTH and set(digest) <= HEX_DIGITS:
        more.append(items.filter(sha256_hex__startswith=digest).values("pk"))
    rows = EvidenceItem.objects.visible_to(user).filter(pk__in=found.union(*more))
    for row in _first(rows.select_related("incident").order_by("-id")):
        kind = row.get_kind_display()
        yield Match(
            row.original_name,
            f"{row.incident.reference} · {kind} · SHA-256 {row.sha256_hex[:12]}…",
            _page("evidence_evidenceitem", row.pk),
            is_exact=row.sha256_hex == digest,
            case=row.incident_id,
        )


def _find_calls(user: User, term: str) -> Iterator[Match]:
    """Find the items in whose replay a call of this ID stands."""
    steps = ReplayStep.objects.filter(call_id=term).values("report__item")
    rows = EvidenceItem.objects.visible_to(user).filter(pk__in=steps)
    for row in _first(rows.select_related("incident").order_by("-id")):
        yield Match(
            f"Call {term}",
            f"{row.incident.reference} · {row.original_name}",
            _page("evidence_evidenceitem", row.pk, view="replay", call_id=term),
            is_exact=True,
            case=row.incident_id,
        )


def _find_alerts(user: User, term: str) -> Iterator[Match]:
    named = Q(call_id=term) | Q(alert_id__iexact=term)
    rows = Alert.objects.visible_to(user).filter(named)
    for row in _first(rows.select_related("incident", "extension").order_by("-id")):
        case = row.incident.reference if row.incident else "no case"
        category = row.category.replace("_", " ").capitalize()
        yield Match(
            f"Alert {row.alert_id}",
            f"{case} · {category} · {row.extension.extension_id}",
            _page("incidents_alert", row.pk),
            is_exact=True,
            case=row.incident_id,
        )


def _find_people(user: User, term: str) -> Iterator[Match]:
    named = (
        Q(username__icontains=term)
        | Q(first_name__icontains=term)
        | Q(last_name__icontains=term)
        | Q(email__icontains=term)
    )
    for row in _first(User.objects.filter(named).order_by("username")):
        parts = (
            row.get_full_name(),
            row.email,
            "" if row.is_active else "switched off",
        )
        detail = " · ".join(filter(None, parts))
        yield Match(row.get_username(), detail, _page("auth_user", row.pk))


KINDS = (
    Kind(
        "Cases",
        "a case's reference or title",
        "incidents.view_incident",
        _find_cases,
    ),
    Kind("Extensions", "an extension", "policy.view_extension", _find_extensions),
    Kind(
        "Evidence",
        "the name or SHA-256 of evidence",
        "evidence.view_evidenceitem",
        _find_evidence,
    ),
    Kind("Calls", "a call ID", "evidence.view_evidenceitem", _find_calls),
    Kind("Alerts", "an alert ID", "incidents.view_alert", _find_alerts),
    Kind("People", "a person", "auth.view_user", _find_people),
)
