"""The error family of the policy app; what the pure rules raise belongs to it too."""

from evidence.errors import Conflict, Forbidden, Missing
from policy.rules.decisions import Decision, Refusal, RefusalKind
from policy.rules.errors import (
    DocumentError,
    KillSwitchError,
    PolicyError,
    QuotaError,
    TrustTransitionError,
)

__all__ = (
    "DocumentError",
    "KillSwitchError",
    "PolicyConflict",
    "PolicyError",
    "PolicyForbidden",
    "PolicyNotFound",
    "PolicyRefused",
    "QuotaError",
    "TrustTransitionError",
    "require_allowed",
)


class PolicyRefused(PolicyError):
    """A rule stands against it; `refusals` lists every one, `code` is the first's."""

    code = "policy_refused"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        refusals: tuple[Refusal, ...] = (),
    ) -> None:
        super().__init__(message, code=code)
        if field is not None:
            self.field = field
        self.refusals = refusals


class PolicyForbidden(Forbidden, PolicyRefused):
    """Not for this person: four eyes, or somebody else's request."""


class PolicyNotFound(Missing, PolicyRefused):
    """What it is about is not there."""


class PolicyConflict(Conflict, PolicyRefused):
    """Not in a state that allows it."""


_BY_KIND = {
    RefusalKind.INPUT: PolicyRefused,
    RefusalKind.PERSON: PolicyForbidden,
    RefusalKind.STATE: PolicyConflict,
}


def require_allowed(decision: Decision) -> None:
    """Raise PolicyRefused with every reason where the decision is a refusal."""
    if decision.allowed:
        return
    raise _BY_KIND[decision.refusals[0].kind](
        " ".join(refusal.message for refusal in decision.refusals),
        code=decision.codes[0],
        refusals=decision.refusals,
    )
