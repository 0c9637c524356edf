"""`manage.py changepassword`: Django's own, with an entry in the history."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import User
from django.db import transaction

from evidence.accounts.people import record_password_set


class Command(changepassword.Command):
    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> str:
        answer = super().handle(*args, **options)
        name = options["username"] or getpass.getuser()
        record_password_set(User.objects.get(username=name))
        return str(answer)
