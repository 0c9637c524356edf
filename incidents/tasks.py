"""Tasks of the incidents app: one service call each."""

from celery import Task, shared_task

from evidence.queue.children import ChildKilled
from evidence.queue.claiming import TRANSIENT_ERRORS
from evidence.queue.limits import (
    ARCHIVING,
    BY_THE_CLOCK,
    COPYING,
    GATHERING,
    LAYING_OUT,
)
from evidence.tasks import RELIABLY
from incidents.services.alerts.waiting import decide_alerts
from incidents.services.archives.bucket_copies import copy_archive, sweep_copies
from incidents.services.archives.requests import run_archive
from incidents.services.checklists.proven_items import answer_proven_items
from incidents.services.findings.gathering import gather_findings, sweep_findings
from incidents.services.gates.phases import mark_breaches
from incidents.services.lifecycle.diagnosis import follow_diagnosis, sweep_diagnoses
from incidents.services.lifecycle.marks import lapse_loosenings
from incidents.services.notifications import delivery
from incidents.services.notifications.notices import (
    notify_broken_history,
    notify_changed_records,
    notify_kill_all,
    sweep_broken_history,
)
from incidents.services.notifications.reminder_check import check_reminders
from incidents.services.notifications.reminders import follow_clocks
from incidents.services.notifications.waiting import notify_waiting
from incidents.services.postmortems.action_item_reminders import remind_action_items
from incidents.services.postmortems.archiving import run_archiving
from incidents.services.postmortems.pdfs import run_pdf
from incidents.services.pruning.requests import lapse_pruning
from incidents.services.pruning.running import run_pruning
from incidents.services.store_faults import follow_store_faults


@shared_task(name="incidents.mark_breaches", **BY_THE_CLOCK.as_options())
def mark_breaches_task() -> int:
    """Mark clocks that passed their due time; harmless to run twice."""
    return mark_breaches()


@shared_task(name="incidents.plan_reminders", **BY_THE_CLOCK.as_options())
def plan_reminders_task(until: float | None = None) -> int:
    """Write down what the clocks owe by now; harmless to run twice, or late."""
    return follow_clocks(until=until)


@shared_task(
    name="incidents.deliver_notifications",
    soft_time_limit=delivery.SOFT_LIMIT_SECONDS,
    time_limit=delivery.HARD_LIMIT_SECONDS,
)
def deliver_notifications_task() -> int:
    """Send what waits; each message is claimed, so that any number may run at once."""
    return delivery.deliver_notifications()


@shared_task(name="incidents.decide_alerts", **BY_THE_CLOCK.as_options())
def decide_alerts_task() -> int:
    """Decide on alerts that wait for the rules; each is decided once."""
    return decide_alerts()


@shared_task(name="incidents.check_reminders", acks_late=True)
def check_reminders_task() -> None:
    """Derive from the clocks what should have been sent, repair and count."""
    check_reminders()


@shared_task(
    name="incidents.notify_kill_all", acks_late=True, **BY_THE_CLOCK.as_options()
)
def notify_kill_all_task(kill_switch_id: int) -> int:
    """Tell a second person of a kill-all; told once however often it is delivered."""
    return notify_kill_all(kill_switch_id=kill_switch_id)


@shared_task(name="incidents.notify_waiting", **BY_THE_CLOCK.as_options())
def notify_waiting_task() -> int:
    """Tell reviewers what began to wait for them; each thing is told once."""
    return notify_waiting()


@shared_task(
    name="incidents.notify_broken_history", acks_late=True, **BY_THE_CLOCK.as_options()
)
def notify_broken_history_task(check_id: int) -> int:
    """Tell those who answer for the history that it is broken, once for each check."""
    return notify_broken_history(check_id=check_id)


@shared_task(
    name="incidents.sweep_broken_history", acks_late=True, **BY_THE_CLOCK.as_options()
)
def sweep_broken_history_task() -> int:
    """Tell of checks that nobody was told of; each is told once."""
    return sweep_broken_history()


@shared_task(
    name="incidents.sweep_diagnoses", acks_late=True, **BY_THE_CLOCK.as_options()
)
def sweep_diagnoses_task() -> int:
    """Follow diagnoses whose message was lost; each is followed once."""
    return sweep_diagnoses()


