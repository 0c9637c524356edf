"""What sweeps do with a record that somebody holds: they leave it and go on."""

from __future__ import annotations

import logging
from collections.abc import Callable

from evidence.database.errors import RecordBusy

log = logging.getLogger(__name__)


def unless_busy(act: Callable[..., int], *keys: int, **options: object) -> int:
    """Do one part of a sweep and return what it returns; 0 where its record is held.

    The sweep comes again. What else goes wrong is raised.
    """
    try:
        return act(*keys, **options)
    except RecordBusy:
        log.info("left %s %s to the next sweep: somebody holds it", keys, options)
        return 0
