"""*Response times*: how long phases take, whether in time, and how much there is.

Every figure opens the cases behind it, in the list of cases with its filters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from evidence.admin.drawing import draw_page
from evidence.spreadsheets import write_table
from incidents.services.metrics import (
    GROUPS,
    MetricsQuestion,
    ask_metrics,
    read_ages,
    read_figures,
    read_groups,
    read_weeks,
)
from incidents.workflow.incident_states import IncidentStatus
from incidents.workflow.metrics import (
    MEASURED_PHASES,
    AgeCount,
    PhaseFigures,
    WeekCount,
)
from incidents.workflow.phases import Phase

MONTHS = (3, 6, 12)
GROUPINGS = ("all", *GROUPS, "everything")
WIDTH, HEIGHT = 420, 150
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 10, 24
# Beyond this share of the accent a number on its ground is no longer readable.
DEEPEST = 40


@dataclass(frozen=True)
class Bar:
    """A month of a phase's plot, in the units of its view box."""

    figures: PhaseFigures
    href: str
    x: float
    width: float
    middle: float
    median_y: float
    high_y: float


@dataclass(frozen=True)
class PhasePlot:
    """Median and 90th percentile of a phase by month, with its limit as a line."""

    phase: Phase
    bars: list[Bar]
    limit: dt.timedelta | None
    limit_y: float | None
    width: int = WIDTH
    height: int = HEIGHT
    floor: int = HEIGHT - BOTTOM


def response_times_view(request: HttpRequest) -> HttpResponse:
    """Show the figures of the cases that this person may see."""
    asked = _read_question(request)
    cases, since = asked.incidents, asked.since
    together = read_figures(incidents=cases, since=since, groups=())
    by_month = read_figures(incidents=cases, since=since, groups={"month"})
    known = {frozenset(): together, frozenset({"month"}): by_month}
    figures = known.get(asked.groups) or read_figures(
        incidents=cases, since=since, groups=asked.groups
    )
    grouping, months = _given(request)
    context: dict[str, Any] = {
        "title": "Response times",
        "rows": _metric_rows(figures),
        "phases": MEASURED_PHASES,
        "shares": [_share(phase_figures, since) for phase_figures in together],
        "plots": _plots(by_month),
        "weeks": _week_grid(read_weeks(incidents=cases, since=since), since),
        "ages": _age_bars(read_ages(incidents=cases)),
        "grouping": grouping,
        "groupings": GROUPINGS,
        "months": months,
        "month_choices": MONTHS,
    }
    return draw_page(request, "incidents/response_times/page.html", **context)


def response_times_csv(request: HttpRequest, table: str) -> HttpResponse:
    """Return one table of the page for a spreadsheet; lengths are in seconds."""
    asked = _read_question(request)
    cases, since = asked.incidents, asked.since
    if table == "phases":
        text = _phases_csv(
            read_figures(incidents=cases, since=since, groups=asked.groups)
        )
    elif table == "weeks":
        text = _weeks_csv(read_weeks(incidents=cases, since=since))
    elif table == "ages":
        text = _ages_csv(read_ages(incidents=cases))
    else:
        raise Http404
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="casefile-{table}.csv"'
    return response


def _read_question(request: HttpRequest) -> MetricsQuestion:
    if not request.user.has_perm("incidents.view_incident"):
        raise Http404
    grouping, months = _given(request)
    return ask_metrics(
        request.user, days=months * 365 // 12, groups=read_groups(grouping)
    )


def _given(request: HttpRequest) -> tuple[str, int]:
    """Return what the page's two menus are set to."""
    grouping = request.GET.get("by", "all")
    months = request.GET.get("months", str(MONTHS[-1]))
    if grouping not in GROUPINGS or months not in {str(count) for count in MONTHS}:
        raise Http404
    return grouping, int(months)


# --- what the pieces show ------------------------------------------------------------


