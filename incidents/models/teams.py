"""Teams: people who share cases."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models

from evidence.models.triggers import Protect


class Team(models.Model):
    """The people who share a case."""

    name = models.CharField(max_length=100, unique=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="incident_teams"
    )
    sees_only_own_cases = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its members see the cases of their teams, and those that name them; "
        "other cases are not there for them.",
    )

    class Meta:
        ordering = ("name",)
        triggers = (Protect(name="never_deleted", operation=pgtrigger.Delete),)

    def __str__(self) -> str:
        return self.name
