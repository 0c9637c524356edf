"""What beat sends, and how often.

Every task here claims its work by row locks: two beats, or a late one, do no harm.
"""

from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "mark-breaches": {"task": "incidents.mark_breaches", "schedule": 15.0},
}
