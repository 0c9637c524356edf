"""Sending one message by e-mail or webhook, with a key that stays the same.

The key is derived from the notification, so that a message that a crash makes us send
twice can be told: by e-mail it is the Message-ID, to a webhook the header
Idempotency-Key, and both carry it in the text. Mail servers do not promise to drop a
second message with the same ID; see docs/notifications.md on what that leaves.
"""

from __future__ import annotations

import hashlib
import smtplib
import socket
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.message import BadHeaderError

from incidents.errors import NotificationRefused
from incidents.models import Notification
from incidents.services.notifications.posting import Posted, post, time_limit
from incidents.services.notifications.webhooks import (
    make_service,
    open_url,
    require_allowed,
)

SOCKET_SECONDS = 10.0
"""How long one step of sending may hang; a claim lasts longer than all of them."""
PERMANENT_SMTP = range(500, 600)
TRANSIENT_HTTP = frozenset({408, 425, 429})
PERMANENT_HTTP = frozenset(range(300, 500)) - TRANSIENT_HTTP
# No message was under way yet. Of all else, nobody knows how far it came.
NEVER_REACHED = (ConnectionRefusedError, FileNotFoundError, socket.gaierror)


MAY_HAVE_ARRIVED = "It may have arrived all the same."
"""What a failure says that came after the message was under way."""


class SendFailed(Exception):
    """The message did not go out, or nobody said that it did; another try may succeed.

    Says why, in our words, and MAY_HAVE_ARRIVED where that is so.
    """


class SendRefused(Exception):
    """The message will not go out however often it is tried."""


class Printed(Exception):
    """The message was written where nobody is told by it. Says where, in our words."""


# Django's mail backends that hand a message to no mail server, and what becomes of it.
# The one for tests keeps messages for them to read, and stands for a server.
PRINTING_BACKENDS = {
    "django.core.mail.backends.console.EmailBackend": "printed to the worker's log",
    "django.core.mail.backends.filebased.EmailBackend": "written to a file",
    "django.core.mail.backends.dummy.EmailBackend": "thrown away",
}


@dataclass(frozen=True)
class Envelope:
    """What a channel is given: the text, and the key to tell repeats by."""

    subject: str
    body: str
    idempotency_key: str
    thread_key: str


def envelope_of(row: Notification) -> Envelope:
    """Return the envelope of a notification whose text is composed."""
    return Envelope(
        subject=row.subject,
        body=row.body,
        idempotency_key=idempotency_key(row),
        thread_key=row.incident.reference if row.incident else "",
    )


def idempotency_key(row: Notification) -> str:
    """Return the same 32 hexadecimal digits for a message however often it is sent."""
    parts = (row.key, str(row.recipient_id or ""), str(row.webhook_id or ""))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


class MailSession:
    """One connection to the mail server for the messages of a run."""

    def __init__(self) -> None:
        self._connection: Any = None

    def send(self, message: EmailMessage) -> None:
        """Send by the connection that is open, or by a new one; drop it on errors."""
        if not self._is_alive():
            self.close()
            self._connection = get_connection(timeout=SOCKET_SECONDS)
            self._connection.open()
        message.connection = self._connection
        try:
            message.send()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; where even that fails, it is closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(smtplib.SMTPException, OSError):
                connection.close()

    def _is_alive(self) -> bool:
        """Ask a mail server that may have hung up since the message before."""
        if self._connection is None:
            return False
        server = getattr(self._connection, "connection", None)
        if not isinstance(server, smtplib.SMTP):
            return True
        try:
            code, _ = server.noop()
        except (smtplib.SMTPException, OSError):
            return False
        return bool(code == 250)


def send(row: Notification, mail: MailSession) -> None:
    """Send a notification; raise where it did not go out.

    SendFailed: another try may succeed. SendRefused: none will. Printed: it was
    written down, and reached nobody.
    """
    envelope = envelope_of(row)
    if row.webhook is not None:
        _send_webhook(row, envelope)
    elif row.recipient is not None:
        send_email(row.to_address or row.recipient.email, envelope, mail)


def send_email(address: str, envelope: Envelope, mail: MailSession) -> None:
    """Send by Django's e-mail settings. The Message-ID is the idempotency key."""
    if not address:
        raise SendRefused("The person has no e-mail address.")
    domain = urlsplit(settings.CASEFILE_BASE_URL).hostname or "localhost"
    headers = {
        "Message-ID": f"<{envelope.idempotency_key}@{domain}>",
        "Auto-Submitted": "auto-generated",
    }
    if envelope.thread_key:
        headers["References"] = f"<{envelope.thread_key}@{domain}>"
    try:
        message = EmailMessage(
            envelope.subject,
            envelope.body,
            to=[address],
            headers=headers,
        )
        with time_limit(settings.SENDING_SECONDS):
            mail.send(message)
    except (BadHeaderError, HeaderParseError) as error:
        raise SendRefused("The e-mail address cannot stand in a message.") from error
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        _raise_smtp(min(codes, default=0), error)
    except smtplib.SMTPResponseException as error:
        _raise_smtp(error.smtp_code, error)
    except (smtplib.SMTPException, OSError) as error:
        told = f"The mail server could not be used: {type(error).__name__}."
        if not isinstance(error, NEVER_REACHED):
            told = f"{told} {MAY_HAVE_ARRIVED}"
        raise SendFailed(told) from error
    if why_mail_is_not_sent():
        raise Printed(why_mail_is_not_sent())


def why_mail_is_not_sent() -> str:
    """Return what becomes of mail where no mail server is set, or ""."""
    what = PRINTING_BACKENDS.get(settings.EMAIL_BACKEND)
    return f"mail is {what}; set EMAIL_URL to a mail server to send it" if what else ""


def _raise_smtp(code: int, error: smtplib.SMTPException) -> None:
    said = f"the mail server answered {code}"
    if code in PERMANENT_SMTP and not isinstance(
        error, smtplib.SMTPAuthenticationError | smtplib.SMTPConnectError
    ):
        raise SendRefused(said) from error
    raise SendFailed(said) from error


def _send_webhook(row: Notification, envelope: Envelope) -> None:
    channel = row.webhook
    if channel is None or not channel.is_active:
        raise SendRefused("The channel is switched off.")
    try:
        url = open_url(channel)
        # Allowed when it was entered; the list may have become shorter since.
        require_allowed(url)
    except NotificationRefused as error:
        raise SendRefused(error.message) from error
    service = make_service(url)
    if service is None:
        raise SendRefused("The address of the channel is not complete.")
    service.socket_connect_timeout = service.socket_read_timeout = SOCKET_SECONDS
    headers = getattr(service, "headers", None)
    if isinstance(headers, dict):
        headers["Idempotency-Key"] = envelope.idempotency_key
    posted = post(service, title=envelope.subject, body=envelope.body)
    if not posted.sent:
        _raise_http(posted)


def _raise_http(posted: Posted) -> None:
    status, reason = posted.status, posted.reason
    if status is None:
        told = reason.text
        if reason.may_have_arrived:
            told = f"{told} {MAY_HAVE_ARRIVED}"
        raise SendFailed(told)
    if status in PERMANENT_HTTP:
        raise SendRefused(f"The service answered {status}.")
    raise SendFailed(f"The service answered {status}.")
