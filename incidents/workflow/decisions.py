"""The answer of a rule: allowed or not, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """An answer with its reasons; a refusal always has one."""

    allowed: bool
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.allowed and not self.reasons:
            raise ValueError("a refusal needs a reason")
