"""Polling and checking a thousand open cases."""

import pytest
from django.db import connection

from evidence.accounts.access import Role
from incidents.models import Notification
from incidents.services.notifications.reminder_check import check_reminders
from incidents.services.notifications.reminders import follow_clocks
from tests.factories import make_incident, make_user
from tests.incidents.notifications.making import after, copy_case

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
CASES = 1_000


def test_thousand_cases_are_polled_and_checked_in_few_queries(
    django_assert_max_num_queries,
):
    lead = make_user()
    make_user(Role.REVIEWER)
    copy_case(make_incident(actor=lead, lead=lead), CASES - 1)
    # Eight batches of clocks that begin, and two thousand messages to write down.
    with django_assert_max_num_queries(122):
        follow_clocks(now=after(minutes=4))
    assert Notification.objects.count() == CASES * 2
    with connection.cursor() as cursor:
        # As autovacuum does, within a minute of so many new rows.
        cursor.execute("ANALYZE")
    with django_assert_max_num_queries(5):
        follow_clocks(now=after(minutes=4, seconds=30))
    with django_assert_max_num_queries(72):
        check_reminders(now=after(minutes=7))
    assert Notification.objects.filter(found_by_check=True).exists()
