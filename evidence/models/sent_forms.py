"""Forms that were sent, so that one sent twice is carried out once."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from evidence.models.columns import person_field


class SentForm(models.Model):
    """One open form as one person sent it, with the address of the answer.

    `key` is the form's own, new each time a page is drawn; `digest` is that of what
    stood in it: a form that is corrected and sent again is another one.
    """

    sender = person_field()
    key = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    answer_url = models.CharField(max_length=2000, blank=True)
    sent_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("sender", "key", "digest"), name="sent_form_once"
            ),
        )
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["sender", "sent_at"], name="sent_form_by_time")
        ]

    def __str__(self) -> str:
        return f"form of {self.sent_at:%Y-%m-%d %H:%M:%S}"
