"""Which queue each task waits in, and which worker takes from which queue.

A test holds the list complete: a new task must not end up behind evidence by chance.
"""

from dataclasses import dataclass

from kombu import Queue

from evidence.queue.names import QueueName

# What a version before this one still sends while both are up.
OLD_QUEUE = "celery"

_TASKS: dict[QueueName, tuple[str, ...]] = {
    # A burst of breaches makes every task below long; planning must not wait for them.
    QueueName.CLOCKS: ("incidents.notify_kill_all", "incidents.plan_reminders"),
    QueueName.FOLLOWUPS: (
        "evidence.grow_log",
        "evidence.requeue_lost_work",
        "incidents.check_reminders",
        "incidents.decide_alerts",
        "incidents.follow_diagnosis",
        "incidents.follow_store_faults",
        "incidents.lapse_loosenings",
        "incidents.lapse_pruning",
        "incidents.mark_breaches",
        "incidents.notify_broken_history",
        "incidents.notify_changed_records",
        "incidents.notify_waiting",
        "incidents.remind_action_items",
        "incidents.sweep_broken_history",
        "incidents.sweep_copies",
        "incidents.sweep_diagnoses",
        "incidents.sweep_findings",
        "policy.sweep_orders",
        "policy.take_up_evidence",
    ),
    QueueName.DELIVERY: ("incidents.deliver_notifications",),
    # Sent by size; this is for who sends one by hand.
    QueueName.LARGE: (
        "evidence.export_bundle",
        "evidence.verify_item",
        "policy.read_bundle",
        "policy.scan_source",
    ),
    QueueName.DOCUMENTS: (
        "evidence.catch_up_checks",
        "evidence.check_bytes",
        "evidence.check_history",
        "evidence.check_records",
        "evidence.record_reads",
        "evidence.seal_records",
        "evidence.check_stored_bytes",
        "evidence.grow_whole_log",
        "evidence.publish_checkpoints",
        "evidence.sweep_incoming",
        "evidence.sweep_unclaimed",
        "evidence.verify_outdated_content",
        "evidence.verify_items",
        # As many as there are bundles: evidence fills no queue of the clocks.
        "incidents.answer_proven_items",
        "incidents.archive_postmortem",
        "incidents.copy_archive",
        "incidents.gather_findings",
        "incidents.make_archive",
        "incidents.make_pdf",
        "incidents.prune_case",
    ),
}
TASK_ROUTES = {
    name: {"queue": queue.value} for queue, names in _TASKS.items() for name in names
}
TASK_QUEUES = tuple(Queue(name, routing_key=name) for name in (*QueueName, OLD_QUEUE))


@dataclass(frozen=True)
class Worker:
    """A worker: its queues, and how many tasks it does at once by default."""

    queues: tuple[str, ...]
    concurrency: int


WORKERS = {
    "clocks": Worker((QueueName.CLOCKS,), 1),
    # Two, so that the rest goes on beside a check that walks through every case.
    "followups": Worker((QueueName.FOLLOWUPS,), 2),
    "delivery": Worker((QueueName.DELIVERY,), 2),
    "small": Worker((QueueName.SMALL, QueueName.DOCUMENTS), 1),
    # Alone with its queue: it fetches one task ahead, which would wait for this one.
    "large": Worker((QueueName.LARGE, OLD_QUEUE), 1),
}
