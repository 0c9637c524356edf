"""A disk that takes its time: every sync waits as long as a file says, if there is one.

Python loads this by its name at its start (PYTHONPATH). Nothing of Casefile is changed:
what it calls takes longer, as on a disk that is worn, or shared with too many.
"""

import os
import time

_SPEED = os.environ.get("FAULTS_SLOW_DISK", "")


def _slowed(sync):
    def wait_and_sync(descriptor):
        try:
            with open(_SPEED) as file:
                seconds = float(file.read() or 0)
        except OSError:
            seconds = 0.0
        time.sleep(seconds)
        return sync(descriptor)

    return wait_and_sync


if _SPEED:
    os.fsync = _slowed(os.fsync)
    os.fdatasync = _slowed(os.fdatasync)