@shared_task(
    name="incidents.notify_changed_records",
    acks_late=True,
    **BY_THE_CLOCK.as_options(),
)
def notify_changed_records_task(check_id: int) -> int:
    """Tell those who answer for the history of changed rows, once for each check."""
    return notify_changed_records(check_id=check_id)


@shared_task(
    name="incidents.follow_store_faults", acks_late=True, **BY_THE_CLOCK.as_options()
)
def follow_store_faults_task() -> None:
    """Open a case about damaged evidence and tell people; each fault has one case."""
    follow_store_faults()


@shared_task(
    name="incidents.follow_diagnosis", acks_late=True, **BY_THE_CLOCK.as_options()
)
def follow_diagnosis_task(incident_id: int) -> bool:
    """Make a case as severe as a diagnosis means; harmless to run twice."""
    return follow_diagnosis(incident_id=incident_id)


@shared_task(
    name="incidents.gather_findings",
    acks_late=True,
    **GATHERING.as_options(),
    bind=True,
    autoretry_for=(*TRANSIENT_ERRORS, ChildKilled),
    retry_backoff=True,
    max_retries=3,
)
def gather_findings_task(self: Task, incident_id: int, again: bool = False) -> int:
    """Answer a playbook's questions from the case's bundles; twice writes nothing."""
    is_last_try = self.request.retries >= self.max_retries
    return gather_findings(
        incident_id=incident_id, again=again, is_last_try=is_last_try
    )


@shared_task(
    name="incidents.answer_proven_items", **RELIABLY, **BY_THE_CLOCK.as_options()
)
def answer_proven_items_task(incident_id: int) -> int:
    """Answer the items that a machine has proved; twice is once."""
    return answer_proven_items(incident_id=incident_id)


@shared_task(name="incidents.archive_postmortem", **RELIABLY, **ARCHIVING.as_options())
def archive_postmortem_task(archiving_id: int) -> None:
    """Store a signed postmortem's files as evidence; twice is once."""
    run_archiving(archiving_id=archiving_id)


@shared_task(name="incidents.make_pdf", **RELIABLY, **LAYING_OUT.as_options())
def make_pdf_task(pdf_id: int) -> None:
    """Lay a version out as PDF; twice is once."""
    run_pdf(pdf_id=pdf_id)


@shared_task(name="incidents.sweep_findings", **BY_THE_CLOCK.as_options())
def sweep_findings_task() -> int:
    """Queue again what a lost message left undone."""
    return sweep_findings()


@shared_task(name="incidents.remind_action_items", **BY_THE_CLOCK.as_options())
def remind_action_items_task() -> int:
    """Write down what action items owe; each reminder is written once."""
    return remind_action_items()


@shared_task(name="incidents.make_archive", **RELIABLY)
def make_archive_task(archive_id: int) -> None:
    """Make a case's archive; a repeat finds it made."""
    run_archive(archive_id=archive_id)


@shared_task(name="incidents.sweep_copies", **BY_THE_CLOCK.as_options())
def sweep_copies_task() -> int:
    """Have archives copied to the bucket elsewhere; each copy is claimed."""
    return len(sweep_copies())


@shared_task(name="incidents.copy_archive", **COPYING.as_options())
def copy_archive_task(copy_id: int) -> bool:
    """Copy an archive to the bucket elsewhere; what fails, the sweep tries again."""
    return copy_archive(copy_id=copy_id)


@shared_task(name="incidents.prune_case", **RELIABLY)
def prune_case_task(run_id: int) -> None:
    """Prune a case as it was approved; a repeat goes on where the last one ended."""
    run_pruning(run_id=run_id)


@shared_task(name="incidents.lapse_pruning", **BY_THE_CLOCK.as_options())
def lapse_pruning_task() -> int:
    """End requests to prune that nobody decided in time."""
    return lapse_pruning()


@shared_task(name="incidents.lapse_loosenings", **BY_THE_CLOCK.as_options())
def lapse_loosenings_task() -> int:
    """End requests for a looser mark that nobody decided in time."""
    return lapse_loosenings()
