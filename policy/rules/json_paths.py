"""JSON paths as reports write them: `$.a.b[0]`, quoted where a name needs it."""

from __future__ import annotations

import json
import re
from typing import Final

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def child_path(path: str, name: str) -> str:
    """Return the path of an object's member."""
    if _PLAIN_NAME.fullmatch(name):
        return f"{path}.{name}"
    return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
