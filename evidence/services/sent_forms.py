"""A form that is sent twice is carried out once; the second gets the first's answer.

Nothing here is part of the history of a case: these rows only tell a repeat from a new
wish, and are forgotten after KEPT.
"""

from __future__ import annotations

import datetime as dt
import time

from django.contrib.auth.models import User
from django.utils import timezone

from evidence.database.reading import Purpose, written_for_reader
from evidence.errors import Conflict
from evidence.models import SentForm

KEPT = dt.timedelta(days=7)
"""Longer than a session lives: an open form is of no use to anybody after it."""
WAIT_SECONDS = 10.0
STEP_SECONDS = 0.1


class FormUnderWay(Conflict):
    """The same form was sent before, and what it asked for is not done yet."""

    code = "form_under_way"


@written_for_reader(Purpose.SENT_FORM)
def claim_form(*, sender: User, key: str, digest: str) -> tuple[SentForm, bool]:
    """Return the row of a form and whether this request is the one to carry it out.

    Two that arrive at once meet at the unique constraint: one of them makes the row.
    """
    now = timezone.now()
    SentForm.objects.filter(sender=sender, sent_at__lt=now - KEPT).delete()
    return SentForm.objects.get_or_create(
        sender=sender, key=key, digest=digest, defaults={"sent_at": now}
    )


@written_for_reader(Purpose.SENT_FORM)
def finish_form(claim: SentForm, *, answer_url: str) -> None:
    """Note where the answer is; from now on a repeat is led there."""
    claim.answer_url = answer_url[:2000]
    claim.save(update_fields=["answer_url"])


@written_for_reader(Purpose.SENT_FORM)
def release_form(claim: SentForm) -> None:
    """Forget a form that was refused: it may be sent again as it is."""
    SentForm.objects.filter(pk=claim.pk).delete()


def await_answer(claim: SentForm, *, wait_seconds: float = WAIT_SECONDS) -> str:
    """Return the address of the first one's answer, which may still be under way.

    "" where the first one was refused in the meantime. Raise FormUnderWay where it
    takes too long, or where the process that carried it out is gone.
    """
    until = time.monotonic() + wait_seconds
    while True:
        found = SentForm.objects.filter(pk=claim.pk).first()
        if found is None or found.answer_url:
            return found.answer_url if found else ""
        if time.monotonic() >= until:
            raise FormUnderWay(
                f"This form was sent before, at {found.sent_at:%H:%M:%S} UTC, and has "
                "no answer yet. Look whether it took effect before you send it again."
            )
        time.sleep(STEP_SECONDS)
