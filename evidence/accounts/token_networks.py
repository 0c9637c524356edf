"""From where a token may be used, and from where it is: networks and addresses.

The address is the one that a sign-in has: that of the connection, or, behind proxies of
ours, the one that the outermost of them saw (config/middleware.py).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Collection, Iterable

from django.core.cache import cache
from django.db import transaction
from redis.exceptions import RedisError

from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.audit.history import record_entry
from evidence.errors import TokenError
from evidence.models import ApiToken

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST_NETWORKS = 20
KNOWN_NETWORKS = 50
"""How many networks a token is remembered to have come from; an older one is new again,
and told again."""
PREFIXES = {4: 24, 6: 64}
"""Which addresses are one network: a machine that moves next door is no news."""
REFUSAL_SECONDS = 3600
"""How often a token that comes from elsewhere is recorded and told."""


def read_networks(words: Iterable[str]) -> list[str]:
    """Return networks as they are written in CIDR; empty: from anywhere.

    A single address is a network of one. Raise TokenError that names all that is wrong.
    """
    found, faults = [], []
    for word in filter(None, (word.strip() for word in words)):
        try:
            found.append(str(ipaddress.ip_network(word)))
        except ValueError:
            faults.append(_say_fault(word))
    wide = [name for name in found if name.endswith("/0")]
    faults += [f"{name} is everywhere: leave the networks empty" for name in wide]
    if len(found) > MOST_NETWORKS:
        faults.append(f"{len(found)} networks are too many: {MOST_NETWORKS} at most")
    if faults:
        raise TokenError(f"{'; '.join(faults)}.", field="networks")
    return sorted(set(found))


def _say_fault(word: str) -> str:
    shown = word[:50]
    try:
        meant = ipaddress.ip_network(word, strict=False)
    except ValueError:
        return f"“{shown}” is no network: write 192.0.2.0/24 or 2001:db8::/32"
    return f"{shown} has bits beyond its prefix: {meant} is the network"


def read_address(text: str | None) -> Address | None:
    """Return the address of a request; None over a socket. IPv4 in IPv6 is IPv4."""
    try:
        found = ipaddress.ip_address((text or "").split("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def is_allowed(networks: Collection[str], address: Address | None) -> bool:
    """Return whether an address is in one of the networks; without any, all are."""
    if not networks:
        return True
    return address is not None and any(
        address in ipaddress.ip_network(name) for name in networks
    )


def network_of(address: Address) -> str:
    """Return the neighbourhood of an address."""
    prefix = PREFIXES[address.version]
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


@transaction.atomic
def note_new_network(token_id: int, address: Address, *, now: dt.datetime) -> None:
    """Remember that a token came from a network; from a second one, tell its owner."""
    token = ApiToken.objects.select_for_update().get(pk=token_id)
    network = network_of(address)
    if token.revoked_at is not None or network in token.seen_networks:
        return
    is_first = not token.seen_networks
    token.seen_networks = [*token.seen_networks, network][-KNOWN_NETWORKS:]
    token.save(update_fields=["seen_networks"])
    if is_first:
        return
    record_entry(
        action="token.used_elsewhere",
        actor=token.user,
        obj=token,
        after={"address": str(address), "network": network},
        now=now,
    )
    tell_owner(
        AccountNotice(
            token.user,
            f"account:{token.user_id}:token:{token.pk}:{network}:{now:%Y-%m-%dT%H}",
            f"Your token “{token.name}” was used from a new network, by {address}",
            now,
        )
    )


def record_refused_network(
    token: ApiToken, address: Address | None, *, now: dt.datetime
) -> None:
    """Record, at most once an hour and address, that a token came from elsewhere."""
    try:
        key = f"token-elsewhere:{token.pk}:{address}"
        if not cache.add(key, True, timeout=REFUSAL_SECONDS):
            return
    except (RedisError, OSError):
        # Nobody can tell whether it was recorded: once too often is better.
        pass
    with transaction.atomic():
        record_entry(
            action="token.refused_elsewhere",
            actor=None,
            obj=token,
            after={"address": str(address) if address else None},
            now=now,
        )
        tell_owner(
            AccountNotice(
                token.user,
                f"account:{token.user_id}:token:{token.pk}:refused:{now:%Y-%m-%dT%H}",
                f"Your token “{token.name}” was sent from {address or 'this server'}, "
                "where it may not be used",
                now,
            )
        )
