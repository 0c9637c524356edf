"""Teams in the admin: administrators say who is in which."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from evidence.admin.base import RefusableAdmin, person_of
from evidence.admin.presence_page import ask_presence
from incidents.models import Team
from incidents.services.notifications.reachability import read_reach
from incidents.services.teams import save_team


@admin.register(Team)
class TeamAdmin(RefusableAdmin):
    """Teams are made and changed by the service, and never deleted."""

    list_display = ("name", "sees_only_own_cases")
    search_fields = ("name",)
    fields = ("name", "members", "sees_only_own_cases", "reachability")
    readonly_fields = ("reachability",)
    filter_horizontal = ("members",)

    @display(description="Notifications")
    def reachability(self, team: Team) -> SafeString | str:
        """Say of each member how they can be told."""
        if team._state.adding:
            return "Shown once the team has members."
        found = read_reach(team.members.order_by("username")).values()
        return format_html_join(
            "",
            "<div>{} {}</div>",
            (
                (
                    reach.person,
                    render_to_string("incidents/_reach.html", {"reach": reach}),
                )
                for reach in found
            ),
        )

    def has_delete_permission(
        self, request: HttpRequest, obj: Team | None = None
    ) -> bool:
        return False

    def changeform_view(
        self, request: HttpRequest, *args: Any, **options: Any
    ) -> HttpResponse:
        """Ask who is there: members of a team see the cases that name it."""
        asked = ask_presence(request) if self.has_change_permission(request) else None
        return asked or super().changeform_view(request, *args, **options)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **options: Any
    ) -> Any:
        people: QuerySet[User] = User.objects.order_by("username")
        return super().formfield_for_manytomany(
            db_field, request, queryset=people, **options
        )

    def save_model(
        self, request: HttpRequest, obj: Team, form: forms.ModelForm, change: bool
    ) -> None:
        """Hand the form to the service, which writes the row, its members and why."""
        team = save_team(
            actor=person_of(request),
            team_id=obj.pk if change else None,
            name=form.cleaned_data["name"],
            members=form.cleaned_data["members"],
            sees_only_own_cases=form.cleaned_data["sees_only_own_cases"],
        )
        obj.pk = team.pk

    def save_related(
        self, request: HttpRequest, form: forms.ModelForm, formsets: Any, change: bool
    ) -> None:
        """Save nothing: the service saves the members with the team."""
