"""Case archives: one file that holds a whole case and checks itself."""

from django.db import models
from django.db.models import Q

from evidence.format.redaction import flags_set, redaction_words
from evidence.handling import CHOICES, Tlp, strictest
from evidence.models import QueuedWork, WorkState
from evidence.models.case_bound import CaseBound
from evidence.models.columns import known
from incidents.models.cases import Incident


class CaseArchive(QueuedWork, CaseBound):
    """A request for an archive of a case as it stands at `requested_at`.

    DONE means that the archive's own checker found nothing in it; the bytes are in the
    evidence store under their digest. `checkpoint_size` is the tree size of the
    checkpoint it was made under.
    """

    case_paths = ("incident",)

    noun = "Archive"
    redaction = models.JSONField(
        null=True,
        blank=True,
        help_text="The six flags of docs/evidence-format.md, section 5; none: whole.",
    )
    deep = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether what leaks is taken out, where else it fails the archive.",
    )
    own_tlp = models.CharField(
        "own mark",
        max_length=10,
        choices=CHOICES,
        default=Tlp.CLEAR.value,
        db_default=Tlp.CLEAR.value,
        help_text="The strictest mark of what is in it, when it was asked for.",
    )
    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="archives"
    )
    sha256_hex = models.CharField("SHA-256", max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    checkpoint_size = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta(QueuedWork.Meta):
        abstract = False
        constraints = [
            *QueuedWork.Meta.constraints,
            models.CheckConstraint(
                condition=~Q(state=WorkState.DONE)
                | (
                    ~Q(sha256_hex="")
                    & Q(size_bytes__isnull=False, checkpoint_size__isnull=False)
                ),
                name="case_archive_done_has_bytes",
            ),
            known("case_archive_mark_known", "own_tlp", Tlp),
            models.CheckConstraint(
                condition=Q(redaction__isnull=False) | Q(deep=False),
                name="case_archive_deep_is_redacted",
            ),
        ]
        permissions = (
            ("make_casearchive", "Can have a case archived"),
            ("download_casearchive", "Can download an archive with everything in it"),
        )

    def __str__(self) -> str:
        return f"archive {self.pk} of {self.incident.reference}"

    @property
    def is_redacted(self) -> bool:
        return self.redaction is not None

    @property
    def tlp(self) -> Tlp:
        """How it is handled: as what is in it, or as its case by now if stricter."""
        return strictest(self.own_tlp, self.incident.tlp)

    @property
    def redaction_words(self) -> str:
        """How it is redacted, in a word that names and pages tell it apart by."""
        return redaction_words(flags_set(self.redaction or {}), deep=self.deep)

    @property
    def file_name(self) -> str:
        name = f"{self.incident.reference}-archive-{self.pk}_{self.redaction_words}"
        return f"{name}_{Tlp(self.own_tlp).in_file_name}.zip"
