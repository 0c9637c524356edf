"""People and roles in the admin, in place of Django's own pages for them.

Django's would let people who may change users make a superuser of themselves and would
record none of it. Here every change is a service's; the groups are read-only.
"""

from __future__ import annotations

import zoneinfo
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
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from evidence.accounts.access import Role
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
from evidence.accounts.readers import save_own_settings
from evidence.accounts.tokens import live_tokens
from evidence.admin.base import ReadOnlyAdmin, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.factors.own_page import app_page, factors_page
from evidence.admin.factors.passkey_page import passkey_page
from evidence.admin.form_answers import answer_form
from evidence.admin.form_fields import TextField, needed
from evidence.admin.methods import takes_forms
from evidence.admin.own_tokens import (
    own_token_page,
    rotate_own_page,
    tokens_page,
)
from evidence.admin.person_notes import read_person_note
from evidence.admin.presence_page import ask_presence
from evidence.admin.sessions_page import sessions_page
from evidence.errors import CasefileError
from evidence.models import ReaderSettings, SignInIdentity

ROLES = [(role.value, role.value.capitalize()) for role in Role]
# Loaded by the import above, whatever the order of the apps.
for model, own in ((User, UserAdmin), (Group, GroupAdmin)):
    if type(admin.site._registry.get(model)) is own:
        admin.site.unregister(model)


class ReasonForm(forms.Form):
    reason = TextField(
        max_length=5_000,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the history.",
    )


class EmailForm(ReasonForm):
    email = forms.EmailField(
        required=False,
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget,
        help_text="Empty: no mail goes to this person.",
    )
    field_order = ("email", "reason")


class DeactivateForm(ReasonForm):
    """Why, and who takes over; the list of what there is stands above it."""

    successor = forms.ModelChoiceField(
        queryset=User.objects.filter(is_active=True).order_by("username"),
        required=False,
        label="Who takes over",
        widget=UnfoldAdminSelectWidget,
        help_text="Needed where anything is listed. Somebody who works cases.",
    )


class RolesForm(ReasonForm):
    roles = forms.MultipleChoiceField(
        choices=ROLES, widget=forms.CheckboxSelectMultiple
    )
    successor = forms.ModelChoiceField(
        queryset=User.objects.filter(is_active=True).order_by("username"),
        required=False,
        label="Who takes over",
        widget=UnfoldAdminSelectWidget,
        help_text="Needed where the new roles do not let them do what is listed. "
        "Somebody who works cases.",
    )
    field_order = ("roles", "successor", "reason")


class PasswordForm(ReasonForm):
    password = forms.CharField(
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Ends the person's sessions.",
    )


class PersonForm(forms.Form):
    username = forms.CharField(max_length=150, widget=UnfoldAdminTextInputWidget)
    email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget)
    roles = forms.MultipleChoiceField(
        choices=ROLES, widget=forms.CheckboxSelectMultiple
    )
    password = needed(
        forms.CharField(
            strip=False,
            required=False,
            widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
            help_text="A machine has none: it signs in with tokens.",
        ),
        "needed for a person",
    )


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
        *("lost_factors_page", "unlink_page"),
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

    @action(description="Change e-mail", url_path="email", permissions=["manage"])
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

    @action(description="Change roles", url_path="roles", permissions=["manage"])
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
        description="Unlink single sign-on",
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


class SettingsForm(forms.Form):
    email = forms.EmailField(
        required=False,
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget,
        help_text="Where reminders go. Send yourself a test message under My "
        "notifications once it is changed.",
    )
    time_zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        help_text="Every page shows its times in it. UTC stands behind each of them: "
        "rest the pointer on a time.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["time_zone"]
        names = [(name, name) for name in sorted(zoneinfo.available_timezones())]
        field.choices = [("", "My browser's"), *names]  # type: ignore[attr-defined]


@takes_forms
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show a person their own settings, and save what they choose."""
    person = person_of(request)

    def carry_out(form: Any) -> HttpResponse:
        save_own_settings(actor=person, **form.cleaned_data)
        messages.success(request, "Saved.")
        return HttpResponseRedirect(reverse("admin:auth_user_settings"))

    def show(form: Any, error: CasefileError | None) -> HttpResponse:
        template = "evidence/people/form.html"
        title = "My settings"
        return draw_page(request, template, title=title, form=form, button="Save")

    return answer_form(
        request,
        make=lambda data, files: SettingsForm(data, initial=_settings_of(person)),
        run=carry_out,
        show=show,
    )


def _settings_of(person: User) -> dict[str, Any]:
    row = ReaderSettings.objects.filter(user=person).first()
    return {"time_zone": row.time_zone if row else "", "email": person.email}


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """The roles are what the migrations grant."""

    list_display = ("name",)
    search_fields = ("name",)
    fields = ("name", "permissions")
    readonly_fields = fields
