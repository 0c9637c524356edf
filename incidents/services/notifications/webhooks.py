"""Webhook channels: their addresses are secrets, sealed before they are stored.

Only the schemes of `settings.WEBHOOK_SCHEMES` are taken. The key is derived from
SECRET_KEY; addresses sealed under a key of SECRET_KEY_FALLBACKS can still be read.

The library reads far more from an address than where to send: `template` and `attach`
name files of this machine that it would post, `verify=no` sends over TLS without
checking whose, and others name further addresses to fetch. Only what tells a service
where a message goes, and how it looks there, is taken; the rest is refused by name.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from cryptography.fernet import InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.accounts.sealing import make_cipher
from evidence.audit.history import record_entry
from evidence.text import one_line
from incidents.errors import NotificationRefused
from incidents.models import Team, WebhookChannel

if TYPE_CHECKING:
    # The library takes long to load, and few processes ever send: see where it is used.
    import apprise

ADD = "incidents.add_webhookchannel"
CHANGE = "incidents.change_webhookchannel"
URL_LENGTH = 2_000

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

# The library's own log lines may quote an address, and so reach no log of ours.
_library_log = logging.getLogger("apprise")
_library_log.propagate = False
# It says why nothing was sent only to who listens this closely (posting.py).
_library_log.setLevel(logging.DEBUG)
_library_log.addHandler(logging.NullHandler())


@transaction.atomic
def add_webhook(
    *,
    actor: Actor,
    name: str,
    url: str,
    owner: User | None = None,
    team: Team | None = None,
    wants_warnings: bool = False,
    now: dt.datetime | None = None,
) -> WebhookChannel:
    """Add a chat room or a pager: of one person, of a team, or shared by all cases."""
    require_permission(actor, ADD)
    moment = now or timezone.now()
    channel = WebhookChannel(
        name=_clean_name(name),
        owner=owner,
        team=team,
        wants_warnings=wants_warnings,
        added_at=moment,
        added_by=actor,
    )
    _require_free(channel)
    _put_url(channel, url)
    channel.save(force_insert=True)
    record_entry(
        action="webhook.added",
        actor=actor,
        obj=channel,
        after=_described(channel),
        now=moment,
    )
    return channel


@transaction.atomic
def change_webhook(
    *,
    actor: Actor,
    webhook_id: int,
    name: str,
    owner: User | None,
    team: Team | None,
    wants_warnings: bool,
    is_active: bool,
    url: str = "",
    now: dt.datetime | None = None,
) -> WebhookChannel:
    """Change a channel; an empty `url` keeps the address that it has."""
    require_permission(actor, CHANGE)
    channel = WebhookChannel.objects.select_for_update(of=("self",)).get(pk=webhook_id)
    before = _described(channel)
    channel.name = _clean_name(name)
    channel.owner, channel.team = owner, team
    channel.wants_warnings, channel.is_active = wants_warnings, is_active
    _require_free(channel)
    if url:
        _put_url(channel, url)
    channel.save()
    record_entry(
        action="webhook.changed",
        actor=actor,
        obj=channel,
        before=before,
        after=_described(channel) | {"url_changed": bool(url)},
        now=now or timezone.now(),
    )
    return channel


def open_url(channel: WebhookChannel) -> str:
    """Return the address in clear, for sending and nothing else.

    Raise NotificationRefused where no key of ours opens it.
    """
    try:
        return _cipher().decrypt(channel.sealed_url.encode()).decode()
    except InvalidToken as error:
        raise NotificationRefused(
            f"The address of {channel.name} was sealed under another SECRET_KEY: "
            "enter it again, or add the old key to SECRET_KEY_FALLBACKS."
        ) from error


def require_allowed(url: str) -> str:
    """Return the scheme of an address; raise NotificationRefused, without the address.

    The scheme is looked at first, then the options: the library makes a service of
    no others.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    allowed = sorted(settings.WEBHOOK_SCHEMES)
    if scheme not in allowed:
        raise NotificationRefused(
            "Give an address that begins with one of these: "
            f"{', '.join(f'{scheme}://' for scheme in allowed)}.",
            field="url",
        )
    if len(url) > URL_LENGTH or not url.isprintable() or " " in url:
        raise NotificationRefused(
            f"Give an address of at most {URL_LENGTH} characters, without blanks.",
            field="url",
        )
    require_plain_options(url, scheme)
    if make_service(url) is None:
        raise NotificationRefused(
            f"The {scheme}:// address is not complete: a part that the service needs "
            "is missing.",
            field="url",
        )
    return scheme


def require_plain_options(url: str, scheme: str) -> None:
    """Raise NotificationRefused where an address carries an option not listed here.

    The library's own reader splits the address, so that both see the same options. The
    message names the option and never its value.
    """
    from apprise.utils.parse import parse_url

    parsed = parse_url(url, verify_host=False)
    if not parsed or parsed["schema"] != scheme:
        raise NotificationRefused(
            f"The {scheme}:// address is not complete.", field="url"
        )
    taken = OPTIONS.get(scheme, frozenset())
    for name in parsed["qsd"]:
        if not _is_taken(name, scheme, taken):
            raise NotificationRefused(
                f"A {scheme}:// address does not take the option {name[:40]!r}. It "
                f"takes {_listed(scheme, taken)}.",
                field="url",
            )


def make_service(url: str) -> apprise.NotifyBase | None:
    """Return the service behind an address; None where the address is incomplete.

    It keeps nothing on disk, follows no redirect (which would leave the address that
    was allowed) and tries once: retries are ours, with a row for each.
    """
    import apprise

    asset = apprise.AppriseAsset(
        app_id="Casefile", http_redirects=False, storage_mode="memory"
    )
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _is_taken(name: str, scheme: str, taken: frozenset[str]) -> bool:
    if scheme in HEADER_SCHEMES and name.startswith(HEADER_PREFIX):
        return len(name) > len(HEADER_PREFIX)
    return name in taken


def _listed(scheme: str, taken: frozenset[str]) -> str:
    names = sorted(taken)
    if scheme in HEADER_SCHEMES:
        names.append(f"{HEADER_PREFIX}Header")
    return ", ".join(names) or "none"


def _put_url(channel: WebhookChannel, url: str) -> None:
    text = url.strip()
    channel.scheme = require_allowed(text)
    channel.sealed_url = _cipher().encrypt(text.encode()).decode()


def _cipher() -> MultiFernet:
    return make_cipher(b"casefile.webhook-address.v1")


def _clean_name(name: str) -> str:
    text = one_line(name)
    limit = WebhookChannel._meta.get_field("name").max_length or 0
    if not text or len(text) > limit:
        raise NotificationRefused(
            f"Give a name of 1 to {limit} characters. This one has {len(text)}.",
            field="name",
        )
    return text


def _require_free(channel: WebhookChannel) -> None:
    if channel.owner is not None and channel.team is not None:
        raise NotificationRefused(
            "A channel belongs to a person or to a team, not both.", field="team"
        )
    same = WebhookChannel.objects.filter(name=channel.name).exclude(pk=channel.pk)
    if same.exists():
        raise NotificationRefused(
            f"There is a channel named {channel.name} already.", field="name"
        )


def _described(channel: WebhookChannel) -> dict[str, object]:
    return {
        "name": channel.name,
        "address": channel.masked_url,
        "owner": channel.owner.get_username() if channel.owner else None,
        "team": channel.team.name if channel.team else None,
        "wants_warnings": channel.wants_warnings,
        "is_active": channel.is_active,
    }
