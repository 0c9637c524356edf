"""Whether the person at the browser is who signed in: their password, asked again."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from evidence.accounts.devices import find_device, forget_device_failures


@sensitive_variables("password")
def prove_password(request: HttpRequest, person: User, password: str) -> bool:
    """Return whether this is the person's password; failures count as of a sign-in.

    So they have its limits, and stand in the history.
    """
    found = authenticate(request, username=person.get_username(), password=password)
    if found is None or found.pk != person.pk:
        return False
    if device := find_device(request, person):
        forget_device_failures(device)
    return True
