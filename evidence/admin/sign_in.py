"""Signing in and out: the admin's own addresses, and the one door for passwords."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.forms import AuthenticationForm as SkinnedForm

from evidence.accounts.factors.held import has_factor
from evidence.accounts.factors.proving import SignInWay
from evidence.accounts.first_use import LAPSED, has_lapsed
from evidence.accounts.identities import LINKED, is_linked
from evidence.accounts.sign_ins import record_sign_out
from evidence.admin.factors.second_step import begin_second_step
from evidence.admin.methods import takes_forms
from evidence.admin.welcome import origin_of, welcome


class SignInForm(SkinnedForm):
    """The admin's, but that a name longer than any account's is refused at once.

    Its password would be hashed, and the failure could be neither kept nor counted.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        longest = self.username_field.max_length
        self.fields["username"].validators.append(MaxLengthValidator(longest))


class SignInView(LoginView):
    """Django's, but that a right password alone signs nobody in who has a factor."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person, target = form.get_user(), self.get_success_url()
        if is_linked(person):
            form.add_error(None, LINKED.format(settings.OIDC_NAME))
            return self.form_invalid(form)
        if has_lapsed(person, now=timezone.now()):
            form.add_error(None, LAPSED)
            return self.form_invalid(form)
        ways = (SignInWay.PASSWORD,)
        if has_factor(person):
            return begin_second_step(self.request, person, ways, target)
        return welcome(self.request, person, ways, target)


@takes_forms
def sign_in_view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Show and answer the form, as the admin's own site does."""
    site = admin.site
    if request.method == "GET" and site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    context = {
        **site.each_context(request),
        "title": "Log in",
        "subtitle": None,
        "app_path": request.get_full_path(),
        "username": request.user.get_username(),
        "single_name": settings.OIDC_NAME if settings.OIDC_ISSUER else "",
    }
    request.current_app = site.name
    view = SignInView.as_view(
        authentication_form=SignInForm,
        template_name=site.login_template or "admin/login.html",
        extra_context=context,
    )
    return cast(HttpResponse, view(request))


@takes_forms
def sign_out_view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Sign somebody out, and record it."""
    person = request.user
    response: HttpResponse = admin.site.logout(request, **kwargs)
    if person.is_authenticated and not request.user.is_authenticated:
        record_sign_out(person=person, origin=origin_of(request))
        # Pages, and what was typed and not sent: the next one here is somebody else.
        response["Clear-Site-Data"] = '"cache", "storage"'
    return response
