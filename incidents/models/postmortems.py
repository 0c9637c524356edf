"""Postmortems: drafts, versions and reviews."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import orjson
import pgtrigger
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.db.models import F, Func, Q, Value

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.choices import choices_of
from evidence.models.columns import known, optional_person_field, person_field
from evidence.models.triggers import Protect, ReadOnly, Trigger
from incidents.models.cases import Cycle, Incident
from incidents.workflow.postmortem import PostmortemState

REFUSE_AUTHOR = """
    IF EXISTS (SELECT 1 FROM incidents_postmortemdraft d
                 JOIN incidents_postmortemversion v
                   ON v.postmortem_id = d.postmortem_id
                WHERE v.id = NEW.version_id AND d.saved_by_id = NEW.reviewer_id)
    OR EXISTS (SELECT 1 FROM incidents_postmortemversion mine
                 JOIN incidents_postmortemversion v
                   ON v.postmortem_id = mine.postmortem_id
                WHERE v.id = NEW.version_id
                  AND mine.submitted_by_id = NEW.reviewer_id) THEN
        RAISE EXCEPTION 'four eyes: an author of a postmortem cannot review it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM incidents_postmortemversion v
                    WHERE v.id = NEW.version_id
                      AND v.content_sha256 = NEW.content_sha256
                      AND NOT EXISTS (SELECT 1 FROM incidents_postmortemversion newer
                                       WHERE newer.postmortem_id = v.postmortem_id
                                         AND newer.number > v.number)) THEN
        RAISE EXCEPTION 'a review is of the newest version and of its very content'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
"""
REFUSE_SIGNED_WITHOUT_SIGNATURE = """
    IF NEW.state = 'signed' AND NOT EXISTS (
        SELECT 1 FROM incidents_postmortemreview r
          JOIN incidents_postmortemversion v ON v.id = r.version_id
         WHERE v.postmortem_id = NEW.id AND r.verdict = 'signed'
           AND NOT EXISTS (SELECT 1 FROM incidents_postmortemversion newer
                            WHERE newer.postmortem_id = v.postmortem_id
                              AND newer.number > v.number)) THEN
        RAISE EXCEPTION 'no signature: % is not signed', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
"""
REFUSE_UNLESS_EDITABLE = """
    IF EXISTS (SELECT 1 FROM incidents_postmortem p
                 JOIN incidents_cycle c ON c.id = p.cycle_id
                WHERE p.id = NEW.postmortem_id
                  AND (c.ended_at IS NOT NULL
                       OR p.state NOT IN ('draft', 'returned'))) THEN
        RAISE EXCEPTION 'the postmortem is not open for writing: take it up again first'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
