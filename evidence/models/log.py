"""The history log's rows: which leaf an entry is, and what was stated over the tree."""

import pgtrigger
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from evidence.models.append_only import AppendOnlyModel
from evidence.models.history import AuditEntry
from evidence.models.triggers import Protect

SHA256 = r"^[0-9a-f]{64}$"


class LogKey(AppendOnlyModel):
    """The public half of a key that signs checkpoints and archives.

    The newest signs; older ones sign beside it until its `overlap_until`. None is ever
    removed: what an old one signed stays to be checked.
    """

    name = models.CharField(max_length=200)
    key_id_hex = models.CharField(max_length=8)
    verifier = models.CharField(
        max_length=300, unique=True, help_text="As C2SP's signed-note writes a key."
    )
    since = models.DateTimeField()
    overlap_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when the keys before it sign too."
    )

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.name} {self.key_id_hex}"


class LogLeaf(AppendOnlyModel):
    """The place of one audit entry in the tree: given once, after its commit."""

    leaf_index = models.BigIntegerField(
        primary_key=True, validators=[MinValueValidator(0)]
    )
    entry = models.OneToOneField(
        AuditEntry, on_delete=models.PROTECT, related_name="log_leaf"
    )

    class Meta(AppendOnlyModel.Meta):
        ordering = ("leaf_index",)
        constraints = (
            models.CheckConstraint(
                condition=Q(leaf_index__gte=0), name="log_leaf_from_zero"
            ),
        )

    def __str__(self) -> str:
        return f"leaf {self.leaf_index}"


class LogSubtree(AppendOnlyModel):
    """The root over 256**level leaves that stand together: one hash of a tile above."""

    level = models.PositiveSmallIntegerField()
    place = models.BigIntegerField()
    root_hex = models.CharField(max_length=64)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("level", "place")
        constraints = (
            models.UniqueConstraint(fields=("level", "place"), name="log_subtree_once"),
            models.CheckConstraint(
                condition=Q(level__gte=1, place__gte=0), name="log_subtree_place"
            ),
            models.CheckConstraint(
                condition=Q(root_hex__regex=SHA256), name="log_subtree_root"
            ),
        )

    def __str__(self) -> str:
        return f"subtree {self.level}/{self.place}"


class LogCheckpoint(AppendOnlyModel):
    """What this installation stated of its tree, signed: a C2SP checkpoint."""

    tree_size = models.BigIntegerField(unique=True)
    root_hex = models.CharField(max_length=64)
    made_at = models.DateTimeField(db_index=True)
    note = models.TextField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-tree_size",)
        constraints = (
            models.CheckConstraint(
                condition=Q(tree_size__gte=0), name="log_checkpoint_size"
            ),
            models.CheckConstraint(
                condition=Q(root_hex__regex=SHA256), name="log_checkpoint_root"
            ),
        )

    def __str__(self) -> str:
        return f"checkpoint of {self.tree_size} entries"


class LogCopy(models.Model):
    """A checkpoint given to a place outside: when it took it, or why it has not yet.

    `answer` is what the place gave back, to be kept: a witness's cosignature, the name
    of a file. What is held stays as it is.
    """

    place = models.CharField(max_length=500)
    kind = models.CharField(max_length=12)
    checkpoint = models.ForeignKey(
        LogCheckpoint, on_delete=models.PROTECT, related_name="copies"
    )
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    last_problem = models.CharField(max_length=300, blank=True)
    held_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "log copies"
        constraints = (
            models.UniqueConstraint(
                fields=("place", "checkpoint"), name="log_copy_once"
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="held_stays_held",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__held_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.checkpoint} at {self.kind}"
