"""Which options a webhook's address may carry, by scheme.

The library reads far more from an address than where to send: `template` and `attach`
name files of this machine that it would post, `verify=no` sends over TLS without
checking whose, and others name further addresses to fetch. Only what tells a service
where a message goes, and how it looks there, is taken; the rest is refused by name.
"""

from __future__ import annotations

from apprise.utils.parse import parse_url

from incidents.errors import NotificationRefused

HEADER_PREFIX = "+"
HEADER_SCHEMES = frozenset({"json", "jsons"})
"""Where an option such as `+Authorization` is a header: a receiver of ours asks it."""

OPTIONS: dict[str, frozenset[str]] = {
    "discord": frozenset({"ping", "thread", "tts"}),
    "gchat": frozenset({"key", "thread", "token", "workspace"}),
    "gotify": frozenset({"priority"}),
    "gotifys": frozenset({"priority"}),
    "json": frozenset({"method"}),
    "jsons": frozenset({"method"}),
    "mmost": frozenset({"botname", "channel", "channels", "mode", "team", "to"}),
    "mmosts": frozenset({"botname", "channel", "channels", "mode", "team", "to"}),
    "ntfy": frozenset({"auth", "mode", "priority", "tags", "to", "token", "xtags"}),
    "ntfys": frozenset({"auth", "mode", "priority", "tags", "to", "token", "xtags"}),
    "opsgenie": frozenset({"alias", "entity", "priority", "region", "tags", "to"}),
    "pagerduty": frozenset({"class", "group", "region", "severity"}),
    "rocket": frozenset({"mode", "to", "webhook"}),
    "rockets": frozenset({"mode", "to", "webhook"}),
    "slack": frozenset({"mode", "to", "token"}),
    "webex": frozenset({"mode", "to", "token"}),
    "workflow": frozenset({"api-version", "id", "pa", "route", "sig", "ver"}),
    "workflows": frozenset({"api-version", "id", "pa", "route", "sig", "ver"}),
    "zulip": frozenset({"to", "token"}),
}
"""A scheme that an installation adds and that is not here takes no options at all."""


def require_plain_options(url: str, scheme: str) -> None:
    """Raise NotificationRefused where an address carries an option not listed here.

    The library's own reader splits the address, so that both see the same options. The
    message names the option and never its value.
    """
    parsed = parse_url(url, verify_host=False)
    if not parsed or parsed["schema"] != scheme:
        raise NotificationRefused(f"expected a complete {scheme}:// address")
    taken = OPTIONS.get(scheme, frozenset())
    for name in parsed["qsd"]:
        if not _is_taken(name, scheme, taken):
            raise NotificationRefused(
                f"the option {name[:40]!r} is not taken in a {scheme}:// address: "
                f"expected only {_listed(scheme, taken)}"
            )


def _is_taken(name: str, scheme: str, taken: frozenset[str]) -> bool:
    if scheme in HEADER_SCHEMES and name.startswith(HEADER_PREFIX):
        return len(name) > len(HEADER_PREFIX)
    return name in taken


def _listed(scheme: str, taken: frozenset[str]) -> str:
    names = sorted(taken)
    if scheme in HEADER_SCHEMES:
        names.append(f"{HEADER_PREFIX}Header")
    return ", ".join(names) or "none"
