"""Rows that hang from a case, and who is looking at them.

People who may not see a case are shown none of its rows. While a request is answered,
the managers of these models leave out what hangs from cases that are hidden from who
asks: a list, a count, a choice or a page that forgets to ask is closed, not open. Which
cases are hidden from whom is said once, by `hidden_from` of the model of cases. Workers
and commands look for nobody in particular and see every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet

M = TypeVar("M", bound=models.Model)
Rows = TypeVar("Rows", bound=QuerySet[Any])
Person = AbstractBaseUser | AnonymousUser
Hidden = tuple[QuerySet[Any], ...]
"""Querysets of cases; a case in any of them is hidden."""
FEW = 1000
"""Up to so many cases that are shown, the rows of lists are looked for from them."""
REFERENCE_PATTERN = "SEC-INC-[0-9]{4}-[0-9]{4,10}"


class NamedIn(models.Func):
    """Whether a case's reference, given first, stands in any of the texts after it.

    The references are taken out of the texts and looked up. To look for each case's
    reference in each text instead takes time for every hidden case at every row.
    """

    output_field = models.BooleanField()

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:  # type: ignore[override]
        column, *texts = (compiler.compile(part) for part in self.source_expressions)
        joined = ", ".join(sql for sql, _ in texts)
        found = f"regexp_matches(concat_ws(' ', {joined}), '{REFERENCE_PATTERN}', 'g')"
        sql = f"({column[0]} = ANY (ARRAY(SELECT ({found})[1])))"
        return sql, [one for _, params in (column, *texts) for one in params]


class KeyIn(models.Func):
    """The key that a text of such a form holds after so many colons; null otherwise.

    Matching and cutting take a tenth of the time that a group of the pattern takes.
    """

    output_field = models.BigIntegerField()
    template = (
        "CASE WHEN %(expressions)s ~ '%(form)s'"
        " THEN split_part(%(expressions)s, ':', %(place)s)::bigint END"
    )

    def __init__(self, text: Any, *, form: str, colons: int) -> None:
        super().__init__(text, form=form, place=colons + 1)

    def as_sql(self, *given: Any, **more: Any) -> tuple[str, Any]:
        sql, params = super().as_sql(*given, **more)
        return sql, [*params, *params]  # the text stands there twice


class AskedOfEachRow(models.Func):
    """A condition that always holds, and keeps an EXISTS beside it from being joined.

    PostgreSQL takes what it joins for a single row where it cannot estimate it, and
    compares each row with each. It joins no condition that may change as it reads.
    """

    output_field = models.BooleanField()
    template = "(clock_timestamp() IS NOT NULL)"


class KeyAmong(models.Func):
    """Whether a case's key is in an array; looked up, as NamedIn does."""

    output_field = models.BooleanField()
    template = "(%(expressions)s))"
    arg_joiner = " = ANY ("


class Viewer:
    """Who is looking. Asked for late: an API token is read after the request began."""

    def __init__(self, find_person: Callable[[], Person]) -> None:
        self._find_person = find_person
        self._hidden: dict[object, Hidden] = {}
        self._few: dict[object, list[int] | None] = {}

    @property
    def person(self) -> Person:
        return self._find_person()

    def hidden(self) -> Hidden:
        """Return the cases hidden from them; read once for each person."""
        person = self.person
        if person.pk not in self._hidden:
            self._hidden[person.pk] = case_model().everything.hidden_from(person)
        return self._hidden[person.pk]

    def is_bound(self) -> bool:
        """Return whether they see only cases of their own: most of all is hidden."""
        return self._own() is not None

    def few(self) -> list[int] | None:
        """Return the keys of the cases they see, where those are few; else None.

        As they were when first asked for: only to find rows by, which are shown or
        hidden by what holds then.
        """
        keys = self._own()
        return keys if keys is not None and len(keys) <= FEW else None

    def _own(self) -> list[int] | None:
        person = self.person
        if person.pk not in self._few:
            cases = case_model().everything
            found = (
                cases.shown_if_bound(person, most=FEW + 1) if self.hidden() else None
            )
            self._few[person.pk] = found
        return self._few[person.pk]


_viewer: ContextVar[Viewer | None] = ContextVar("viewer", default=None)


@contextmanager
def looked_at_by(viewer: Viewer | None) -> Iterator[None]:
    """Hide what this viewer may not see, inside; for None, nothing."""
    token = _viewer.set(viewer)
    try:
        yield
    finally:
        _viewer.reset(token)


def unwatched() -> Any:
    """Return the context of what has to count every row, for any asker."""
    return looked_at_by(None)


def case_model() -> Any:
    """Return the model of cases, which is of an app above."""
    return apps.get_model("incidents", "Incident")


def hidden_cases() -> Hidden:
    """Return the cases that are hidden from who is looking; none where nobody is."""
    viewer = _viewer.get()
    return viewer.hidden() if viewer is not None else ()


def hidden_from(person: Person) -> Hidden:
    """Return the cases that are hidden from a person, not from who is looking."""
    return _as(person).hidden()


def is_bound(person: Person) -> bool:
    """Return whether a person sees only cases of their own."""
    return _as(person).is_bound()


