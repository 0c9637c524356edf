"""The runtime's risk controller: its settings, as values and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class RiskSettings:
    """The `extensionRisk` of a settings file; a member that is absent has its default.

    `enabled`: calls are scored. `enforce`: the score is acted on. `alpha`: the
    error rate the controller accepts. `fail_closed`: a call that cannot be
    scored is refused.
    """

    enabled: bool = True
    enforce: bool = True
    alpha: float = 0.01
    window_size: int = 128
    fail_closed: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the members as a settings file spells them."""
        return {
            "enabled": self.enabled,
            "enforce": self.enforce,
            "alpha": self.alpha,
            "windowSize": self.window_size,
            "failClosed": self.fail_closed,
        }


DEFAULT_RISK: Final = RiskSettings()
