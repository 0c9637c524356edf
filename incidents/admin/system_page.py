"""The page System: every part, queue, worker, scheduled task and piece given up."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from evidence.admin.base import call_service, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.methods import takes_forms
from evidence.admin.telling import Waiting
from evidence.health import read_answers
from evidence.models import QueuedWork
from evidence.queue.names import QueueName
from evidence.queue.signs import read_heartbeats, read_task_signs
from evidence.queue.sweeping import count_waiting, find_oldest_waiting
from evidence.services.repeats import OPERATE, find_given_up, repeat_work
from incidents.models import Notification, NotificationState

OPERATOR = "incidents.add_remindersettings"
"""Administrators alone hold it."""
FAILED_MESSAGES_SINCE = dt.timedelta(days=1)


def system_view(request: HttpRequest) -> HttpResponse:
    """Show how each part is doing, to those who keep the installation."""
    _require_operator(request)
    now = timezone.now()
    context: dict[str, Any] = {
        "title": "System",
        "parts": _list_parts(),
        "queues": _list_queues(),
        "tasks": _list_tasks(),
        "mail": _sum_up_mail(now),
        "given_up": [_row_of(work) for work in find_given_up(now=now)],
    }
    return draw_page(request, "incidents/system.html", **context)


@require_POST
@takes_forms
def repeat_view(request: HttpRequest) -> HttpResponse:
    """Ask once more for a piece of work that was given up."""
    _require_operator(request)
    pk = request.POST.get("pk", "")
    call_service(
        request,
        lambda: repeat_work(
            work_type=request.POST.get("work", ""),
            pk=int(pk) if pk.isascii() and pk.isdigit() and len(pk) < 19 else 0,
            actor=person_of(request),
        ),
        success=Waiting("It is queued again."),
    )
    return HttpResponseRedirect(reverse("admin:incidents_incident_system"))


def _require_operator(request: HttpRequest) -> None:
    if not (request.user.has_perm(OPERATOR) and request.user.has_perm(OPERATE)):
        raise Http404


def _list_parts() -> list[dict[str, Any]]:
    return [
        {"title": part.title, "state": answer.state.value, "detail": answer.detail}
        for part, answer in read_answers().items()
    ]


def _list_queues() -> list[dict[str, Any]]:
    """Return each queue with its length, its oldest piece and its worker."""
    heard = read_heartbeats(QueueName)
    oldest = _oldest_of_queues()
    waiting = count_waiting(QueueName)
    rows = []
    for queue in QueueName:
        rows.append(
            {
                "name": queue.value,
                "waiting": waiting.get(queue),
                "oldest_at": oldest.get(queue),
                "heard_at": heard.get(queue),
            }
        )
    return rows


def _oldest_of_queues() -> dict[QueueName, dt.datetime]:
    """Return when the oldest piece was asked for that waits in each queue."""
    oldest = find_oldest_waiting()
    unsent = Notification.objects.filter(
        state=NotificationState.PENDING, next_try_at__lte=timezone.now()
    ).order_by("next_try_at", "pk")
    if (first := unsent.first()) is not None:
        oldest[QueueName.DELIVERY] = first.next_try_at
    return oldest


def _list_tasks() -> list[dict[str, Any]]:
    scheduled = settings.CELERY_BEAT_SCHEDULE.values()
    names = {entry["task"] for entry in scheduled}
    return [
        {
            "name": signs.name.partition(".")[2].replace("_", " "),
            "ended_at": signs.ended_at,
            "failed_at": signs.failed_at,
            "fault": signs.fault,
            "state": _state_of(signs.fails, signs.ended_at is not None),
        }
        for signs in read_task_signs(names)
    ]


def _state_of(fails: bool, has_ended: bool) -> str:
    if fails:
        return "failing"
    return "ok" if has_ended else "unknown"


def _sum_up_mail(now: dt.datetime) -> dict[str, Any]:
    rows = Notification.objects.order_by("-finished_at", "-pk")
    failed = rows.filter(
        state=NotificationState.FAILED, finished_at__gt=now - FAILED_MESSAGES_SINCE
    )
    return {
        "sent": rows.filter(state=NotificationState.SENT).first(),
        "failed": failed.first(),
        "failed_count": failed.count(),
        "waiting_count": Notification.objects.claimable(now).count(),
    }


def _row_of(work: QueuedWork) -> dict[str, Any]:
    return {
        "work": work,
        "type": work._meta.label_lower,
        "noun": work.noun,
        "failure": work.failure,
        "ended_at": work.finished_at,
    }
