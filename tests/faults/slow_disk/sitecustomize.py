"""A slow disk for whole processes: put this folder on PYTHONPATH.

Python imports this before anything else. Syncing, which is where a slow disk is waited
for, then takes as many seconds as the file says that FAULTS_SLOW_DISK names; none
where there is no such file.
"""

import contextlib
import os
import time
from pathlib import Path

_fsync = os.fsync


def _slow_fsync(descriptor: int) -> None:
    with contextlib.suppress(KeyError, OSError, ValueError):
        time.sleep(float(Path(os.environ["FAULTS_SLOW_DISK"]).read_text()))
    _fsync(descriptor)


os.fsync = _slow_fsync  # type: ignore[assignment]