def _metric_rows(figures: Iterable[PhaseFigures]) -> list[dict[str, Any]]:
    """Return one row for each group, with its figures by phase."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for cell in figures:
        group = cell.group
        key = (group.month, group.playbook_code, group.severity)
        words = [word for word in key if word != "all"]
        row = rows.setdefault(key, {"words": words, "cells": {}})
        row["cells"][group.phase] = cell
    return list(rows.values())


def _share(figures: PhaseFigures, since: dt.datetime) -> dict[str, Any]:
    share = figures.within_share
    days = f"{since:%Y-%m-%d}.."
    return {
        "figures": figures,
        "percent": None if share is None else int(share * 100),
        "href": _cases(phase_time=f"{figures.group.phase}:late", detected=days),
    }


def _plots(by_month: Iterable[PhaseFigures]) -> list[PhasePlot]:
    months = sorted({figures.group.month for figures in by_month})
    return [
        _plot(phase, months, [cell for cell in by_month if cell.group.phase is phase])
        for phase in MEASURED_PHASES
    ]


def _plot(phase: Phase, months: list[str], cells: list[PhaseFigures]) -> PhasePlot:
    limits = {cell.limit for cell in cells}
    limit = limits.pop() if len(limits) == 1 else None
    done = [cell for cell in cells if cell.percentile_90 is not None]
    highest = max(
        (cell.percentile_90 for cell in done if cell.percentile_90), default=None
    )
    top = max(filter(None, (highest, limit)), default=dt.timedelta(seconds=1))

    def y(length: dt.timedelta | None) -> float:
        share = (length or dt.timedelta(0)) / top
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    slot = (WIDTH - LEFT - RIGHT) / max(1, len(months))
    width = min(36.0, slot * 0.6)
    bars = []
    for cell in done:
        middle = LEFT + (months.index(cell.group.month) + 0.5) * slot
        bars.append(
            Bar(
                figures=cell,
                href=_cases(
                    phase_time=f"{phase}:complete", detected=_days(cell.group.month)
                ),
                x=round(middle - width / 2, 1),
                width=round(width, 1),
                middle=round(middle, 1),
                median_y=y(cell.median),
                high_y=y(cell.percentile_90),
            )
        )
    return PhasePlot(phase, bars, limit, None if limit is None else y(limit))


def _days(month: str) -> str:
    """Return the days of `YYYY-MM`, as the list of cases filters by them."""
    first = dt.date.fromisoformat(f"{month}-01")
    next_month = (first + dt.timedelta(days=31)).replace(day=1)
    return f"{first}..{next_month - dt.timedelta(days=1)}"


def _week_grid(counts: tuple[WeekCount, ...], since: dt.datetime) -> dict[str, Any]:
    """Return classes by weeks, the newest first, also those without a case."""
    if not counts:
        return {}
    by_place = {(count.playbook_code, count.monday): count for count in counts}
    most = max(count.case_count for count in counts)
    first = since.astimezone(dt.UTC).date()
    monday = first - dt.timedelta(days=first.weekday())
    last = max(count.monday for count in counts)
    weeks = [
        monday + dt.timedelta(weeks=place)
        for place in range((last - monday).days // 7, -1, -1)
    ]
    codes = sorted({count.playbook_code for count in counts})
    return {
        "weeks": weeks,
        "rows": [
            {
                "code": code,
                "total": sum(
                    count.case_count for count in counts if count.playbook_code == code
                ),
                "cells": [
                    _week_cell(by_place.get((code, week)), first, most)
                    for week in weeks
                ],
            }
            for code in codes
        ],
    }


def _week_cell(
    count: WeekCount | None, first: dt.date, most: int
) -> dict[str, Any] | None:
    if count is None:
        return None
    sunday = count.monday + dt.timedelta(days=6)
    return {
        "count": count,
        "depth": round(DEEPEST * count.case_count / most),
        "href": _cases(
            detected=f"{max(count.monday, first)}..{sunday}",
            playbook_version__playbook__id__exact=count.playbook_id,
        ),
    }


def _age_bars(ages: tuple[AgeCount, ...]) -> list[dict[str, Any]]:
    most = max(age.case_count for age in ages) or 1
    open_cases = _cases(status__exact=IncidentStatus.OPEN.value)
    return [
        {
            "age": age,
            "percent": round(100 * age.case_count / most),
            "href": f"{open_cases}&{urlencode({'age': age.group.key})}",
        }
        for age in ages
    ]


def _cases(**filters: object) -> str:
    return f"{reverse('admin:incidents_incident_changelist')}?{urlencode(filters)}"


# --- for spreadsheets ----------------------------------------------------------------


def _phases_csv(figures: Iterable[PhaseFigures]) -> str:
    columns = (
        *("month", "class", "severity", "phase", "sample_size", "median_seconds"),
        *("percentile_90_seconds", "limit_seconds", "judged", "within_limit"),
    )
    return write_table(
        columns,
        (
            (
                *(cell.group.month, cell.group.playbook_code, cell.group.severity),
                *(cell.group.phase.label, cell.sample_size, cell.median_seconds),
                *(cell.percentile_90_seconds, cell.limit_seconds),
                *(cell.judged_count, cell.within_count),
            )
            for cell in figures
        ),
    )


def _weeks_csv(counts: Iterable[WeekCount]) -> str:
    rows = ((count.monday, count.playbook_code, count.case_count) for count in counts)
    return write_table(("week_from", "class", "cases"), rows)


def _ages_csv(ages: Iterable[AgeCount]) -> str:
    return write_table(
        ("age", "cases"), ((age.group.words, age.case_count) for age in ages)
    )
