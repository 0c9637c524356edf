"""Policy snapshots: taken, read as the runtime would, compared, and rolled back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from evidence.admin.base import client_address, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_fields import PageForm
from evidence.admin.methods import takes_forms
from evidence.models import Channel
from evidence.templatetags.casefile import badge
from policy.admin import forms
from policy.admin.case_pages import take_in
from policy.admin.pages import OfVisibleIncident, PageAction, PageAdmin
from policy.models import PolicySnapshot
from policy.rules.capabilities import Capability, is_dangerous
from policy.rules.comparison import compare_snapshots
from policy.rules.precedence import evaluate, evaluate_all
from policy.rules.quotas import effective_max_memory_mb
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.services import rollbacks
from policy.services.changes import WORK_POLICY
from policy.services.snapshots import ADD, SnapshotSource, read_snapshot, take_snapshot

SHOWN_EXTENSIONS = 200


def _to_rollback(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:policy_rollback_change", args=[pk]))


def _propose_defaults(
    request: HttpRequest, snapshot: PolicySnapshot, data: dict[str, Any]
) -> HttpResponse:
    rollback = rollbacks.propose_safe_defaults(
        snapshot_id=snapshot.pk,
        risk=RiskChoice(data["risk"]),
        overrides=OverrideChoice(data["overrides"]),
        reason=data["reason"],
        actor=person_of(request),
    )
    return _to_rollback(rollback.pk)


def _propose_earlier(
    request: HttpRequest, snapshot: PolicySnapshot, data: dict[str, Any]
) -> HttpResponse:
    rollback = rollbacks.propose_earlier_snapshot(
        snapshot_id=snapshot.pk,
        target_snapshot_id=data["target"].pk,
        reason=data["reason"],
        actor=person_of(request),
    )
    return _to_rollback(rollback.pk)


def _compare(
    request: HttpRequest, snapshot: PolicySnapshot, data: dict[str, Any]
) -> HttpResponse:
    pair = sorted(
        (snapshot, data["other"]),
        key=lambda snapshot: (snapshot.captured_at, snapshot.pk),
    )
    url = reverse(
        "admin:policy_policysnapshot_compare", args=[snapshot.pk for snapshot in pair]
    )
    return HttpResponseRedirect(url)


def _has_another(snapshot: PolicySnapshot) -> bool:
    rows = PolicySnapshot.objects.filter(incident=snapshot.incident)
    return rows.exclude(pk=snapshot.pk).exists()


@admin.register(PolicySnapshot)
class PolicySnapshotAdmin(OfVisibleIncident, PageAdmin):
    list_display = (
        "captured_at",
        "incident",
        "profile",
        "fault_count",
        "redaction_count",
        "agreement",
        "taken_by",
    )
    list_select_related = ("incident", "taken_by")
    list_filter = (("captured_at", RangeDateTimeFilter),)
    list_filter_submit = True
    search_fields = ("incident__reference",)
    page_template = "policy/snapshot.html"
    page_related = ("incident", "taken_by", "settings_item", "explanation_item")
    page_actions = {
        "compare": PageAction(
            "Compare",
            "Compare side by side",
            forms.CompareForm,
            _compare,
            "policy.view_policysnapshot",
            icon="compare_arrows",
            applies=_has_another,
        ),
        "defaults": PageAction(
            "Roll back to safe defaults",
            "Propose this rollback",
            forms.RollbackToDefaultsForm,
            _propose_defaults,
            WORK_POLICY,
            help="Somebody else approves the plan before it is applied.",
            icon="settings_backup_restore",
        ),
        "earlier": PageAction(
            "Roll back to an earlier snapshot",
            "Propose this rollback",
            forms.RollbackToSnapshotForm,
            _propose_earlier,
            WORK_POLICY,
            applies=lambda snapshot: forms.earlier_snapshots(snapshot).exists(),
        ),
    }

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ADD)

    @display(description="Profile")
    def profile(self, snapshot: PolicySnapshot) -> str:
        policy = read_snapshot(snapshot).effective
        return f"{policy.effective_profile} ({policy.profile_source})"

    @display(description="Faults")
    def fault_count(self, snapshot: PolicySnapshot) -> int:
        return len(snapshot.faults)

    @display(description="Redacted")
    def redaction_count(self, snapshot: PolicySnapshot) -> int:
        return len(snapshot.redactions)

    @display(description="Explanation")
    def agreement(self, snapshot: PolicySnapshot) -> SafeString | str:
        if snapshot.explanation_item_id is None:
            return "not given"
        count = len(snapshot.disagreements)
        if count:
            return badge("forbidden", f"{count} disagreements")
        return badge("verified", "agrees")

    def get_urls(self) -> list[URLPattern]:
        view = require_GET(self.compare_view)
        compare = self.page("<int:before>/against/<int:after>/", view, "compare")
        return [compare, *super().get_urls()]

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        def run(form: PageForm) -> tuple[str, str]:
            data = form.cleaned_data
            snapshot = take_snapshot(
                incident_id=data["incident"].pk,
                source=_source_of(data),
                channel=Channel.ADMIN,
                actor=person_of(request),
                captured_at=data["captured_at"],
                ip_address=client_address(request),
            )
            return self.page_of(snapshot), "The snapshot is taken."

        return take_in(
            request,
            self,
            permission=ADD,
            form_class=forms.SnapshotForm,
            run=run,
            title="Take a policy snapshot",
            button="Take the snapshot",
            explained="Secrets are taken out before anything is stored: the evidence "
            "is the redacted document, and the paths they stood at are noted.",
        )

    def page_context(self, request: HttpRequest, obj: PolicySnapshot) -> dict[str, Any]:
        return snapshot_context(obj)

    def compare_view(
        self, request: HttpRequest, before: int, after: int
    ) -> HttpResponse:
        pair = [self.find(request, pk) for pk in (before, after)]
        if pair[0].incident_id != pair[1].incident_id:
            raise Http404("snapshots of two cases are not compared")
        context = {
            **comparison_context(*pair),
            "title": "Two snapshots side by side",
            "opts": self.opts,
            "media": self.media,
        }
        return draw_page(request, "policy/comparison.html", **context)


def _head_state(snapshot: PolicySnapshot, profile: str) -> str:
    """Return the state to draw a snapshot by; green: the runtime says the same."""
    if snapshot.disagreements:
        return "disagrees"
    if profile == "permissive":
        return profile
    return "agrees" if snapshot.explanation_item_id else "not compared"


def snapshot_context(snapshot: PolicySnapshot) -> dict[str, Any]:
    """Return the effective policy as the runtime would resolve it, and its notes."""
    read = read_snapshot(snapshot)
    policy = read.effective
    extensions = sorted(policy.per_extension)
    disagreeing = {
        disagreement["path"].split("[")[0].removeprefix("$.")
        for disagreement in snapshot.disagreements
    }
    return {
        "snapshot": snapshot,
        "head_state": _head_state(snapshot, policy.effective_profile.value),
        "policy": policy,
        "risk": read.settings.risk.as_json(),
        "decisions": [
            (capability, decided, is_dangerous(capability))
            for capability, decided in evaluate_all(policy, None).items()
        ],
        "override_rows": [
            {
                "extension_id": name,
                "override": policy.per_extension[name],
                "quota_mb": effective_max_memory_mb(policy, name),
                "decisions": [evaluate(policy, name, cap) for cap in Capability],
            }
            for name in extensions[:SHOWN_EXTENSIONS]
        ],
        "more_overrides": len(extensions) > SHOWN_EXTENSIONS,
        "capabilities": list(Capability),
        "disagreeing": disagreeing,
        "rollbacks": snapshot.rollbacks.select_related("requested_by"),
    }


def comparison_context(before: PolicySnapshot, after: PolicySnapshot) -> dict[str, Any]:
    """Return two snapshots side by side, with what the change does to decisions."""
    read_before, read_after = read_snapshot(before), read_snapshot(after)
    comparison = compare_snapshots(read_before, read_after)
    return {
        "before": before,
        "after": after,
        "comparison": comparison,
        "decision_rows": [
            (
                capability,
                evaluate(read_before.effective, None, capability),
                evaluate(read_after.effective, None, capability),
            )
            for capability in Capability
        ],
    }


def _source_of(data: dict[str, Any]) -> SnapshotSource:
    settings_file, explanation_file = data["settings_file"], data["explanation_file"]
    return SnapshotSource(
        settings=data["settings"],
        explanation=data["explanation"],
        settings_name=settings_file.name if settings_file else "settings.json",
        explanation_name=explanation_file.name
        if explanation_file
        else "explanation.json",
        cli_profile=data["cli_profile"],
        env_profile=data["env_profile"],
    )
