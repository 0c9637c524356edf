"""Figures about reminders, notifications and alerts, read from the database when asked.

The workers write them there, so every web process answers the same.
"""

import logging
from collections.abc import Iterator

from django.db import DatabaseError
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from incidents.models import ReminderCheckState
from incidents.services.alerts.waiting import read_waiting_alerts
from incidents.services.notifications.reminder_check import count_by_state

log = logging.getLogger(__name__)


class NotificationCollector(Collector):
    """Gives Prometheus what the check on reminders counts, and what waits."""

    def describe(self) -> list[Metric]:
        """Name nothing in advance, so that registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._read()
        except DatabaseError:
            # The other figures are worth having while the database is away.
            log.warning("no figures about notifications", exc_info=True)

    def _read(self) -> Iterator[Metric]:
        state = ReminderCheckState.objects.filter(pk=1).first() or ReminderCheckState()
        for name, text, value in (
            ("checks", "Runs of the check on reminders.", state.runs),
            ("missed", "Reminders that nobody had planned in time.", state.missed),
            ("repaired", "Messages that the check wrote down.", state.repaired),
            ("stuck", "Messages found waiting too long, by check.", state.stuck),
        ):
            yield CounterMetricFamily(
                f"casefile_reminders_{name}", text, value=float(value)
            )
        yield GaugeMetricFamily(
            "casefile_reminders_last_check_timestamp_seconds",
            "When the check on reminders last ran; 0 if never.",
            value=state.last_run_at.timestamp() if state.last_run_at else 0,
        )
        yield GaugeMetricFamily(
            "casefile_reminders_without_recipient",
            "Reminders of the last check that have nobody to go to.",
            value=state.without_recipient,
        )
        waiting = GaugeMetricFamily(
            "casefile_notifications",
            "Notifications that are not at a good end.",
            labels=["state"],
        )
        for name, count in count_by_state().items():
            waiting.add_metric([name], count)
        yield waiting
        alerts = read_waiting_alerts()
        yield GaugeMetricFamily(
            "casefile_alerts_waiting",
            "Alerts that are stored and that the rules have yet to decide on.",
            value=alerts.count,
        )
        yield GaugeMetricFamily(
            "casefile_alerts_waiting_since_timestamp_seconds",
            "When the first of them was received; 0 if none waits.",
            value=alerts.since.timestamp() if alerts.since else 0,
        )
