"""Quotas: what is in force, and what a change of it takes."""

import pytest
from django.contrib.auth.models import User

from incidents.models import Incident
from policy.errors import PolicyRefused, QuotaError
from policy.models import Extension
from policy.services.quotas import quota_in_force, record_quota_change
from tests.policy.samples import take


def with_quota(megabytes: int) -> dict[str, object]:
    override = {"ext.weather": {"quota": {"maxMemoryMb": megabytes}}}
    return {"extensionPolicy": {"perExtension": override}}


def change(extension: Extension, to_mb: int, actor: User, **fields: object) -> object:
    return record_quota_change(
        extension_pk=extension.pk,
        to_mb=to_mb,
        reason=str(fields.pop("reason", "It swaps.")),
        actor=actor,
        **fields,  # type: ignore[arg-type]
    )


def test_the_default_holds_until_a_snapshot_says_otherwise(
    extension: Extension, incident: Incident
) -> None:
    assert quota_in_force(extension).max_memory_mb == 256
    snapshot = take(incident, with_quota(128))
    quota = quota_in_force(extension)
    assert (quota.max_memory_mb, quota.is_own, quota.snapshot) == (128, True, snapshot)


def test_tightening_takes_a_reason(extension: Extension, responder: User) -> None:
    row = change(extension, 128, responder)
    assert (row.from_mb, row.to_mb) == (256, 128)


def test_raising_takes_documentation(extension: Extension, responder: User) -> None:
    with pytest.raises(PolicyRefused, match="needs documentation"):
        change(extension, 512, responder)
    row = change(extension, 512, responder, documentation="https://wiki/ext-weather")
    assert row.documentation == "https://wiki/ext-weather"


@pytest.mark.parametrize("to_mb", [0, -1])
def test_a_quota_is_above_zero(
    extension: Extension, responder: User, to_mb: int
) -> None:
    with pytest.raises(QuotaError, match="at least 1 MB"):
        change(extension, to_mb, responder)


def test_what_changes_nothing_or_has_no_reason_is_refused(
    extension: Extension, responder: User
) -> None:
    with pytest.raises(PolicyRefused, match="256 MB already"):
        change(extension, 256, responder)
    with pytest.raises(PolicyRefused, match="needs a reason"):
        change(extension, 128, responder, reason=" ")


def test_a_quota_that_no_column_holds_is_refused(
    extension: Extension, responder: User
) -> None:
    with pytest.raises(PolicyRefused, match="is the most"):
        change(extension, 2**40, responder, documentation="It is large.")
