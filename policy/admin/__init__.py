"""The admin of policy: lists that are read-only, pages whose buttons call services."""

from policy.admin import (
    extensions,
    histories,
    kill_switches,
    record_lists,
    rollbacks,
    scans,
    snapshots,
)

__all__ = (
    "extensions",
    "histories",
    "kill_switches",
    "record_lists",
    "rollbacks",
    "scans",
    "snapshots",
)
