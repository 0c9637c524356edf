"""What an extension ID may look like that a person types and nothing named before.

The runtime may name an extension as it likes, and that is noted as it is. A person who
types one makes slips, and a slip would stop the wrong extension or none.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_ID: Final = 255
ALLOWED_WORDS: Final = (
    "letters a to z, digits, and . _ - @ / : + ~ in it, beginning with a letter, a "
    "digit or @, at most 255 characters"
)
_ALLOWED: Final = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._@/:+~-]*")


def is_plain_id(extension_id: str) -> bool:
    """Return whether a new ID is one that a person may have noted."""
    is_short = 0 < len(extension_id) <= LONGEST_ID
    return is_short and _ALLOWED.fullmatch(extension_id) is not None
