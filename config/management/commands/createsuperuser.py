"""`manage.py createsuperuser`: Django's own, with an entry in the history."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from evidence.accounts.people import record_superuser_made


class Command(createsuperuser.Command):
    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        newest = User.objects.aggregate(newest=Max("pk"))["newest"] or 0
        super().handle(*args, **options)
        for person in User.objects.filter(pk__gt=newest, is_superuser=True):
            record_superuser_made(person)
