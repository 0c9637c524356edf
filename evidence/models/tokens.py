"""API tokens: hashed, scoped, expiring, revoked but never deleted."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from knox.models import AbstractAuthToken, AuthTokenManager
from knox.settings import CONSTANTS

from evidence.models.columns import optional_person_field, person_field
from evidence.models.triggers import Protect, ReadOnly


class TokenScope(models.TextChoices):
    READ = "read", "Read cases, evidence, policy and history"
    EVIDENCE_WRITE = "evidence:write", "Upload evidence"
    EVIDENCE_DOWNLOAD = "evidence:download", "Download evidence as it was received"
    ALERTS_WRITE = "alerts:write", "Post alerts"
    CASES_WRITE = "cases:write", "Work cases"
    CASES_REVIEW = (
        "cases:review",
        "Release restrictions and holds, look into cases, end them early",
    )
    POLICY_WRITE = "policy:write", "Confirm kill switches, send policy snapshots"
    UNREDACTED = "copies:unredacted", "Copies with nothing redacted"
    ARCHIVES = "archives:download", "Download archives of cases"


class ApiToken(AbstractAuthToken):
    """A token of which only the hash is kept; it can do what its scopes name.

    What its user may not do, the token may not either: a scope narrows, it never adds.
    A token that expired or was revoked stays as a row, so that history keeps its name.
    """

    digest = models.CharField(
        max_length=CONSTANTS.DIGEST_LENGTH, unique=True, editable=False
    )
    user = person_field(related_name="auth_token_set")
    name = models.CharField(max_length=100)
    scopes = ArrayField(models.CharField(max_length=30, choices=TokenScope))
    networks = ArrayField(
        models.CharField(max_length=50),
        default=list,
        db_default=[],
        blank=True,
        help_text="From where it may be used, in CIDR; none: from anywhere.",
    )
    expiry = models.DateTimeField("expires at")
    ends_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it ends before it expires, since another took its place.",
    )
    replaces = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replaced_by",
    )
    created_by = optional_person_field()
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)
    seen_networks = ArrayField(
        models.CharField(max_length=50),
        default=list,
        db_default=[],
        blank=True,
        editable=False,
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = optional_person_field()

    objects: ClassVar[AuthTokenManager] = AuthTokenManager()

    class Meta:
        verbose_name = "API token"
        ordering = ("-created",)
        constraints = (
            models.CheckConstraint(
                condition=Q(scopes__contained_by=TokenScope.values),
                name="api_token_scopes_known",
            ),
            models.CheckConstraint(
                condition=Q(scopes__len__gte=1), name="api_token_has_scope"
            ),
            models.CheckConstraint(
                condition=Q(expiry__gt=F("created")), name="api_token_expires_later"
            ),
        )
        permissions = (
            ("revoke_apitoken", "Can revoke API tokens"),
            ("make_own_apitoken", "Can make API tokens of their own"),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="grant_is_fixed",
                fields=[
                    *("digest", "token_key", "user", "scopes", "expiry", "created"),
                    *("networks", "replaces"),
                ],
            ),
            Protect(
                name="end_comes_nearer_only",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ends_at__isnull=False)
                & (
                    pgtrigger.Q(new__ends_at__isnull=True)
                    | pgtrigger.Q(new__ends_at__gt=pgtrigger.F("old__ends_at"))
                ),
            ),
            Protect(
                name="revoked_stays_revoked",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__revoked_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"

    def state_at(self, moment: dt.datetime) -> str:
        """Return `active`, or why nobody may use it.

        That is `expired`, `revoked`, `replaced` by a newer secret, or `user off`.
        """
        if self.revoked_at is not None:
            return "revoked"
        if not self.user.is_active:
            return "user off"
        if self.expiry <= moment:
            return "expired"
        return "replaced" if self.works_until <= moment else "active"

    @property
    def works_until(self) -> dt.datetime:
        return self.expiry if self.ends_at is None else min(self.expiry, self.ends_at)
