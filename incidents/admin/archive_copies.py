"""How far an archive's copy in a bucket elsewhere has come, as its page says it."""

from __future__ import annotations

from django.utils import timezone
from django.utils.html import format_html, format_html_join

from evidence.models import WorkState
from evidence.templatetags.casefile import badge, show_moment
from incidents.models import ArchiveCopy, CaseArchive
from incidents.services.archives.bucket_copies import read_bucket


def show_copies(archive: CaseArchive) -> str:
    """Return, for each bucket, whether it has the archive, since and until when."""
    if archive.state != WorkState.DONE:
        return "–"
    copies = list(archive.copies.order_by("pk"))
    said = [_show(copy) for copy in copies]
    bucket = read_bucket()
    if bucket is None and not copies:
        return "Not copied: ARCHIVE_BUCKET is not set"
    if bucket is not None and bucket.place not in {copy.bucket for copy in copies}:
        said.append(_show_waiting(bucket.place))
    return format_html_join("; ", "{}", ((one,) for one in said))


def _show(copy: ArchiveCopy) -> str:
    if copy.copied_at is not None:
        return _show_copied(copy)
    if not copy.last_problem:
        return _show_waiting(copy.bucket)
    bucket = read_bucket()
    is_wanted = bucket is not None and bucket.place == copy.bucket
    return format_html(
        "{} to {} after {}. {} {}",
        badge("failed", "Not copied", kind="archive"),
        copy.bucket,
        "one try" if copy.attempts == 1 else f"{copy.attempts} tries",
        copy.last_problem,
        format_html("It is tried again at {}.", show_moment(copy.next_try_at))
        if is_wanted
        else "It is not tried again: ARCHIVE_BUCKET names another place by now.",
    )


def _show_copied(copy: ArchiveCopy) -> str:
    is_locked = copy.retain_until is not None and copy.retain_until > timezone.now()
    return format_html(
        "{} to {}, read back and compared at {}; {} {}",
        badge("copied", "Copied") if is_locked else badge("lock ended", "Lock ended"),
        copy.bucket,
        show_moment(copy.copied_at),
        "locked there until" if is_locked else "it was locked there until",
        show_moment(copy.retain_until),
    )


def _show_waiting(place: str) -> str:
    return format_html(
        "{} to {}", badge("queued", "Waits to be copied", kind="archive"), place
    )
