"""Every code of a refusal answers with the status that is right for it.

The table is the promise: a new code without a line here fails, and so does a line
without its code. docs/api.md tells the same to whoever reads answers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.errors import CasefileError
from policy.errors import (
    PolicyConflict,
    PolicyForbidden,
    PolicyRefused,
    require_allowed,
)
from policy.rules.decisions import RefusalKind, decide
from tests.test_architecture import ROOT, apps_modules

CODES = {
    400: """
        malformed_digest sent_twice unknown_kind upload_broken
    """,
    403: """
        four_eyes not_the_lead not_the_requester permission_refused
        reads_only second_person_missing
    """,
    404: """
        no_such_evidence no_such_extension no_such_incident no_such_item
        no_such_kill_switch
        no_such_request no_such_snapshot no_such_waiver not_in_log
    """,
    409: """
        aftermath_missing already_active already_decided already_requested
        condition_met document_damaged edit_conflict not_given_up extension_known
        form_under_way not_read
        history_known incident_closed invalid_move invalid_transition
        kill_switch_active kill_switch_refused kill_unconfirmed kind_by_structure
        kind_unchanged looser_than_its_case mark_moved_on mark_unchanged
        not_a_duplicate not_approved not_lifted not_newest_version
        not_made not_on_hold on_hold_already not_restricted restricted_already
        nothing_held nothing_to_take_over
        phase_not_reached phase_out_of_order phase_refused pruning_refused
        already_running replay_incomplete request_lapsed
        trust_transition_refused unwaivable verification_unfinished waived_already
        waiver_revoked
    """,
    410: """
        pruned
    """,
    413: """
        too_large
    """,
    422: """
        contradicts_diagnosis last_administrator lead_missing outcome_refused
        alert_refused archive_leaks artifact_not_expected backup_refused
        bucket_refused digest_mismatch document_refused
        factor_code_wrong factor_missing factor_needed factor_refused
        passkey_known passkey_refused sign_on_failed sign_on_missing sign_on_refused
        sign_on_unasked
        email_invalid evidence_refused extension_id_invalid extension_id_missing
        extension_looks_alike findings_missing incident_refused invalid_alert
        seen_already
        invalid_alert_rule invalid_document invalid_filter invalid_playbook
        invalid_redaction nothing_redacted
        log_place_refused
        invalid_postmortem invalid_reminder_plan invalid_waiver moment_refused
        naive_moment name_looks_alike not_a_bundle not_a_kill_all not_source
        notification_refused output_missing person_refused policy_error
        policy_refused postmortem_refused proof_missing proof_of_other_case
        proof_too_old quota_change_refused quota_out_of_range reason_missing
        reason_too_long records_refused reference_mismatch refused reviewer_missing
        reviewer_not_needed scope_beyond_role section_missing successor_missing
        successor_refused target_not_earlier token_refused unknown_mark
        workflow_error
    """,
    500: """
        archive_unsound checkpoint_unsound evidence_damaged evidence_missing
        history_broken
    """,
    503: """
        database_full record_busy storage_busy storage_unavailable store_not_ready
        took_too_long log_key_missing reading_role_missing sign_on_unreachable
        unavailable
    """,
}


def error_classes(root: type[CasefileError]) -> Iterator[type[CasefileError]]:
    yield root
    for child in root.__subclasses__():
        yield from error_classes(child)


def codes_raised(module: Path, classes: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Yield the codes that a module gives where it raises, with their statuses."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            status = classes.get(node.func.id)
            for given in node.keywords:
                is_code = given.arg == "code" and isinstance(given.value, ast.Constant)
                if status is not None and is_code:
                    yield str(given.value.value), status  # type: ignore[attr-defined]


def test_every_code_has_its_status_and_is_documented() -> None:
    stated = {code: status for status, names in CODES.items() for code in names.split()}
    classes = list(error_classes(CasefileError))
    found = {(each.code, int(each.status)) for each in classes if "code" in vars(each)}
    by_name = {each.__name__: int(each.status) for each in classes}
    # A helper that all apps share raises the class it is given, by this name.
    by_name["refusal"] = int(CasefileError.status)
    for module in apps_modules():
        found |= set(codes_raised(module, by_name))
    assert found == set(stated.items())
    documented = (ROOT / "docs" / "api.md").read_text()
    assert [code for code in stated if f"`{code}`" not in documented] == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (RefusalKind.INPUT, PolicyRefused),
        (RefusalKind.PERSON, PolicyForbidden),
        (RefusalKind.STATE, PolicyConflict),
    ],
)
def test_refusal_of_a_rule_answers_by_its_kind(
    kind: RefusalKind, expected: type[PolicyRefused]
) -> None:
    decision = decide([(False, "some_code", "It does not do.", kind)])
    with pytest.raises(expected, match="It does not do") as caught:
        require_allowed(decision)
    assert type(caught.value) is expected
    assert caught.value.code == "some_code"
