"""Pages read one value of what is sent once: a name that is sent twice is refused.

A page that takes several asks for the list, as a choice of many and the boxes of rows
do. Django by itself gives the last of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, QueryDict

from evidence.errors import SentTwice


class SingleValues(QueryDict):
    """Values that were sent; the one of several is nobody's to take (SentTwice).

    A copy is plain: it is made to be changed, and Django's own add to what is there.
    """

    def __getitem__(self, key: str) -> Any:
        if len(self.getlist(key)) > 1:
            raise SentTwice(key)
        return super().__getitem__(key)

    def items(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        """Yield all, as what draws a page again goes through them: of several one."""
        for key in self:
            yield key, QueryDict.__getitem__(self, key)

    def copy(self) -> QueryDict:  # type: ignore[override]
        return _with_values(QueryDict("", mutable=True, encoding=self.encoding), self)


def read_address_singly(request: HttpRequest) -> None:
    """Hand on the parameters so that no one of several values is taken."""
    if _has_several(request.GET):
        request.GET = _strict(request.GET)


def read_form_singly(request: HttpRequest) -> None:
    """Read the form that was sent so that no one of several values is taken."""
    if _has_several(request.POST):
        request.POST = _strict(request.POST)


def _has_several(sent: QueryDict) -> bool:
    return any(len(values) > 1 for _, values in sent.lists())


def _strict(sent: QueryDict) -> Any:
    held = SingleValues("", mutable=True, encoding=sent.encoding)
    _with_values(held, sent)
    held._mutable = False
    return held


def _with_values(held: QueryDict, sent: QueryDict) -> QueryDict:
    for key, values in sent.lists():
        held.setlist(key, values)
    return held
