"""Rotating a token: a new secret is valid at once, the old one for a while longer."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor
from evidence.accounts.tokens import (
    lock_owner,
    require_days,
    require_own_or,
    require_usable,
    tell_of_token,
)
from evidence.audit.history import record_entry
from evidence.errors import TokenError
from evidence.models import ApiToken

LONGEST_OVERLAP_HOURS = 7 * 24
"""A week is enough to reach every machine; longer, two secrets are two tokens."""


@transaction.atomic
def rotate_token(
    *,
    token_id: int,
    actor: Actor,
    days: int,
    overlap_hours: int,
    now: dt.datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token's successor; return its row and the secret, which is not kept.

    Name, scopes and networks stay. The old secret works for `overlap_hours` more, 0
    ends it at once; revoking it ends it early. A token is rotated once: then it is the
    successor's turn.
    """
    moment = now or timezone.now()
    found = ApiToken.objects.only("user").get(pk=token_id)
    # The person first, as who switches them off does; then their token.
    owner = lock_owner(found.user_id)
    old = ApiToken.objects.select_for_update(of=("self",)).get(pk=token_id)
    require_own_or(actor, old, "evidence.add_apitoken")
    if (
        old.state_at(moment) != "active"
        or ApiToken.objects.filter(replaces=old).exists()
    ):
        raise TokenError(
            f"{old} was rotated, revoked or has expired. Rotate the one that works, or "
            "make a new one."
        )
    require_days(days)
    if not 0 <= overlap_hours <= LONGEST_OVERLAP_HOURS:
        raise TokenError(
            f"Let both secrets work for 0 to {LONGEST_OVERLAP_HOURS} hours. Given: "
            f"{overlap_hours}.",
            field="overlap_hours",
        )
    require_usable(owner, old.scopes)
    made, secret = ApiToken.objects.create(
        user=owner,
        expiry=dt.timedelta(days=days),
        name=old.name,
        scopes=old.scopes,
        networks=old.networks,
        seen_networks=old.seen_networks,
        created_by=actor,
        replaces=old,
    )
    old.ends_at = min(moment + dt.timedelta(hours=overlap_hours), old.expiry)
    old.save(update_fields=["ends_at"])
    record_entry(
        action="token.rotated",
        actor=actor,
        obj=made,
        before={"token": str(old), "ends_at": None},
        after={
            "token": str(made),
            "old_ends_at": old.ends_at.isoformat(),
            "expires_at": made.expiry.isoformat(),
        },
        now=moment,
    )
    tell_of_token(made, "given a new secret", actor=actor, now=moment)
    return made, secret
