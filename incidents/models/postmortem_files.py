"""The files of a postmortem: its archive and its PDFs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from evidence.handling import CHOICES, Tlp
from evidence.models import (
    UNFINISHED_STATES,
    AppendOnlyModel,
    EvidenceItem,
    QueuedWork,
    WorkState,
)
from evidence.models.case_bound import CaseBound
from evidence.models.choices import values_of
from incidents.models.postmortems import PostmortemReview, PostmortemVersion


def mark_on_pages() -> models.CharField[str, str]:
    """Return the field of the mark that a PDF has on its pages."""
    return models.CharField(
        "mark",
        max_length=10,
        blank=True,
        choices=CHOICES,
        default="",
        db_default="",
        help_text='On every page of the PDF; "" where it was made before there were.',
    )


class PostmortemArchive(AppendOnlyModel, CaseBound):
    """The files that a signed version was archived as: evidence items of the case."""

    case_paths = ("review__version__postmortem__cycle__incident",)

    review = models.OneToOneField(
        PostmortemReview, on_delete=models.PROTECT, related_name="archive"
    )
    json_item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="+"
    )
    markdown_item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="+"
    )
    pdf_item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="+"
    )
    tlp = mark_on_pages()
    archived_at = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(tlp__in=("", *values_of(Tlp))),
                name="postmortem_archive_mark_known",
            ),
        )

    def __str__(self) -> str:
        return f"archive of {self.review}"

    @property
    def items(self) -> tuple[EvidenceItem, ...]:
        return (self.json_item, self.markdown_item, self.pdf_item)


class PostmortemArchiving(QueuedWork, CaseBound):
    """A signed version that a worker archives; the archive itself is the review's.

    A review has at most one that is under way or done. Where one gave up, another can
    be asked for.
    """

    case_paths = ("review__version__postmortem__cycle__incident",)

    noun = "Archiving"
    review = models.ForeignKey(
        PostmortemReview, on_delete=models.PROTECT, related_name="archivings"
    )

    class Meta(QueuedWork.Meta):
        abstract = False
        constraints = [
            *QueuedWork.Meta.constraints,
            models.UniqueConstraint(
                fields=("review",),
                condition=Q(state__in=(*UNFINISHED_STATES, WorkState.DONE)),
                name="postmortem_archived_once",
            ),
        ]

    def __str__(self) -> str:
        return f"archiving of {self.review_id}: {self.get_state_display()}"


class PostmortemPdf(QueuedWork, CaseBound):
    """A version as PDF, made by a worker and kept in the evidence store.

    `content_key` is the SHA-256 over what the PDF shows, the version's hash, the words
    of its signature and its mark: the same content is made once.
    """

    case_paths = ("version__postmortem__cycle__incident",)

    noun = "PDF"
    version = models.ForeignKey(
        PostmortemVersion, on_delete=models.PROTECT, related_name="pdfs"
    )
    signature = models.TextField(
        blank=True, help_text="Who signed, and when, as the PDF says it."
    )
    tlp = mark_on_pages()
    content_key = models.CharField(max_length=64)
    sha256_hex = models.CharField("SHA-256", max_length=64, blank=True)

    class Meta(QueuedWork.Meta):
        abstract = False
        verbose_name = "postmortem PDF"
        constraints = [
            *QueuedWork.Meta.constraints,
            models.UniqueConstraint(
                fields=("content_key",),
                condition=Q(state__in=(*UNFINISHED_STATES, WorkState.DONE)),
                name="postmortem_pdf_made_once",
            ),
            models.CheckConstraint(
                condition=~Q(state=WorkState.DONE) | ~Q(sha256_hex=""),
                name="postmortem_pdf_done_has_bytes",
            ),
            models.CheckConstraint(
                condition=Q(tlp__in=("", *values_of(Tlp))),
                name="postmortem_pdf_mark_known",
            ),
        ]

    def __str__(self) -> str:
        return f"PDF of version {self.version_id}: {self.get_state_display()}"
