"""Asks every question as everybody for whom it differs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.accounts.tokens import create_token
from evidence.models import TokenScope
from incidents.models import Incident, Team
from incidents.workflow.incident_states import IncidentStatus
from tests.bench.scale.asked import Question, all_questions
from tests.bench.scale.measuring import (
    LONGEST_SECONDS,
    ROUNDS,
    Figure,
    Statement,
    explain,
    measure,
)
from tests.factories import make_user

EVERYTHING = "everything"
OWN = "own cases only"
LITERAL = re.compile(r"'[^']*'|\b\d+\b|\([%s, ]+\)")


def ask_all(
    *, only: str = "", as_one: bool = False, say: Callable[[str], None]
) -> list[Figure]:
    """Return what every question cost, as an administrator of all, and as each role
    for whom other statements are sent."""
    browsers, callers = _make_askers(as_one=as_one)
    rates = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    figures: list[Figure] = []
    open_doors = {"API_RATES_PER_MINUTE": rates, "METRICS_ALLOWED": ["127.0.0.1"]}
    with override_settings(**open_doors), connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{LONGEST_SECONDS}s'")
        questions = [one for one in all_questions() if re.search(only, one.name)]
        say(f"{len(questions)} questions")
        for question in questions:
            figures += _ask(question, callers if question.by_token else browsers)
    say(f"{len(figures)} asked")
    return figures


def _ask(question: Question, askers: dict[str, Any]) -> list[Figure]:
    known: set[str] = set()
    found = []
    for role, client in askers.items():
        if role != EVERYTHING and not question.is_of_roles:
            break
        rounds = ROUNDS if role == EVERYTHING else 1  # warm by then
        figure, statements = measure(
            question.name, role, question.url, client.get, rounds=rounds
        )
        form = _form_of(statements)
        if role != EVERYTHING and (form in known or 400 <= figure.status < 500):
            continue
        known.add(form)
        explain(figure, statements)
        found.append(figure)
    return found


def _form_of(statements: list[Statement]) -> str:
    """Return a digest of what was asked for, whatever the values."""
    forms = sorted({LITERAL.sub("?", one.sql) for one in statements})
    return hashlib.sha256("\n".join(forms).encode()).hexdigest()


def _make_askers(*, as_one: bool) -> tuple[dict[str, Client], dict[str, APIClient]]:
    people = {
        EVERYTHING: User.objects.get(username="root"),
        **{role.value: make_user(role) for role in Role if role is not Role.MACHINE},
        OWN: _make_narrow(),
    }
    if as_one:
        people = {EVERYTHING: people[EVERYTHING]}
    browsers, callers = {}, {}
    for name, person in people.items():
        browsers[name] = Client(raise_request_exception=False)
        browsers[name].force_login(person)
        _, secret = create_token(
            user=person, name="bench", scopes=list(TokenScope), days=1, actor=None
        )
        callers[name] = APIClient(raise_request_exception=False)
        callers[name].credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return browsers, callers


def _make_narrow() -> User:
    """Return somebody who sees the cases of a team only: one in fifty open ones."""
    person = make_user(Role.RESPONDER, "narrow")
    team, _ = Team.objects.get_or_create(
        name="Guests", defaults={"sees_only_own_cases": True}
    )
    team.members.add(person)
    opened = Incident.everything.filter(status=IncidentStatus.OPEN, team=None)
    keys = list(opened.order_by("pk").values_list("pk", flat=True)[::50])
    Incident.everything.filter(pk__in=keys).update(team=team)
    return person
