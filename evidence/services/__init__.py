"""Every change of state that evidence knows, one function each."""

from evidence.services.custody import (
    record_custody,
    record_replay_viewing,
    record_viewing,
)
from evidence.services.downloads import Download, open_download
from evidence.services.exports import repeat_export, request_export, run_export
from evidence.services.kind_changes import change_kind
from evidence.services.receipt import receive_evidence
from evidence.services.verification import (
    queue_verifications,
    request_verification,
    request_verifications,
    run_verification,
)

__all__ = (
    "Download",
    "change_kind",
    "open_download",
    "queue_verifications",
    "receive_evidence",
    "record_custody",
    "record_replay_viewing",
    "record_viewing",
    "repeat_export",
    "request_export",
    "request_verification",
    "request_verifications",
    "run_export",
    "run_verification",
)
