"""What cases have to say on a person's own page."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from evidence.admin.person_notes import add_person_note
from incidents.services.notifications.reachability import read_reach


def reach_note(person: User) -> SafeString:
    """Return how a person can be told, with what stands in the way."""
    reach = read_reach([person])[person.pk]
    return render_to_string("incidents/_reach.html", {"reach": reach})


add_person_note("notifications", reach_note)
