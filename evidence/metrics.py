"""Figures about the audit history, read from the database when asked for."""

import logging
from collections.abc import Iterator

from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from evidence.models import HistoryCheck

log = logging.getLogger(__name__)


class HistoryCollector(Collector):
    """Gives Prometheus what the newest check of the audit history found."""

    def describe(self) -> list[Metric]:
        """Name nothing in advance, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            check = HistoryCheck.objects.first()
        except DatabaseError:
            # The other figures are worth having while the database is away.
            log.warning("no figures about the history", exc_info=True)
            return
        yield GaugeMetricFamily(
            "casefile_history_faults",
            "Faults that the newest check of the audit history found; alert on any.",
            value=check.fault_count if check else 0,
        )
        yield GaugeMetricFamily(
            "casefile_history_last_check_timestamp_seconds",
            "When the audit history was last checked; 0 if never.",
            value=check.finished_at.timestamp() if check else 0,
        )
