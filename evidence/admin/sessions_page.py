"""A person's own page of sign-ins: where they are signed in, and what happened."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from evidence.accounts.sessions import end_own_sessions, list_own_sessions
from evidence.admin.base import person_of
from evidence.admin.drawing import draw_page
from evidence.admin.methods import takes_forms
from evidence.models import AuditEntry

SHOWN_EVENTS = 30


@require_http_methods(["GET", "HEAD", "POST"])
@takes_forms
def sessions_page(request: HttpRequest) -> HttpResponse:
    """Show one's sessions and what happened to the account; end those that are named.

    `end` is a session's handle, or `others`.
    """
    person, key = person_of(request), request.session.session_key
    if request.method == "POST":
        asked = request.POST.get("end", "")
        handle = "" if asked == "others" else asked or "none"
        count = end_own_sessions(actor=person, current_key=key, handle=handle)
        said = f"{count} ended." if count else "There was none to end."
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:auth_user_sessions"))
    events = AuditEntry.objects.filter(
        object_type="auth.user", object_id=str(person.pk), action__startswith="person."
    ).order_by("-pk")[:SHOWN_EVENTS]
    sessions = list_own_sessions(person, key)
    return draw_page(
        request,
        "evidence/people/sessions.html",
        title="My sign-ins",
        sessions=sessions,
        has_others=any(not each.is_current for each in sessions),
        events=events,
    )
