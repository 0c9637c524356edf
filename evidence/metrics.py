"""Figures about the audit history and the evidence store, read when asked for."""

import logging
import math
from collections import Counter
from collections.abc import Iterator

from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from evidence.database.replica import read_standing
from evidence.database.standing import Use
from evidence.models import (
    FaultKind,
    HistoryCheck,
    RecordCheck,
    StoreCheck,
    StoreFault,
    UnclaimedBytes,
)

log = logging.getLogger(__name__)


class StoreCollector(Collector):
    """Gives Prometheus what the checks of the evidence store found."""

    def describe(self) -> list[Metric]:
        """Name nothing in advance, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            standing = Counter(
                StoreFault.objects.standing().values_list("kind", flat=True)
            )
            oldest = StoreCheck.objects.order_by("checked_at").first()
            unclaimed = UnclaimedBytes.objects.filter(choice="").count()
        except DatabaseError:
            log.warning("no figures about the store", exc_info=True)
            return
        faults = GaugeMetricFamily(
            "casefile_store_faults",
            "Digests whose stored bytes are damaged or missing; alert on any.",
            labels=["kind"],
        )
        for kind in FaultKind.values:
            faults.add_metric([kind], standing[kind])
        yield faults
        yield GaugeMetricFamily(
            "casefile_store_oldest_check_timestamp_seconds",
            "When the stored bytes that wait longest were last read; 0 for none.",
            value=oldest.checked_at.timestamp() if oldest else 0,
        )
        yield GaugeMetricFamily(
            "casefile_store_unclaimed_files",
            "Stored files that belong to no row and wait for a choice.",
            value=unclaimed,
        )


NOT_CHECKED = math.nan


class HistoryCollector(Collector):
    """Gives Prometheus what the newest check of the audit history found."""

    def describe(self) -> list[Metric]:
        """Name nothing in advance, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            check = HistoryCheck.objects.standing()
            records = RecordCheck.objects.first()
        except DatabaseError:
            # The other figures are worth having while the database is away.
            log.warning("no figures about the history", exc_info=True)
            return
        yield GaugeMetricFamily(
            "casefile_history_faults",
            "Faults of the audit history that stand; alert on any. NaN: never checked.",
            value=check.fault_count if check else NOT_CHECKED,
        )
        yield GaugeMetricFamily(
            "casefile_record_differences",
            "Rows found changed past Casefile; alert on any. NaN: never checked.",
            value=records.fault_count if records else NOT_CHECKED,
        )
        yield GaugeMetricFamily(
            "casefile_history_last_check_timestamp_seconds",
            "When the audit history was last checked; 0 if never.",
            value=check.finished_at.timestamp() if check else 0,
        )


class ReplicaCollector(Collector):
    """Gives Prometheus whether auditors read from the replica, and how old that is."""

    def describe(self) -> list[Metric]:
        """Name nothing in advance, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        found = read_standing()
        yield GaugeMetricFamily(
            "casefile_replica_in_use",
            "1 while auditors read from the replica, 0 while from the primary instead.",
            value=int(found.use is Use.IN_USE),
        )
        yield GaugeMetricFamily(
            "casefile_replica_lag_seconds",
            "How old at most is what the replica has. NaN: nobody can tell.",
            value=math.nan if found.lag is None else found.lag,
        )
