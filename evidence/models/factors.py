"""What a person shows beside, or in place of, a password when they sign in."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from evidence.models.columns import has_text, person_field


class AuthenticatorApp(models.Model):
    """A person's authenticator app (TOTP, RFC 6238): the seed that it shares with us.

    The seed is sealed under SECRET_KEY. `last_step` is the newest interval whose code
    was used: no code of it, or of one before, is taken again.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    sealed_seed = models.TextField()
    last_step = models.BigIntegerField()
    added_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"authenticator app of user {self.user_id}"


class Passkey(models.Model):
    """A passkey (WebAuthn): its public key, and how often it says it has signed.

    `credential` is the attested credential data, section 6.5.2 of WebAuthn level 3.
    All passkeys of a person have one handle, which says nothing about them.
    """

    user = person_field()
    name = models.CharField(max_length=100)
    credential_id = models.BinaryField(unique=True)
    credential = models.BinaryField()
    user_handle = models.BinaryField()
    sign_count = models.BigIntegerField()
    added_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("id",)
        constraints = (has_text("passkey_named", "name"),)

    def __str__(self) -> str:
        return f"passkey {self.pk} of user {self.user_id}"


class SignInIdentity(models.Model):
    """Who somebody is at the provider of single sign-on: its issuer's subject."""

    user = person_field()
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=300)
    added_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("issuer", "subject"), name="sign_in_identity_once"
            ),
        )
        verbose_name = "sign-in identity"
        verbose_name_plural = "sign-in identities"

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class RecoveryCode(models.Model):
    """One of the codes that let a person in who lost the rest; each works once.

    Only the SHA-256 is kept: 80 random bits cannot be guessed from it.
    """

    user = person_field()
    sha256_hex = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("user", "sha256_hex"), name="recovery_code_once"
            ),
        )

    def __str__(self) -> str:
        return f"recovery code {self.pk} of user {self.user_id}"
