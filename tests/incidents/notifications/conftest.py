from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from evidence.accounts.access import Role
from incidents.models import Incident
from tests.factories import make_incident, make_user
from tests.incidents.notifications.sinks import Sink, run_mail_sink, run_webhook_sink


@pytest.fixture
def lead(db: None) -> User:
    return make_user(username="lead")


@pytest.fixture
def someone_reviewing(db: None) -> User:
    return make_user(Role.REVIEWER)


@pytest.fixture
def case(lead: User, someone_reviewing: User) -> Incident:
    """A case that its lead opened at noon; a reviewer is there too."""
    return make_incident(actor=lead, lead=lead)


@pytest.fixture
def mail_sink(settings: Settings) -> Iterator[Sink]:
    """Send this process's e-mail to a mail server on loopback."""
    with run_mail_sink() as sink:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        yield sink


@pytest.fixture
def webhook_sink(settings: Settings) -> Iterator[Sink]:
    """Run a webhook service on loopback, reached over plain HTTP."""
    settings.WEBHOOK_SCHEMES = ["json"]
    with run_webhook_sink() as sink:
        yield sink
