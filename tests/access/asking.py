"""Asking a route as somebody, and reading what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.core.cache import cache
from django.db.models import Model
from django.test import Client

from config.noted_reads import find_cases
from evidence.models import ApiToken, EvidenceItem, ExportRequest, NotedRead
from incidents.models import Incident
from policy.models import Extension, PolicySnapshot
from tests.access.people import NAMES, Who
from tests.access.routes import buttons
from tests.pages import hostile

HIDDEN_INDEX = "/admin/"
"""Where Django leads who asks for a row that it does not find."""

OWN_TOKENS = "admin/auth/user/tokens/"
TABLE_DEPTH = 4
"""How many slashes the address of a row's page has at least."""


class Outcome(StrEnum):
    DONE = "let through"
    SIGN_IN = "asked to sign in"
    REFUSED = "refused"
    ABSENT = "not found"
    METHOD = "no such method"
    FAULTY = "not understood"
    BROKEN = "broken"


REFUSALS = (Outcome.SIGN_IN, Outcome.REFUSED, Outcome.ABSENT, Outcome.METHOD)


def ask(client: Client, method: str, url: str, **sent: Any) -> Any:
    """Return the answer, asked by somebody who is signed in as before."""
    cookies = client.cookies.copy()
    cache.clear()
    answer = getattr(client, method)(url, **sent)
    client.cookies = cookies
    return answer


def outcome_of(answer: Any) -> Outcome:
    status = answer.status_code
    if status in (301, 302, 303):
        target = answer.headers["Location"]
        if target.startswith("/admin/login/"):
            return Outcome.SIGN_IN
        is_of_a_table = answer.wsgi_request.path.count("/") > TABLE_DEPTH
        is_absent = is_of_a_table and target == HIDDEN_INDEX
        return Outcome.ABSENT if is_absent else Outcome.DONE
    found = {401: Outcome.SIGN_IN, 403: Outcome.REFUSED, 404: Outcome.ABSENT}
    found[405] = Outcome.METHOD
    if status < 400:
        return Outcome.DONE
    return found.get(status, Outcome.BROKEN if status >= 500 else Outcome.FAULTY)


def address(path: str, case: Incident, who: Who = Who.SUPERUSER) -> str:
    """Return a route's address, of rows that there are."""
    return hostile.fill(path, values_of(path, case, who))


def values_of(path: str, case: Incident, who: Who) -> dict[str, str]:
    """Return arguments that lead to something, of this case where they can.

    What is anybody's own, is theirs who asks.
    """
    row = row_of(hostile.model_of(path), case)
    values = {
        "*": str(row.pk),
        "incident_id": str(case.pk),
        "item_pk": str(row_of(EvidenceItem, case).pk),
        "form": "md" if "postmortem" in path else "json",
        "table": "ages",
        "action": next(iter(buttons(path)), "nothing"),
        "app_label": "incidents",
        "url": "nowhere",
        "reference": case.reference,
    }
    if path == f"{OWN_TOKENS}<int:pk>/rotate/":
        values["pk"] = str(own_token(who))
    if "<int:export_pk>" in path:
        export = ExportRequest.objects.order_by("pk")[0]
        values |= {"pk": str(export.source_id), "export_pk": str(export.pk)}
    if "<int:before>" in path:
        before, after = PolicySnapshot.objects.order_by("pk")[:2]
        values |= {"before": str(before.pk), "after": str(after.pk)}
    return values


def own_token(who: Who) -> int:
    """Return the key of a token of this person's; 1 where they have none."""
    own = ApiToken.objects.filter(user__username=NAMES.get(who, ""))
    return own.values_list("pk", flat=True).first() or 1


def row_of(model: type[Model], case: Incident) -> Any:
    """Return a row of a table: the case's first, or the first of all."""
    rows = model._default_manager.order_by("pk")
    if model is Incident:
        return case
    if model is Extension:
        return rows.filter(incidents=case).first() or rows.first()
    to_case = {
        Incident: "incident",
        EvidenceItem: "item__incident",
        PolicySnapshot: "snapshot__incident",
    }
    for field in model._meta.concrete_fields:
        lookup = to_case.get(field.related_model)
        if lookup and lookup.split("__")[0] == field.name:
            return rows.filter(**{lookup: case}).first() or rows.first()
    return rows.first()


def newest_note() -> int:
    """Return the number of the newest note of who looked at what."""
    found: int | None = (
        NotedRead.objects.order_by("pk").values_list("pk", flat=True).last()
    )
    return found or 0


def is_noted(row: Model, *, since: int) -> bool:
    """Return whether the cases of a row are noted as read, after a note."""
    rows = NotedRead.objects.filter(pk__gt=since).values_list("cases", flat=True)
    noted = {case for cases in rows for case in cases}
    return {*find_cases(type(row), [row.pk])} <= noted
