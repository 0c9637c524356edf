"""The parts that /readyz and the page System ask, in the order they are shown."""

from evidence.health import Part

PARTS = (
    Part("database", "Database", "config.health.check_database", takes_web_out=True),
    # Before a migration pages of new code fail: a new web waits until it has run.
    Part("schema", "Tables", "config.schema.check_schema", takes_web_out=True),
    Part("broker", "Queue", "config.health.check_broker"),
    Part("workers", "Workers", "config.health.check_workers"),
    Part("beat", "Scheduler", "config.health.check_beat"),
    # Each machine collects its own.
    Part(
        "static_files",
        "Files of the pages",
        "config.static_files.check_static_files",
        takes_web_out=True,
    ),
    # Pages work without it, and no other web machine would have it.
    Part("evidence_storage", "Evidence store", "config.health.check_evidence_storage"),
    Part("disk", "Disk", "config.health.check_disk"),
    Part(
        "records",
        "Records",
        "evidence.audit.records.checking.read_records_health",
    ),
    Part(
        "stored_evidence",
        "Stored evidence",
        "evidence.services.store.checks.read_store_health",
    ),
    Part(
        "reminders",
        "Reminders",
        "incidents.services.notifications.reminder_check.check_health",
    ),
    Part(
        "on_call",
        "People on call",
        "incidents.services.notifications.reachability.check_on_call",
    ),
    Part(
        "history",
        "Audit history",
        "evidence.audit.history_checks.read_history_health",
    ),
    Part(
        "auditors_role",
        "Database role of auditors",
        "evidence.database.reading_role.read_role_health",
    ),
    Part(
        "readings",
        "Who looked",
        "evidence.audit.reads.noting.read_notes_health",
    ),
    Part(
        "alerts",
        "Alerts in",
        "incidents.services.alerts.waiting.check_waiting_alerts",
    ),
    Part("history_log", "History log", "evidence.audit.log.health.check_log"),
    Part(
        "log_copies",
        "Copies of the history log",
        "evidence.audit.log.publishing.check_publishing",
    ),
)
# Asked where ARCHIVE_BUCKET is set: without it there is nothing to be well or ill.
ARCHIVE_COPIES = Part(
    "archive_copies",
    "Copies of archives",
    "incidents.services.archives.bucket_copies.check_copies",
)
# Asked where REPLICA_DATABASE_URL is set. Nobody is turned away for it: the primary
# answers instead.
REPLICA = Part(
    "replica",
    "Replica of the database",
    "evidence.database.replica.check_replica",
)
