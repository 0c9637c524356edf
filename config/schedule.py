"""What beat sends, and how often.

Every task here claims its work by row locks: two beats, or a late one, do no harm. No
task expires: a reminder that was planned late is late, and one that was not is lost.
"""

from typing import Any

from celery.schedules import crontab

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "requeue-lost-work": {"task": "evidence.requeue_lost_work", "schedule": 15.0},
    "sweep-incoming": {"task": "evidence.sweep_incoming", "schedule": 3600.0},
    "check-stored-bytes": {
        "task": "evidence.check_stored_bytes",
        "schedule": 60.0,
    },
    "verify-outdated-content": {
        "task": "evidence.verify_outdated_content",
        "schedule": 300.0,
    },
    "sweep-unclaimed": {
        "task": "evidence.sweep_unclaimed",
        "schedule": crontab(hour=2, minute=41),
    },
    # A message may be lost with its broker; a fault without its case may not.
    "follow-store-faults": {
        "task": "incidents.follow_store_faults",
        "schedule": 60.0,
    },
    # Who looked, in batches: what was noted since is shown as well.
    "record-reads": {"task": "evidence.record_reads", "schedule": 300.0},
    # Until it is sealed, a superuser could still forge what was recorded.
    "seal-records": {"task": "evidence.seal_records", "schedule": 60.0},
    "check-records": {
        "task": "evidence.check_records",
        "schedule": crontab(hour=3, minute=37),
    },
    # At night, when few write history.
    "check-history": {
        "task": "evidence.check_history",
        "schedule": crontab(hour=3, minute=17),
    },
    "catch-up-checks": {"task": "evidence.catch_up_checks", "schedule": 30.0},
    # An entry is in the tree, and under a checkpoint, within a minute.
    "grow-log": {
        "task": "evidence.grow_log",
        "schedule": 20.0,
    },
    "publish-checkpoints": {
        "task": "evidence.publish_checkpoints",
        "schedule": 60.0,
    },
    # Once a day through all of it: for what was committed very late.
    "grow-log-whole": {
        "task": "evidence.grow_whole_log",
        "schedule": crontab(hour=2, minute=41),
    },
    "sweep-orders": {
        "task": "policy.sweep_orders",
        "schedule": 30.0,
    },
    "lapse-loosenings": {
        "task": "incidents.lapse_loosenings",
        "schedule": 300.0,
    },
    # An archive is in the bucket elsewhere within minutes of its making.
    "sweep-copies": {
        "task": "incidents.sweep_copies",
        "schedule": 60.0,
    },
    "lapse-pruning": {
        "task": "incidents.lapse_pruning",
        "schedule": 300.0,
    },
    "take-up-evidence": {"task": "policy.take_up_evidence", "schedule": 15.0},
    "mark-breaches": {"task": "incidents.mark_breaches", "schedule": 15.0},
    "plan-reminders": {
        "task": "incidents.plan_reminders",
        "schedule": 10.0,
    },
    "notify-waiting": {
        "task": "incidents.notify_waiting",
        "schedule": 15.0,
    },
    "deliver-notifications": {
        "task": "incidents.deliver_notifications",
        "schedule": 10.0,
    },
    # What an intake's message did not bring about, since it was lost.
    "decide-alerts": {
        "task": "incidents.decide_alerts",
        "schedule": 10.0,
    },
    # A message may be lost with its broker; what it was about may not.
    "sweep-diagnoses": {
        "task": "incidents.sweep_diagnoses",
        "schedule": 60.0,
    },
    "sweep-broken-history": {
        "task": "incidents.sweep_broken_history",
        "schedule": 60.0,
    },
    "sweep-findings": {
        "task": "incidents.sweep_findings",
        "schedule": 30.0,
    },
    "remind-action-items": {
        "task": "incidents.remind_action_items",
        "schedule": 600.0,
    },
    "check-reminders": {
        "task": "incidents.check_reminders",
        "schedule": 300.0,
    },
}
