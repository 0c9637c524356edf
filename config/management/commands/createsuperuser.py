"""`manage.py createsuperuser`: Django's own, with an entry in the history."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.db import transaction
from django.db.models import Max

from evidence.accounts.names import require_own_look
from evidence.accounts.people import record_superuser_made
from evidence.errors import PersonError


class Command(createsuperuser.Command):
    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        newest = User.objects.aggregate(newest=Max("pk"))["newest"] or 0
        super().handle(*args, **options)
        for person in User.objects.filter(pk__gt=newest, is_superuser=True):
            _require_own_look(person)
            record_superuser_made(person)


def _require_own_look(person: User) -> None:
    """Refuse a name as the page for accounts does; the account is not made then."""
    others = User.objects.exclude(pk=person.pk).values_list("username", flat=True)
    try:
        require_own_look(person.username, list(others))
    except PersonError as error:
        raise CommandError(error.message) from error
