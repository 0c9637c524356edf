"""Prune, and be killed as `kill -9` does when the first alerts are about to go.

`python -m tests.incidents.pruning.killed RUN`.
"""

from __future__ import annotations

import os
import signal
import sys


def main(run_id: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from incidents.services.pruning.running import run_pruning

    settings.CASE_RETENTION_DAYS = 1e-9

    def kill_before_alerts(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        answer = execute(sql, params, many, context)
        # After the tombstones are written and before their transaction ends.
        if "evidence_tombstone" in sql and "ALERT_DOCUMENT" in str(params).upper():
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    with connection.execute_wrapper(kill_before_alerts):
        run_pruning(run_id=run_id)


if __name__ == "__main__":
    main(int(sys.argv[1]))