"""


def sha256_of(column: str) -> Func:
    """Return the hex SHA-256 of a text column, computed by the database."""
    as_bytes = Func(F(column), Value("UTF8"), function="convert_to")
    return Func(Func(as_bytes, function="sha256"), Value("hex"), function="encode")


def only_while_editable() -> Trigger:
    """Return the trigger that takes no text once it is submitted, signed or over."""
    return Trigger(
        name="only_while_editable",
        level=pgtrigger.Row,
        when=pgtrigger.Before,
        operation=pgtrigger.Insert,
        func=REFUSE_UNLESS_EDITABLE,
    )


class PostmortemQuerySet(models.QuerySet["Postmortem"]):
    def visible_to(self, user: AbstractUser | AnonymousUser) -> PostmortemQuerySet:
        """Return the postmortems of the incidents that this person may see."""
        if not user.is_active or not user.has_perm("incidents.view_postmortem"):
            return self.none()
        visible = Incident.objects.visible_to(user)
        return self.filter(cycle__incident__in=visible)


class Postmortem(CaseBound):
    """The postmortem of one cycle. What it says is in its drafts and versions.

    `draft_revision` numbers the newest draft and is the optimistic lock of its editors.
    """

    case_paths = ("cycle__incident",)

    cycle = models.OneToOneField(
        Cycle, on_delete=models.PROTECT, related_name="postmortem"
    )
    state = models.CharField(
        max_length=10,
        choices=choices_of(PostmortemState),
        default=PostmortemState.DRAFT.value,
    )
    draft_revision = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField()
    opened_by = optional_person_field()
    changed_at = models.DateTimeField()

    objects = CaseBoundManager.from_queryset(PostmortemQuerySet)()
    everything = PostmortemQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (known("postmortem_state_known", "state", PostmortemState),)
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(name="case_is_fixed", fields=["cycle", "opened_at", "opened_by"]),
            Trigger(
                name="signed_has_signature",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Insert,
                func=REFUSE_SIGNED_WITHOUT_SIGNATURE,
            ),
        )

    def __str__(self) -> str:
        return f"Postmortem of {self.incident.reference}"

    @property
    def incident(self) -> Incident:
        return self.cycle.incident

    @property
    def is_editable(self) -> bool:
        return PostmortemState(self.state).is_editable

    @property
    def newest_version(self) -> PostmortemVersion | None:
        """The newest version; None before the first submission. Queries."""
        return self.versions.order_by("-number").first()


class PostmortemDraft(AppendOnlyModel, CaseBound):
    """One saved state of the text: nothing that was saved is ever lost.

    Who saved one is an author and cannot review. `saved_by` None is the text that
    the case itself filled in.
    """

    case_paths = ("postmortem__cycle__incident",)

    postmortem = models.ForeignKey(
        Postmortem, on_delete=models.PROTECT, related_name="drafts", db_index=False
    )
    revision = models.PositiveIntegerField()
    sections = models.JSONField()
    saved_at = models.DateTimeField()
    saved_by = optional_person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-revision",)
        constraints = (
            models.UniqueConstraint(
                fields=("postmortem", "revision"), name="postmortem_draft_revision"
            ),
        )
        triggers = (*AppendOnlyModel.Meta.triggers, only_while_editable())

    def __str__(self) -> str:
        return f"draft {self.revision}"


class PostmortemVersion(AppendOnlyModel, CaseBound):
    """What was submitted: facts and text as one document, and its hash.

    `document` is the canonical form (RFC 8785), and the database itself checks that
    `content_sha256` is its hash.
    """

    case_paths = ("postmortem__cycle__incident",)

    postmortem = models.ForeignKey(
        Postmortem, on_delete=models.PROTECT, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    document = models.TextField()
    content_sha256 = models.CharField("SHA-256", max_length=64)
    submitted_at = models.DateTimeField()
    submitted_by = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(
                fields=("postmortem", "number"), name="postmortem_version_number"
            ),
            models.CheckConstraint(
                condition=Q(content_sha256=sha256_of("document")),
                name="postmortem_version_hash",
            ),
        )
        triggers = (*AppendOnlyModel.Meta.triggers, only_while_editable())

    def __str__(self) -> str:
        return f"version {self.number}"

    @cached_property
    def content(self) -> dict[str, Any]:
        """The document as a value."""
        value: dict[str, Any] = orjson.loads(self.document)
        return value


class ReviewVerdict(models.TextChoices):
    SIGNED = "signed", "Signed"
    RETURNED = "returned", "Returned"


class PostmortemReview(AppendOnlyModel, CaseBound):
    """A reviewer's answer to a version. The database refuses one by an author.

    A signature counts only while its version is the newest and the postmortem has not
    been taken up again.
    """

    case_paths = ("version__postmortem__cycle__incident",)

    version = models.ForeignKey(
        PostmortemVersion,
        on_delete=models.PROTECT,
        related_name="reviews",
        db_index=False,
    )
    verdict = models.CharField(max_length=10, choices=ReviewVerdict)
    content_sha256 = models.CharField("SHA-256", max_length=64)
    comment = models.TextField(blank=True)
    reviewed_at = models.DateTimeField()
    reviewer = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            known("postmortem_review_verdict_known", "verdict", ReviewVerdict),
            models.CheckConstraint(
                condition=Q(verdict=ReviewVerdict.SIGNED) | ~Q(comment=""),
                name="postmortem_return_has_comment",
            ),
            models.UniqueConstraint(
                fields=("version",), name="postmortem_review_once_per_version"
            ),
        )
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="never_by_an_author",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=REFUSE_AUTHOR,
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.reviewer}"
