"""People and roles in the admin, in place of Django's own pages for them.

Django's would let people who may change users make a superuser of themselves and would
record none of it. Here every change is a service's; the groups are read-only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from unfold.decorators import action, display

from evidence.accounts.factors.removal import remove_factors
from evidence.accounts.holdings import list_held
from evidence.accounts.identities import unlink_identity
from evidence.accounts.people import (
    ADD,
    CHANGE,
    change_email,
    change_roles,
    create_person,
    reset_password,
    set_active,
)
from evidence.accounts.sessions_of_others import sign_out_everywhere
from evidence.accounts.tokens import live_tokens
from evidence.admin.base import ReadOnlyAdmin, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.factors.own_page import app_page, factors_page
from evidence.admin.factors.passkey_page import passkey_page
from evidence.admin.form_answers import answer_form
from evidence.admin.methods import takes_forms
from evidence.admin.own_tokens import (
    own_token_page,
    rotate_own_page,
    tokens_page,
)
from evidence.admin.people_forms import (
    DeactivateForm,
    EmailForm,
    PasswordForm,
    PersonForm,
    ReasonForm,
    RolesForm,
)
from evidence.admin.person_notes import read_person_note
from evidence.admin.presence_page import ask_presence
from evidence.admin.sessions_page import sessions_page
from evidence.admin.settings_page import settings_page
from evidence.errors import CasefileError
from evidence.models import SignInIdentity

# Loaded by the import above, whatever the order of the apps.
for model, own in ((User, UserAdmin), (Group, GroupAdmin)):
    if type(admin.site._registry.get(model)) is own:
        admin.site.unregister(model)


@admin.register(User)
class PersonAdmin(ReadOnlyAdmin):
    list_display = ("username", "email", "roles", "is_active", "last_login")
    list_filter = ("groups", "is_active")
    search_fields = ("username", "email")
    ordering = ("username",)
    fields = (
        "username",
        "email",
        "notifications",
        "roles",
        "single_sign_on",
        "is_active",
        "is_superuser",
        "last_login",
        "date_joined",
    )
    readonly_fields = fields
    actions_detail = (
        *("email_page", "roles_page", "active_page", "password_page"),
        *("sign_out_page", "lost_factors_page", "unlink_page"),
    )

    def get_urls(self) -> list[URLPattern]:
        own = self.page("settings/", settings_page, "settings")
        sessions = self.page("sessions/", sessions_page, "sessions")
        factors = self.page("factors/", factors_page, "factors")
        app = self.page("factors/app/", app_page, "factors_app")
        passkey = self.page("factors/passkey/", passkey_page, "factors_passkey")
        tokens = (
            self.page("tokens/", tokens_page, "tokens"),
            self.page("tokens/add/", own_token_page, "tokens_add"),
            self.page("tokens/<int:pk>/rotate/", rotate_own_page, "tokens_rotate"),
        )
        more = (factors, app, passkey)
        return [own, sessions, *more, *tokens, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.prefetch_related("groups")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ADD)

    # A permission named to an action in full would be looked up in the database by the
    # system checks: `migrate` could not run on an empty one.
    def has_manage_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        return request.user.has_perm(CHANGE)

    @display(description="Notifications")
    def notifications(self, person: User) -> SafeString:
        return read_person_note("notifications", person)

    @display(description="Single sign-on")
    def single_sign_on(self, person: User) -> str:
        links = SignInIdentity.objects.filter(user=person)
        return "; ".join(f"linked to {link}" for link in links) or "not linked"

    @display(description="Roles")
    def roles(self, person: User) -> str:
        return ", ".join(sorted(group.name for group in person.groups.all())) or "none"

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._run(request, "Add a person", PersonForm, create_person)

    @action(description="E-mail", url_path="email", permissions=["manage"])
    @takes_forms
    def email_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._find(request, object_id)
        return self._run(
            request,
            f"E-mail address of {person}",
            EmailForm,
            change_email,
            person=person,
            initial={"email": person.email},
        )

    @action(description="Roles", url_path="roles", permissions=["manage"])
    @takes_forms
    def roles_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._find(request, object_id)
        held = [group.name for group in person.groups.all()]
        return self._run(
            request,
            f"Roles of {person}",
            RolesForm,
            change_roles,
            person=person,
            initial={"roles": held},
            shown=_holdings_of(person),
        )

    @action(
        description="Deactivate or reactivate",
        url_path="active",
        permissions=["manage"],
    )
    @takes_forms
    def active_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._find(request, object_id)
        verb = "Deactivate" if person.is_active else "Reactivate"
        return self._run(
            request,
            f"{verb} {person}",
            DeactivateForm if person.is_active else ReasonForm,
            set_active,
            person=person,
            fixed={"is_active": not person.is_active},
            shown=_holdings_of(person) if person.is_active else {},
        )

    @action(description="Reset password", url_path="password", permissions=["manage"])
    @takes_forms
    def password_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._find(request, object_id)
        return self._run(
            request,
            f"Reset the password of {person}",
            PasswordForm,
            reset_password,
            person=person,
        )

    @action(
        description="Sign out everywhere", url_path="sign-out", permissions=["manage"]
    )
    @takes_forms
    def sign_out_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._find(request, object_id)
        return self._run(
            request,
            f"Sign {person} out everywhere",
            ReasonForm,
            sign_out_everywhere,
            person=person,
        )

    @action(
        description="Remove lost factors",
        url_path="lost-factors",
        permissions=["manage"],
    )
    @takes_forms
    def lost_factors_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._find(request, object_id)
        return self._run(
            request,
            f"Remove the second factors of {person}",
            ReasonForm,
            remove_factors,
            person=person,
        )

    @action(
        description="Unlink sign-on",
        url_path="unlink",
        permissions=["manage"],
    )
    @takes_forms
    def unlink_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._find(request, object_id)
        return self._run(
            request,
            f"Unlink single sign-on from {person}",
            ReasonForm,
            unlink_identity,
            person=person,
        )

    def _find(self, request: HttpRequest, object_id: str) -> User:
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        person: User | None = self.get_object(request, str(object_id))
        if person is None:
            raise Http404
        return person

    @method_decorator(sensitive_post_parameters("password"))
    def _run(
        self,
        request: HttpRequest,
        title: str,
        form_class: type[forms.Form],
        service: Callable[..., User],
        *,
        person: User | None = None,
        fixed: dict[str, Any] | None = None,
        initial: dict[str, Any] | None = None,
        shown: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a form, or hand what it says to the service and show the person."""
        if (asked := ask_presence(request)) is not None:
            return asked

        def carry_out(form: Any) -> HttpResponse:
            values = {**form.cleaned_data, **(fixed or {})}
            if person is not None:
                values["person_id"] = person.pk
            saved = service(actor=person_of(request), **values)
            messages.success(request, f"{title}: done and recorded.")
            page = reverse("admin:auth_user_change", args=[saved.pk])
            return HttpResponseRedirect(page)

        def show(form: Any, error: CasefileError | None) -> HttpResponse:
            context = {
                "title": title,
                "opts": self.opts,
                "form": form,
                **(shown or {}),
            }
            return draw_page(request, "evidence/people/form.html", **context)

        return answer_form(
            request,
            make=lambda data, files: form_class(data, initial=initial),
            run=carry_out,
            show=show,
        )


def _holdings_of(person: User) -> dict[str, Any]:
    """Return what is to be handed over, each with its page, and what is revoked."""
    held = [
        (
            holding,
            reverse(
                f"admin:{_admin_name(holding.page)}_change", args=[holding.page.pk]
            ),
        )
        for holding in list_held(person)
    ]
    tokens = list(live_tokens(person, now=timezone.now()))
    return {
        "held": held,
        "tokens": tokens,
        "shows_holdings": True,
    }


def _admin_name(row: Model) -> str:
    return f"{row._meta.app_label}_{row._meta.model_name}"


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """The roles are what the migrations grant."""

    list_display = ("name",)
    search_fields = ("name",)
    fields = ("name", "permissions")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """Read the tables that permissions name with them, and not one by one."""
        roles = super().get_queryset(request)
        return roles.prefetch_related("permissions__content_type")
