"""Celery tasks: one service call each, with IDs as arguments."""

from celery import shared_task
from django.core.cache import cache

from evidence import services, storage
from evidence.audit import history_checks, nightly
from evidence.audit.log import growing, publishing
from evidence.audit.reads import recording
from evidence.audit.records import checking, seals
from evidence.queue import running, sweeping
from evidence.queue.limits import BY_THE_CLOCK, EXPORTING, VERIFYING
from evidence.services.store import checks as store_checks
from evidence.services.store import unclaimed

# A worker that is killed gives its message back; running twice is harmless, since the
# service claims the work. It is put back as often as makes sense, and ends by itself.
RELIABLY = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "autoretry_for": (running.WorkPutBack,),
    "max_retries": 5,
    "retry_backoff": 2,
    "retry_backoff_max": 300,
    "retry_jitter": True,
}


@shared_task(name="evidence.verify_item", **RELIABLY, **VERIFYING.as_options())
def verify_item(request_id: int) -> None:
    services.run_verification(request_id=request_id)


@shared_task(name="evidence.verify_items", acks_late=True)
def verify_items(request_ids: list[int]) -> None:
    """Queue many verifications one by one; what is lost of them, the sweep queues."""
    services.queue_verifications(request_ids=request_ids)


@shared_task(name="evidence.export_bundle", **RELIABLY, **EXPORTING.as_options())
def export_bundle(request_id: int) -> None:
    services.run_export(request_id=request_id)


@shared_task(name="evidence.requeue_lost_work", **BY_THE_CLOCK.as_options())
def requeue_lost_work() -> int:
    return sweeping.requeue_lost_work()


@shared_task(name="evidence.sweep_incoming")
def sweep_incoming() -> int:
    return storage.sweep_incoming()


@shared_task(name="evidence.check_stored_bytes")
def check_stored_bytes() -> int:
    """Read what is due to be read again; harmless to run twice.

    Messages that piled up while no worker was there do not read one after another.
    """
    if not cache.add("store-check-began", True, store_checks.RUN_SECONDS):
        return 0
    return store_checks.check_stored_bytes().checked


@shared_task(name="evidence.check_bytes", acks_late=True)
def check_bytes(sha256_hex: str) -> bool:
    """Read the bytes of one digest, since somebody found them damaged."""
    return store_checks.check_bytes(sha256_hex)


@shared_task(name="evidence.verify_outdated_content")
def verify_outdated_content() -> int:
    return store_checks.verify_outdated_content()


@shared_task(name="evidence.sweep_unclaimed")
def sweep_unclaimed() -> int:
    return unclaimed.sweep_unclaimed()


@shared_task(name="evidence.seal_records")
def seal_records() -> int:
    return seals.seal_records()


@shared_task(name="evidence.check_records", acks_late=True)
def check_records() -> None:
    checking.check_records(actor=None)


@shared_task(name="evidence.check_history", acks_late=True)
def check_history() -> None:
    history_checks.go_on_checking()


@shared_task(name="evidence.catch_up_checks")
def catch_up_checks() -> int:
    return nightly.begin_overdue_checks()


@shared_task(
    name="evidence.grow_log", acks_late=True, soft_time_limit=60, time_limit=75
)
def grow_log() -> None:
    growing.grow_log()


@shared_task(name="evidence.grow_whole_log", acks_late=True)
def grow_whole_log() -> None:
    growing.grow_log(whole=True)


@shared_task(name="evidence.publish_checkpoints", acks_late=True)
def publish_checkpoints() -> int:
    return publishing.publish_checkpoints()


@shared_task(name="evidence.record_reads")
def record_reads() -> int:
    return recording.record_reads()
