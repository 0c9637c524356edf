"""The form of tests/data/findings: what is asked, and whether the answers are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tests

FOLDER = Path(tests.__file__).parent / "data" / "findings"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def is_match(line: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return whether a line has the pointer and the words that are wanted."""
    sentence = line["sentence"].lower()
    asked = wanted.get("any_pointer")
    options = asked if isinstance(asked, list) else [asked]
    return (
        (
            asked is None
            or any(
                option.items() <= pointer.items()
                for option in options
                for pointer in line["pointers"]
            )
        )
        and all(word.lower() in sentence for word in wanted.get("words", ()))
        and (
            not wanted.get("words_any")
            or any(word.lower() in sentence for word in wanted["words_any"])
        )
    )


def faults_of(lines: list[dict[str, Any]], expected: dict[str, Any]) -> list[Any]:
    """Return what of the expectations the lines of the class do not meet."""
    mine = [line for line in lines if line["class"] == expected["class"]]
    found = [line for line in mine if line["verdict"] == "found"]
    faults: list[Any] = [
        ("must_find", wanted)
        for wanted in expected["must_find"]
        if not any(is_match(line, wanted) for line in found)
    ]
    faults += [
        ("must_not_find", wanted)
        for wanted in expected["must_not_find"]
        if any(is_match(line, wanted) for line in found)
    ]
    faults += [
        ("must_say", wanted)
        for wanted in expected["must_say"]
        if not any(is_match(line, wanted) for line in mine)
    ]
    has_unknown = any(line["verdict"] == "unknown" for line in mine)
    if expected["unknown"] is not None and expected["unknown"] is not has_unknown:
        faults.append(("unknown", expected["unknown"]))
    return faults
