"""What the audit history's actions, streams and objects are called on pages.

The history itself, its exports and the API keep the raw form, which is what is hashed.
Every action that a service records has its words here; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps

from evidence.audit.history import INTAKE_PREFIX, find_case_of_stream

ACTIONS = {
    "action_item.added": "Action item added",
    "action_item.changed": "Action item changed",
    "action_item.done": "Action item done",
    "action_item.dropped": "Action item dropped",
    "action_item.opened_again": "Action item opened again",
    "alert_rule.added": "Alert rule added",
    "alert_rule.changed": "Alert rule changed",
    "alerts.joined": "Alerts joined the case",
    "alerts.moved": "Alerts moved to another case",
    "alerts.received": "Alerts received",
    "alerts.split": "Alerts split off into a case of their own",
    "archive.copied": "Archive copied to a bucket elsewhere",
    "archive.downloaded": "Archive of the case downloaded",
    "archive.given_up": "Archive of the case given up",
    "archive.made": "Case archived",
    "archive.requested": "Archive of the case requested",
    "backup.made": "Backup made",
    "bundle.read": "Bundle read for trust, quotas and capabilities",
    "bundle.reading_requested": "Reading of a bundle requested",
    "checklist.answered": "Checklist item answered",
    "checklist.assigned": "Checklist item assigned",
    "checklist.linked": "Record linked to a checklist item",
    "checklist.undone": "Answer to a checklist item taken back",
    "finding.confirmed": "Finding confirmed",
    "finding.overruled": "Finding overruled",
    "evidence.damaged": "Stored evidence found damaged or missing",
    "evidence.download_refused": "Download of evidence refused",
    "evidence.downloaded": "Evidence downloaded",
    "evidence.export_failed": "Export of evidence failed",
    "evidence.export_requested": "Export of evidence requested",
    "evidence.exported": "Evidence exported",
    "evidence.kind_changed": "Kind of evidence changed",
    "evidence.marked": "Mark of handling of evidence changed",
    "evidence.received": "Evidence received",
    "evidence.received_again": "Evidence received again",
    "evidence.repaired": "Stored evidence is sound again",
    "evidence.replay_viewed": "Forensic replay viewed",
    "evidence.taken_over": "Evidence taken over from a duplicate",
    "evidence.verification_requested": "Verification requested",
    "evidence.verified": "Verification finished",
    "extension.edited": "Extension edited",
    "extension.noted": "Extension noted",
    "gate.stated": "Condition of a gate stated",
    "gate.waived": "Condition of a gate waived",
    "gate.waiver_revoked": "Waiver revoked",
    "history.alive": "A day without an entry",
    "hold.placed": "Case put on hold",
    "hold.released": "Hold of the case released",
    "history.checked": "History checked",
    "incident.closed": "Case closed",
    "incident.duplicate_told": "Duplicate told about its original",
    "incident.edited": "Case edited",
    "incident.handed_over": "Work handed over",
    "incident.marked": "Mark of handling of the case changed",
    "incident.opened": "Case opened",
    "incident.original_told": "Original told about a duplicate",
    "incident.looked_into": "Restricted case looked into",
    "incident.readers_changed": "Who sees the restricted case changed",
    "incident.restricted": "Case restricted",
    "incident.restriction_lifted": "Restriction of the case lifted",
    "incident.reclassified": "Case reclassified",
    "incident.related": "Related case linked",
    "incident.reopened": "Case reopened",
    "kill_switch.activated": "Kill switch ordered",
    "kill_switch.confirmed": "Kill switch confirmed",
    "kill_switch.lift_declined": "Lift declined",
    "kill_switch.lift_lapsed": "Request for a lift lapsed",
    "kill_switch.lift_requested": "Lift requested",
    "kill_switch.lift_withdrawn": "Request for a lift withdrawn",
    "kill_switch.lifted": "Kill switch lifted",
    "kill_switch.release_approved": "Release after a kill switch approved",
    "kill_switch.release_declined": "Release after a kill switch declined",
    "kill_switch.release_requested": "Release after a kill switch requested",
    "kill_switch.release_withdrawn": "Release after a kill switch withdrawn",
    "log_key.rotated": "Key of the history log changed",
    "mark_loosening.declined": "Looser mark declined",
    "mark_loosening.lapsed": "Request for a looser mark lapsed",
    "mark_loosening.requested": "Looser mark requested",
    "mark_loosening.withdrawn": "Request for a looser mark withdrawn",
    "notification.retried": "Notification sent again",
    "notification_preferences.changed": "Notification preferences changed",
    "person.authenticator_added": "Authenticator app added",
    "person.authenticator_removed": "Authenticator app removed",
    "person.break_glass": "Made an administrator on the server",
    "person.created": "Person added",
    "person.deactivated": "Person switched off",
    "person.email_changed": "E-mail address changed",
    "person.factors_removed": "Second factors removed by an administrator",
    "person.identity_linked": "Single sign-on linked",
    "person.identity_unlinked": "Single sign-on unlinked",
    "person.lock_lifted": "Lock of a sign-in lifted",
    "person.locked_out": "Signing in locked",
    "person.own_email_changed": "Own e-mail address changed",
    "person.passkey_added": "Passkey added",
    "person.passkey_refused": "Passkey refused: perhaps a copy",
    "person.passkey_removed": "Passkey removed",
    "person.password_changed": "Own password changed",
    "person.password_reset": "Password reset",
    "person.reactivated": "Person switched on again",
    "person.recovery_code_used": "Recovery code used",
    "person.recovery_codes_made": "Recovery codes made",
    "person.roles_changed": "Roles changed",
    "person.roles_followed": "Roles changed by single sign-on",
    "person.sessions_ended": "Own sessions ended",
    "person.sign_in_failed": "Sign-in failed",
    "person.signed_in": "Signed in",
    "person.signed_out": "Signed out",
    "person.signed_out_by_another": "Signed out everywhere by an administrator",
    "person.signed_out_by_provider": "Signed out by single sign-on",
    "phase.breached": "Deadline of a phase missed",
    "phase.completed": "Phase completed",
    "phase.due_set": "Deadline of a phase set",
    "phase.refused": "Completion of a phase refused",
    "pruning.approved": "Pruning approved",
    "pruning.declined": "Pruning declined",
    "pruning.done": "Case pruned",
    "pruning.lapsed": "Request to prune lapsed",
    "pruning.requested": "Pruning requested",
    "pruning.stopped": "Pruning stopped",
    "pruning.withdrawn": "Request to prune withdrawn",
    "playbook.loaded": "Playbook loaded",
    "policy_snapshot.taken": "Policy snapshot taken",
    "postmortem.archive_given_up": "Archiving of the postmortem given up",
    "postmortem.archive_requested": "Archiving of the postmortem requested",
    "postmortem.archived": "Postmortem archived",
    "postmortem.opened": "Postmortem started",
    "postmortem.pdf_requested": "PDF of the postmortem requested",
    "postmortem.returned": "Postmortem returned to its author",
    "postmortem.signature_voided": "Signature of the postmortem voided",
    "postmortem.signed": "Postmortem signed",
    "postmortem.submitted": "Postmortem submitted for review",
    "postmortem.taken_back": "Postmortem taken back from review",
    "postmortem.written": "Postmortem written",
    "promotion.declined": "Promotion declined",
    "promotion.lapsed": "Request for a promotion lapsed",
    "promotion.requested": "Promotion requested",
    "promotion.withdrawn": "Request for a promotion withdrawn",
    "quota.changed": "Quota changed",
    "reads.downloaded": "Case or evidence downloaded",
    "reads.listed": "List read",
    "reads.opened": "Case or evidence opened",
    "reads.searched": "Searched",
    "reader_settings.changed": "Own settings changed",
    "records.accepted": "Rows accepted as they are",
    "records.checked": "Rows checked against their records",
    "records.sealed": "Records of rows sealed",
    "remediation.decided": "Remediation decided",
    "remediation.done": "Remediation done",
    "reminder.acknowledged": "Reminder acknowledged",
    "reminder_settings.changed": "Reminder settings changed",
    "rollback.applied": "Rollback applied, not as planned",
    "rollback.approved": "Rollback approved",
    "rollback.closed": "Rollback closed without verification",
    "rollback.declined": "Rollback declined",
    "rollback.lapsed": "Rollback lapsed, undecided",
    "rollback.proposed": "Rollback proposed",
    "rollback.verified": "Rollback verified",
    "rollback.withdrawn": "Rollback withdrawn",
    "runtime_history.imported": "Runtime history imported",
    "scan.finished": "Source scan finished",
    "scan.requested": "Source scan requested",
    "store.noted": "Evidence store noted",
    "store_faults.joined": "Damaged evidence given to the case",
    "team.changed": "Team changed",
    "team.created": "Team created",
    "ticket.linked": "Ticket linked",
    "timeline.corrected": "Timeline entry corrected",
    "timeline.written": "Timeline entry written",
    "token.created": "API token made",
    "token.refused_elsewhere": "API token refused: sent from another network",
    "token.revoked": "API token revoked",
    "token.rotated": "API token given a new secret",
    "token.used_elsewhere": "API token used from a new network",
    "trust.moved": "Trust changed",
    "unclaimed_bytes.claimed": "Bytes without a row claimed by one",
    "unclaimed_bytes.kept": "Bytes without a row kept",
    "unclaimed_bytes.removed": "Bytes without a row removed",
    "user.created": "Practice account added",
    "webhook.added": "Webhook channel added",
    "webhook.changed": "Webhook channel changed",
    "work.repeated": "Work that was given up asked for again",
}
SINGLE_STREAMS = {
    "reads": "Who read lists",
    "records": "Records of rows",
    "system": "System",
}
"""The streams that belong to no object."""
CASE_PREFIX, EXTENSION_PREFIX = "incident:", "extension:"
READS_PREFIX = "reads:"
INTAKE_WORDS = "Alerts taken in, part"


RAW_PREFIXES = (CASE_PREFIX, EXTENSION_PREFIX, READS_PREFIX, INTAKE_PREFIX)


def say_action(action: str) -> str:
    """Return an action in words; one of an older version as its own words."""
    words = action.replace(".", " ").replace("_", " ")
    return ACTIONS.get(action) or words[:1].upper() + words[1:]


def find_actions(words: str) -> list[str]:
    """Return the actions whose words contain these, or whose raw form begins so."""
    wanted = words.strip().lower()
    return [
        action
        for action, said in ACTIONS.items()
        if wanted and (wanted in said.lower() or action.startswith(wanted))
    ]


def say_streams(streams: Iterable[str]) -> dict[str, str]:
    """Return the streams in words, by name; one query for all cases among them."""
    names = set(streams)
    keys = {find_case_of_stream(name) for name in names} - {None}
    found = list(_cases().filter(pk__in=keys)) if keys else []
    cases = {f"{CASE_PREFIX}{case.pk}": case.reference for case in found}
    cases |= {f"{READS_PREFIX}{case.pk}": case.reference for case in found}
    return {name: _say_stream(name, cases) for name in names}


def find_stream(words: str) -> str:
    """Return the stream that words name: raw, a case's reference or an extension."""
    text = words.strip()
    if not text or text.startswith(RAW_PREFIXES):
        return text
    if text.lower().startswith(INTAKE_WORDS.lower()):
        return INTAKE_PREFIX + text[len(INTAKE_WORDS) :].strip()
    for name, said in SINGLE_STREAMS.items():
        if text.lower() in (name, said.lower()):
            return name
    reference = text.removeprefix("Case ")
    case = _cases().filter(reference__iexact=reference).first()
    if case is not None:
        return f"{CASE_PREFIX}{case.pk}"
    return EXTENSION_PREFIX + text.removeprefix("Extension ")


def say_object_type(label: str) -> str:
    """Return what kind of row an entry is about, as its model is called."""
    try:
        name = str(apps.get_model(label)._meta.verbose_name)
    except (LookupError, ValueError):
        return label
    return name[:1].upper() + name[1:]


def _cases() -> Any:
    """Return the rows of cases, whose app stands above this one."""
    return apps.get_model("incidents", "Incident").objects


def _say_stream(name: str, cases: dict[str, str]) -> str:
    if name.startswith(EXTENSION_PREFIX):
        return f"Extension {name.removeprefix(EXTENSION_PREFIX)}"
    if name.startswith(CASE_PREFIX):
        return f"Case {cases.get(name, name.removeprefix(CASE_PREFIX))}"
    if name.startswith(READS_PREFIX):
        return f"Who looked at {cases.get(name, name.removeprefix(READS_PREFIX))}"
    if name.startswith(INTAKE_PREFIX):
        return f"{INTAKE_WORDS} {name.removeprefix(INTAKE_PREFIX)}"
    return SINGLE_STREAMS.get(name, name)