def _as(person: Person) -> Viewer:
    """Return a person as a viewer: who is looking, where that is the same."""
    viewer = _viewer.get()
    if viewer is not None and viewer.person.pk == person.pk:
        return viewer
    return Viewer(lambda: person)


def shown_to(actor: Person | None, rows: Rows) -> Rows:
    """Return what an actor may see of rows; for None, the system, all."""
    return rows if actor is None else leave_out(rows, hidden_from(actor))


def is_shown(case: Any) -> bool:
    """Return whether who is looking may see this case; it costs a query if any is not.

    For what a row says of another case, reached by a relation that no manager guards.
    """
    return is_case_shown(case.pk)


def is_case_shown(pk: int) -> bool:
    """Return whether who is looking may see the case of this key, as is_shown does."""
    return not any(rows.filter(pk=pk).exists() for rows in hidden_cases())


def leave_out(rows: Rows, hidden: Hidden) -> Rows:
    """Return the rows that hang from none of these cases."""
    model: Any = rows.model
    if not issubclass(model, CaseBound):
        return rows
    for cases in hidden:
        for found in model.found_in(cases):
            rows = rows.filter(~Exists(found))
    return rows


def shown(rows: Rows) -> Rows:
    """Return what who is looking may see, of rows that were asked for earlier."""
    return leave_out(rows, hidden_cases())


def listed(rows: Rows) -> Rows:
    """Return the same rows, looked for among few cases where who is looking sees few.

    For lists. What is hidden is left out all the same; but to find fifty rows that are
    not, nearly all of a table is read where nearly all of it is hidden. Here an index
    leads from the cases that are shown to their rows.
    """
    model: Any = rows.model
    keys = few_shown() if issubclass(model, CaseBound) else None
    return rows if keys is None else rows.filter(*model.led_to_by(keys))


def few_shown() -> list[int] | None:
    """Return the keys of the cases that who is looking sees, where those are few."""
    viewer = _viewer.get()
    return viewer.few() if viewer is not None else None


def shown_reference(text: str) -> str:
    """Return a case's reference, or "" where it is of one that is hidden."""
    found = (rows.filter(reference=text).exists() for rows in hidden_cases())
    return "" if any(found) else text


def is_sparse(model: Any) -> bool:
    """Return whether so much of a table is hidden that to count it reads too much.

    From who sees only cases of their own, and cannot be led by these to their rows.
    """
    viewer = _viewer.get()
    if viewer is None or not issubclass(model, CaseBound) or not viewer.is_bound():
        return False
    return model.is_dear_to_count or viewer.few() is None


def _on_the_way(model: Any, path: str, cases: QuerySet[Any]) -> QuerySet[Any]:
    """Return what a row's path leads through to these cases.

    Joined inside, not outside: the rows can still be locked, counted and updated.
    """
    if path == "pk":
        return cases.filter(pk=OuterRef("pk"))
    first, _, rest = path.partition("__")
    column = model._meta.get_field(first)
    if not rest:
        return cases.filter(pk=OuterRef(column.attname))
    towards: Any = column.related_model._base_manager
    return towards.filter(pk=OuterRef(column.attname), **{f"{rest}__in": cases})


def _led_to(model: Any, path: str, keys: list[int]) -> Q | None:
    """Return the rows whose path leads to a case with one of these keys, or to none.

    None where more than the path's first step may lead nowhere: no index finds that.
    """
    if path == "pk":
        return Q(pk__in=keys)
    first, _, rest = path.partition("__")
    column = model._meta.get_field(first)
    found: Any = keys
    if rest:
        towards = column.related_model
        if may_lead_nowhere(towards, rest):
            return None
        rows = towards._base_manager.filter(**{f"{rest}__in": keys})
        found = rows.order_by().values("pk")
    among = Q(**{f"{first}__in": found})
    return among | Q(**{f"{first}__isnull": True}) if column.null else among


def may_lead_nowhere(model: Any, path: str) -> bool:
    """Return whether a row can be without what this path leads to."""
    for name in path.split("__"):
        column = model._meta.get_field(name)
        if column.null:
            return True
        model = column.related_model
    return False


class CaseBoundManager(models.Manager[M]):
    """The rows of the cases that who is looking may see."""

    def get_queryset(self) -> QuerySet[M]:
        return shown(super().get_queryset())


class CaseBound(models.Model):
    """Base of every model that hangs from a case.

    `case_paths` lead from a row to its cases, such as `item__incident`. `objects` is
    what anybody may be shown; `everything` is for what must not depend on who asks:
    numbers, locks, and what is in force.
    """

    case_paths: ClassVar[tuple[str, ...]]
    is_dear_to_count: ClassVar[bool] = False
    """Whether what hides a row is not its own columns alone."""

    objects: Any = CaseBoundManager()
    everything: Any = models.Manager()

    class Meta:
        abstract = True

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield subqueries, one of which has a row where a row hangs from the cases."""
        for path in cls.case_paths:
            yield _on_the_way(cls, path, cases)

    @classmethod
    def led_to_by(cls, keys: list[int]) -> Iterator[Q]:
        """Yield conditions that every row fulfils which only hangs from these cases.

        Other rows may, too: what is hidden is left out by `found_in`.
        """
        for path in cls.case_paths:
            condition = _led_to(cls, path, keys)
            if condition is not None:
                yield condition
