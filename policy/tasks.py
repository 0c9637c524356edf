"""Celery tasks: one service call each, with IDs as arguments."""

from celery import shared_task

from evidence.queue.limits import BY_THE_CLOCK, READING, SCANNING
from evidence.tasks import RELIABLY
from policy.services.kill_switches import hold_newcomers
from policy.services.readings import run_reading, take_up_evidence
from policy.services.scans import run_scan
from policy.services.waiting_decisions import lapse_requests


@shared_task(name="policy.scan_source", **RELIABLY, **SCANNING.as_options())
def scan_source(request_id: int) -> None:
    run_scan(request_id=request_id)


@shared_task(name="policy.read_bundle", **RELIABLY, **READING.as_options())
def read_bundle(reading_id: int) -> None:
    run_reading(reading_id=reading_id)


@shared_task(name="policy.sweep_orders", **BY_THE_CLOCK.as_options())
def sweep_orders() -> int:
    """Hold what slipped past a kill-all and end requests that nobody decided."""
    return hold_newcomers() + lapse_requests()


@shared_task(name="policy.take_up_evidence", **BY_THE_CLOCK.as_options())
def take_up_new_evidence() -> int:
    return take_up_evidence()
