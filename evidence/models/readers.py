"""What a person sets about how pages are shown to them."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ReaderSettings(models.Model):
    """One person's zone for reading times; empty means their browser's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="reader_settings",
    )
    time_zone = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        verbose_name = "reader's settings"
        verbose_name_plural = "readers' settings"
        default_permissions = ()

    def __str__(self) -> str:
        return f"settings of user {self.user_id}"
