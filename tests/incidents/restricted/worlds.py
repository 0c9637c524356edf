"""Two worlds to compare: cases that are hidden from somebody, and none such cases.

In the second, the rows that are hidden are taken out of the database. What somebody is
answered there, to the same questions, is what they may be answered in the first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from evidence.models.case_bound import case_model
from tests.evidence.helpers import without_triggers
from tests.incidents.restricted.canaries import (
    case_bound_models,
    hidden_rows,
    told_by,
)

PAGES = 2
"""How far a list of one row a page is followed."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
NEW_EACH_TIME = re.compile(
    r'nonce="[^"]*"|\'nonce-[^\']*\'|value="[\w.:-]{32,}"'
    r"|[\da-f]{8}-[\da-f]{4}-[\da-f-]{22}"
    r'|"as_of":\s*"[^"]*"|as_of=[^&"\s]*'
    r"|^(?:x-request-id|etag|ratelimit-\w+|casefile-as-of|content-length|expires): .*$"
    # An order in force is of the installation: whoever sees the extension is told.
    r'|"kill_switch":\s*(?:null|"ordered")|field-kill_switch.*?</td>'
    # How long ago it was; the moment itself stands before it.
    r"|(?<=>)[^<>]*(?=</time>)",
    re.IGNORECASE | re.MULTILINE,
)
BEGAN = timezone.now()
NAMELESS = """
    UPDATE policy_extension SET first_seen_in = '' WHERE first_seen_in = ANY(%s)
"""


@dataclass(frozen=True)
class Question:
    """What is asked, and with which headers."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()


def forget_hidden(person: User) -> None:
    """Take every row out of the database that is hidden from somebody."""
    found = [
        (model, list(hidden_rows(model, person).values_list("pk", flat=True)))
        for model in case_bound_models()
    ]
    references = list(
        hidden_rows(case_model(), person).values_list("reference", flat=True)
    )
    for model, keys in found:
        own = (model._meta.db_table, model._meta.pk.column)
        for table, column in (*_links_of(model), own):
            statement = f'DELETE FROM "{table}" WHERE "{column}" = ANY(%s)'
            without_triggers(statement, keys)
    # It names its case by a word, which is left out where that case is hidden.
    without_triggers(NAMELESS, references)


def _links_of(model: Any) -> Iterator[tuple[str, str]]:
    """Yield the tables without a model that lead to this one, and their columns."""
    for relation in model._meta.get_fields(include_hidden=True):
        links = relation.related_model if relation.one_to_many else None
        if links is not None and links._meta.auto_created:
            yield links._meta.db_table, relation.field.column


def answers_to(client: Any, questions: Iterable[Question]) -> dict[str, str]:
    """Return what each question is answered, and what the pages that follow it are."""
    found = {}
    for question in questions:
        asked: Question | None = question
        for page in range(PAGES):
            if asked is None:
                break
            response, text = _ask(client, asked)
            found[f"{question.url}, page {page + 1}"] = text
            asked = _next_of(question, response)
    return found


def _ask(client: Any, question: Question) -> tuple[Any, str]:
    """Return an answer, and what it says but for what is new each time."""
    cache.clear()
    cookies = client.cookies.copy()
    with transaction.atomic():
        response = client.get(question.url, headers=dict(question.headers))
        text = f"{response.status_code}\n{told_by(response)}"
        transaction.set_rollback(True)
    client.cookies = cookies
    return response, MOMENT.sub(_if_old, NEW_EACH_TIME.sub("", text))


def _if_old(found: re.Match[str]) -> str:
    moment = parse_datetime(found[0])
    return found[0] if moment is not None and moment < BEGAN else ""


def _next_of(question: Question, response: Any) -> Question | None:
    """Return what a list of one row a page goes on with."""
    is_list = "page_size=1" in question.url and response.status_code == 200
    if not is_list or response.streaming:
        return None
    following = response.json()["next"]
    return Question(following) if following else None


def differences(one: dict[str, str], two: dict[str, str]) -> list[str]:
    """Return what is answered otherwise in one world than in the other, and where."""
    return [
        f"{name}: {_first_lines(one.get(name, ''), two.get(name, ''))}"
        for name in {**one, **two}
        if one.get(name) != two.get(name)
    ]


def _first_lines(one: str, two: str) -> str:
    lines = difflib.unified_diff(one.splitlines(), two.splitlines(), n=0, lineterm="")
    told = [line[:300] for line in lines if not line.startswith(("---", "+++", "@@"))]
    return "\n".join(told[:8])
