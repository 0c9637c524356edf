"""What is asked for on the pages of people: reasons, addresses, roles, passwords."""

from __future__ import annotations

from django import forms
from django.contrib.auth.models import User
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from evidence.accounts.access import Role
from evidence.admin.form_fields import TextField, needed

ROLES = [(role.value, role.value.capitalize()) for role in Role]


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
