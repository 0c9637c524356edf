"""What the evidence of a case answers to the playbooks, and what people say to it."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.db.models import Exists, OuterRef, Q

from evidence.models import AppendOnlyModel, EvidenceItem
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.choices import choices_of
from evidence.models.columns import known, person_field
from incidents.findings import Verdict
from incidents.models.cases import Incident


class EvidenceReading(AppendOnlyModel, CaseBound):
    """That a worker read all evidence of a case: what was there, and what was not read.

    ``state_key`` is a digest of all that the findings depend on; while it is the same,
    there is nothing to read again.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="evidence_readings"
    )
    state_key = models.CharField(max_length=64)
    reports = models.JSONField(default=list, help_text="The reports it was read by.")
    problems = models.JSONField(default=list)
    read_at = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"evidence of {self.incident} read {self.read_at:%Y-%m-%d %H:%M} UTC"


def _newer() -> FindingQuerySet:
    """Return the answers that came after the one that the outer query looks at."""
    return Finding.objects.filter(
        incident=OuterRef("incident"),
        code=OuterRef("code"),
        key=OuterRef("key"),
        pk__gt=OuterRef("pk"),
    )


class FindingQuerySet(models.QuerySet["Finding"]):
    def visible_to(self, user: AbstractUser | AnonymousUser) -> FindingQuerySet:
        """Return the findings of the incidents that this person may see."""
        if not user.is_active or not user.has_perm("incidents.view_finding"):
            return self.none()
        return self.filter(incident__in=Incident.objects.visible_to(user))

    def newest(self) -> FindingQuerySet:
        """Keep the newest answer to each question of each case."""
        rows = self.order_by("incident_id", "code", "key", "-id")
        return rows.distinct("incident_id", "code", "key")

    def with_current(self) -> FindingQuerySet:
        """Say of each answer, as ``is_current``, whether no newer one replaced it."""
        return self.annotate(is_current=~Exists(_newer()))

    def current(self) -> FindingQuerySet:
        """Keep what no newer answer replaced, even one that another filter hides."""
        return self.filter(~Exists(_newer()))

    def about(self, item: EvidenceItem) -> FindingQuerySet:
        """Keep what was read from an item of evidence, or points at it.

        Where two files of a case have one name, an answer names each with its number.
        """
        names = (item.original_name, f"{item.original_name} (item {item.pk})")
        is_read = Q(pointers__contains=[{"item_id": item.pk}])
        for name in names:
            is_read |= Q(inputs__contains={name: item.sha256_hex})
        return self.filter(is_read, incident=item.incident_id)


class Finding(AppendOnlyModel, CaseBound):
    """One answer to one question. The newest counts; the earlier ones stay.

    ``code`` is the class that asks, ``key`` the question, ``item_key`` the checklist
    item. ``pointers`` and ``inputs`` are those of docs/findings.md; each pointer has
    the evidence item's number besides, where it is one of the case.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="findings", db_index=False
    )
    code = models.CharField("class", max_length=10)
    key = models.CharField("question", max_length=60)
    version = models.PositiveSmallIntegerField()
    item_key = models.CharField(max_length=64)
    verdict = models.CharField(max_length=8, choices=choices_of(Verdict))
    sentence = models.TextField()
    pointers = models.JSONField(default=list)
    inputs = models.JSONField(default=dict)
    answered_at = models.DateTimeField()

    objects = CaseBoundManager.from_queryset(FindingQuerySet)()
    everything = FindingQuerySet.as_manager()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (known("finding_verdict_known", "verdict", Verdict),)
        indexes = (
            models.Index(
                fields=("incident", "code", "key", "-id"), name="finding_newest"
            ),
        )

    def __str__(self) -> str:
        return f"{self.code} {self.key}: {self.verdict}"


class ReviewChoice(models.TextChoices):
    CONFIRMED = "confirmed", "Confirmed"
    OVERRULED = "overruled", "Overruled"


class FindingReview(AppendOnlyModel, CaseBound):
    """What a person said to a finding; who overrules it says why."""

    case_paths = ("finding__incident",)

    finding = models.ForeignKey(
        Finding, on_delete=models.PROTECT, related_name="reviews"
    )
    choice = models.CharField(max_length=10, choices=ReviewChoice)
    reason = models.TextField(blank=True)
    reviewed_at = models.DateTimeField()
    reviewed_by = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = (
            known("finding_review_choice_known", "choice", ReviewChoice),
            models.CheckConstraint(
                condition=~Q(choice=ReviewChoice.OVERRULED) | ~Q(reason=""),
                name="finding_overruled_with_reason",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_choice_display()}: {self.finding}"
