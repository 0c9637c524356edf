"""API tokens in the admin: made here, shown once, revoked; the secret is not kept."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from evidence.accounts.tokens import (
    LONGEST_DAYS,
    NAME_LENGTH,
    create_token,
    revoke_token,
    usable_scopes,
)
from evidence.admin.base import (
    ReadOnlyAdmin,
    call_service,
    is_within_bulk,
    person_of,
)
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.form_fields import TextField
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.models import ApiToken, TokenScope
from evidence.templatetags.casefile import show_moment

DEFAULT_DAYS = 90
STATE_LABELS = {
    "active": "success",
    "expired": "warning",
    "replaced": "warning",
    "revoked": "danger",
    "user off": "danger",
}


class OwnerField(forms.ModelChoiceField):
    """Names each person with the scopes that their role has a use for."""

    def label_from_instance(self, obj: Any) -> str:
        scopes = ", ".join(usable_scopes(obj)) or "no scope"
        return f"{obj.get_username()}: {scopes}"


class OwnerForm(forms.Form):
    """Whose token: asked first, since it decides what the token may do."""

    user = OwnerField(
        queryset=User.objects.filter(is_active=True).order_by("username"),
        widget=UnfoldAdminSelectWidget,
        label="Whose token",
        help_text="The token can never do more than this person or machine.",
    )


class TokenForm(forms.Form):
    """What a token of this owner is for, what it may do, and for how long.

    It offers what the owner's role allows; the service refuses whatever else is sent.
    """

    user = forms.ModelChoiceField(
        queryset=User.objects.order_by("username"), widget=forms.HiddenInput
    )
    name = TextField(
        max_length=NAME_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="What it is for, so that somebody knows when to revoke it.",
    )
    scopes = forms.MultipleChoiceField(
        choices=TokenScope.choices, widget=forms.CheckboxSelectMultiple
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_DAYS,
        initial=DEFAULT_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        label="Days until it expires",
    )

    networks = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        label="Networks it may be used from",
        help_text="Such as 192.0.2.0/24, 2001:db8::/32, with commas between. Empty: "
        "from anywhere.",
    )

    def clean_networks(self) -> list[str]:
        return str(self.cleaned_data["networks"]).replace(",", " ").split()

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"user": owner.pk, **self.initial}
        self.owner = owner
        boxes: Any = self.fields["scopes"].widget
        boxes.choices = [(scope.value, scope.label) for scope in usable_scopes(owner)]

    @property
    def has_scopes(self) -> bool:
        boxes: Any = self.fields["scopes"].widget
        return bool(boxes.choices)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "user",
        "state",
        "scope_names",
        "expires",
        "last_used",
        "last_used_from",
        "allowed_from",
        "created_by",
    )
    list_select_related = ("user", "created_by")
    list_filter = ("user",)
    search_fields = ("name", "user__username")
    fields = (
        "name",
        "user",
        "scope_names",
        "created",
        "created_by",
        "expires",
        "ends_at",
        "replaces",
        "allowed_from",
        "last_used",
        "last_used_from",
        "revoked_at",
        "revoked_by",
    )
    readonly_fields = fields
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.add_apitoken")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("evidence.revoke_apitoken")

    # --- columns --------------------------------------------------------------------

    @display(description="State", label=STATE_LABELS)
    def state(self, token: ApiToken) -> str:
        return token.state_at(timezone.now())

    @display(description="Scopes")
    def scope_names(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @display(description="Allowed from")
    def allowed_from(self, token: ApiToken) -> str:
        return ", ".join(token.networks) or "anywhere"

    @display(description="Expires", ordering="expiry")
    def expires(self, token: ApiToken) -> str:
        return show_moment(token.works_until)

    @display(description="Last used", ordering="last_used_at")
    def last_used(self, token: ApiToken) -> str:
        used: dt.datetime | None = token.last_used_at
        return show_moment(used) if used else "never"

    # --- pages ----------------------------------------------------------------------

    @sensitive_variables("secret")
    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Make a token; the answer to the form is the only page that shows it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if (question := ask_presence(request)) is not None:
            return question
        asked = request.POST or request.GET
        owner = OwnerForm(asked if "user" in asked else None)
        if not owner.is_valid():
            return self._render(request, "owner", form=owner)
        return answer_form(
            request,
            make=lambda data, files: TokenForm(data, owner=owner.cleaned_data["user"]),
            run=lambda form: self._make(request, form),
            show=lambda form, error: self._render(request, "make", form=form),
        )

    @sensitive_variables("secret")
    def _make(self, request: HttpRequest, form: TokenForm) -> HttpResponse:
        """Show the token, once: a form that is sent again leads to the token's page."""
        token, secret = create_token(actor=person_of(request), **form.cleaned_data)
        response = self._render(request, "shown", token=token, secret=secret)
        page = reverse("admin:evidence_apitoken_change", args=[token.pk])
        response["Content-Location"] = page
        return response

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        if not is_within_bulk(request, queryset):
            return
        for token in queryset:
            service = partial(
                revoke_token,
                token_id=token.pk,
                actor=person_of(request),
                reason="revoked in the admin",
            )
            call_service(request, service, success=f"{token} is revoked.")

    def _render(
        self, request: HttpRequest, name: str, **context: Any
    ) -> TemplateResponse:
        response = draw_page(
            request,
            f"evidence/tokens/{name}.html",
            title="API token",
            opts=self.opts,
            **context,
        )
        response["Cache-Control"] = "no-store"
        return response
