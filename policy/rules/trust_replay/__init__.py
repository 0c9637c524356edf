"""Replaying the runtime's record of trust through our own rules.

Guarantees: every move that the rules would have refused is listed, with line,
time and reason. Two states are followed for each extension: the one the runtime
claims, and the one the rules would have left it in; a refused move changes only
the first, so that what is built on it is found too. Nothing here becomes our own
state.

`active` says that an extension runs, which is no trust state: entering it is no
move of trust, except out of quarantine, where it is the escape that INC-5 is about.
"""

from policy.rules.trust_replay.findings import TrustFinding, TrustFindingCode
from policy.rules.trust_replay.tracker import (
    ExtensionTrustTracker,
    replay_runtime_history,
)

__all__ = [
    "ExtensionTrustTracker",
    "TrustFinding",
    "TrustFindingCode",
    "replay_runtime_history",
]
