"""One picture of a case: the window that is asked for or fits, and every lane in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from evidence.stored_moments import to_ms
from incidents.models import Incident
from incidents.picture.model import Picture, Window
from incidents.services.picture.evidence_lanes import (
    Source,
    ledger_lanes,
    quota_lane,
    read_sources,
    section_lanes,
    untrusted,
)
from incidents.services.picture.policy_lanes import policy_lanes
from incidents.services.picture.work_lanes import work_lanes

LEAST_MS = 1_000
"""A narrower window would show single records, which the replay shows better."""
MARGIN = 0.02
WIDEST_RATIO = 50
"""How much longer than the records the whole case may be, for both to be drawn at
once: beyond, the records would stand in one or two stretches."""


def gather_picture(
    incident: Incident, *, window: Window | None = None, now: dt.datetime
) -> Picture:
    """Return the picture of a case; a fixed number of queries, however much happened.

    `window` None: the stretch that holds the records of the evidence, and the whole
    case where it is not too long for both.
    """
    sources, notes = read_sources(incident)
    shown = window or default_window(incident, sources, now=now)
    policy, more = policy_lanes(incident, shown)
    phases, *work = work_lanes(incident, shown)
    return Picture(
        window=shown,
        lanes=(
            phases,
            *policy,
            *ledger_lanes(sources, shown),
            *section_lanes(sources, shown),
            quota_lane(incident, sources, shown),
            *work,
        ),
        shades=tuple(untrusted(sources)),
        notes=(*notes, *more),
    )


def default_window(
    incident: Incident, sources: Sequence[Source], *, now: dt.datetime
) -> Window:
    """Return the stretch that a picture shows unless somebody asks for another."""
    case = case_window(incident, now=now)
    records = records_window(sources)
    if records is None:
        return case
    both = Window(min(case.from_ms, records.from_ms), max(case.to_ms, records.to_ms))
    is_near = both.length_ms <= WIDEST_RATIO * records.length_ms
    return both if is_near else records


def case_window(incident: Incident, *, now: dt.datetime) -> Window:
    """Return the time from detection to the end of the case, or to now."""
    begun = to_ms(incident.detected_at)
    ended = to_ms(incident.closed_at or max(now, incident.last_activity_at))
    return _with_margin(begun, ended)


def records_window(sources: Sequence[Source]) -> Window | None:
    """Return the time that the records of the evidence lie in; None without any."""
    spans = [span for source in sources if (span := source.span()) is not None]
    if not spans:
        return None
    return _with_margin(min(start for start, _ in spans), max(end for _, end in spans))


def _with_margin(begun: int, ended: int) -> Window:
    margin = max(LEAST_MS, int((ended - begun) * MARGIN))
    return Window(begun - margin, max(ended, begun) + margin)
