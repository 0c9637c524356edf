"""The queues, and which of them a piece of work waits in.

Reminders, their delivery and what follows an alert wait in queues of their own, which
no evidence can fill. Evidence waits by size, so that huge files hold up each other and
nobody else. Each queue has a worker of its own (config/workers.py).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # settings.py imports this, before there are models
    from evidence.models import EvidenceItem


class QueueName(StrEnum):
    CLOCKS = "clocks"
    """Planning reminders, and what is told at once: nothing else, however short."""
    FOLLOWUPS = "followups"
    """Short tasks that follow what happened, and sweeps for what a message lost."""
    DELIVERY = "delivery"
    """Sending messages: as slow as other people's servers."""
    SMALL = "evidence.small"
    LARGE = "evidence.large"
    DOCUMENTS = "documents"
    """What a person asked for and is waiting for, and what is done at night."""


LARGE_FROM_BYTES = 16 * 1024 * 1024
"""A bundle of 10,000 calls is just below; verifying it takes a second or two."""
UNPACKED_FACTOR = 10
"""What JSON and source shrink by, about. Nothing is unpacked to find out."""


def queue_of_item(item: EvidenceItem) -> QueueName:
    """Return the queue for work on an item, by how much there is to read."""
    size_bytes = item.size_bytes * (UNPACKED_FACTOR if item.wrapping else 1)
    return QueueName.LARGE if size_bytes >= LARGE_FROM_BYTES else QueueName.SMALL
