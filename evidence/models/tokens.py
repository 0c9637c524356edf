"""API tokens: hashed, scoped, expiring."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from knox.models import AbstractAuthToken, AuthTokenManager


class TokenScope(models.TextChoices):
    READ = "read", "Read cases, evidence, policy and history"
    EVIDENCE_WRITE = "evidence:write", "Upload evidence"
    ALERTS_WRITE = "alerts:write", "Post alerts"
    CASES_WRITE = "cases:write", "Work cases"
    POLICY_WRITE = "policy:write", "Confirm kill switches, send policy snapshots"


class ApiToken(AbstractAuthToken):
    """A token of which only the hash is kept; it can do what its scopes name.

    What its user may not do, the token may not either: a scope narrows, it never adds.
    """

    name = models.CharField(max_length=100)
    scopes = ArrayField(models.CharField(max_length=30, choices=TokenScope))
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[AuthTokenManager] = AuthTokenManager()

    class Meta:
        verbose_name = "API token"
        ordering = ("-created",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=TokenScope.values),
                name="api_token_scopes_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"
