"""Tasks of the incidents app: one service call each."""

from celery import shared_task

from incidents.services.phases import mark_breaches


@shared_task(name="incidents.mark_breaches")
def mark_breaches_task() -> int:
    """Mark clocks that passed their due time; harmless to run twice."""
    return mark_breaches()
