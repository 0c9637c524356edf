"""Teams in the admin: administrators say who is in which."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from incidents.models import Team


@admin.register(Team)
class TeamAdmin(ModelAdmin):
    list_display = ("name",)
    search_fields = ("name",)
    filter_horizontal = ("members",)
