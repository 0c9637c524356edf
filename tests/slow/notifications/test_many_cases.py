"""Polling and checking a thousand open cases."""

import time

import pytest
from django.db import connection

from evidence.accounts.access import Role
from incidents.models import Notification
from incidents.services.notifications.reminder_check import check_reminders
from incidents.services.notifications.reminders import plan_reminders
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
    # Three batches of clocks that begin, and two thousand messages to write down.
    with django_assert_max_num_queries(36):
        seconds = measure(lambda: plan_reminders(now=after(minutes=4)))
    assert Notification.objects.count() == CASES * 2
    print(f"{CASES} cases begun: {seconds:.1f} s")
    with connection.cursor() as cursor:
        # As autovacuum does, within a minute of so many new rows.
        cursor.execute("ANALYZE")
    with django_assert_max_num_queries(5):
        seconds = measure(lambda: plan_reminders(now=after(minutes=4, seconds=30)))
    print(f"{CASES} cases, nothing owed: {seconds:.2f} s")
    assert seconds < 10, "a poll takes longer than beat waits for the next"
    with django_assert_max_num_queries(70):
        seconds = measure(lambda: check_reminders(now=after(minutes=7)))
    print(f"{CASES} cases checked: {seconds:.1f} s")
    assert Notification.objects.filter(found_by_check=True).exists()


def measure(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
