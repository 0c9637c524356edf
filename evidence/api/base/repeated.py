"""What is sent twice is refused: which value counts would be anybody's guess.

A proxy, a log or a filter in front may read the first where Casefile reads the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from django.utils.datastructures import MultiValueDict
from django_filters import MultipleChoiceFilter

from evidence.errors import SentTwice


def refuse_repeated(
    given: MultiValueDict[str, Any], *, several: Collection[str] = ()
) -> None:
    """Raise SentTwice for names that are sent more than once, but for `several`."""
    twice = [name for name, values in given.lists() if len(values) > 1]
    if names := set(twice).difference(several):
        raise SentTwice(*names)


def members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; raise SentTwice for members that it has twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise SentTwice(*(name for name, count in times.items() if count > 1))
    return members


def takes_several(view: Any) -> frozenset[str]:
    """Return the parameters that a view takes several values of."""
    filterset = getattr(view, "filterset_class", None)
    if filterset is None or getattr(view, "action", None) != "list":
        return frozenset()
    return frozenset(
        name
        for name, built in filterset.base_filters.items()
        if isinstance(built, MultipleChoiceFilter)
    )
