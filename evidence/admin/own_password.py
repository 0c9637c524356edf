"""The page on which a person changes their own password, through the service."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse_lazy
from unfold.forms import AdminOwnPasswordChangeForm

from evidence.accounts.devices import remember_device
from evidence.accounts.people import change_own_password
from evidence.accounts.presence import prove_password
from evidence.admin.base import person_of
from evidence.admin.first_password import MARK
from evidence.admin.methods import takes_forms


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """The admin's own form: it asks for the old password and compares the new ones.

    Wrong old ones count as failed sign-ins: an open browser is no place to guess.
    """

    request: HttpRequest

    def clean_old_password(self) -> str:
        given = str(self.cleaned_data["old_password"])
        if not prove_password(self.request, self.user, given):
            raise ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return given

    def clean_new_password1(self) -> str:
        given = str(self.cleaned_data["new_password1"])
        if self.user.check_password(given):
            raise ValidationError(
                "Choose another than the one you have.", code="password_unchanged"
            )
        return given

    def save(self, commit: bool = True) -> User:
        person = change_own_password(
            actor=self.user, password=self.cleaned_data["new_password1"]
        )
        # The session goes on with the hash that was stored.
        self.user.password = person.password
        return person


@takes_forms
def own_password_view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    """Show and answer the page at the admin's address, for every role."""
    return admin.site.admin_view(_change, cacheable=True)(request, **kwargs)


def _change(request: HttpRequest) -> HttpResponseBase:
    asked_form = type("AskedForm", (OwnPasswordForm,), {"request": request})
    view = PasswordChangeView.as_view(
        form_class=asked_form,
        success_url=reverse_lazy("admin:password_change_done"),
        template_name=admin.site.password_change_template
        or "registration/password_change_form.html",
        extra_context=admin.site.each_context(request),
    )
    request.current_app = admin.site.name
    response = view(request)
    if request.method == "POST" and response.status_code == 302:
        # A new password makes every device new, except this one.
        request.session.pop(MARK, None)
        remember_device(response, person_of(request))
    return response
