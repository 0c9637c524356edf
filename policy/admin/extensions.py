"""Extensions: the list, and the page with everything that is known of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import (
    Case,
    Count,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET
from unfold.decorators import action, display

from evidence.admin.base import person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_fields import PageForm
from evidence.admin.methods import takes_forms
from evidence.admin.telling import Waiting
from evidence.lookalikes import show_hidden
from evidence.models.case_bound import case_model, listed
from evidence.templatetags.casefile import badge
from evidence.text import is_storable
from policy.admin import forms
from policy.admin.case_pages import take_in
from policy.admin.extension_page import (
    extension_context,
    pending_promotion,
    trust_table,
)
from policy.admin.pages import PageAction, PageAdmin
from policy.admin.reasoned import on_request, while_waiting
from policy.errors import PolicyRefused
from policy.models import (
    Extension,
    KillSwitch,
)
from policy.rules.trust import (
    ALLOWED_MOVES,
    TrustState,
    needs_reviewer,
)
from policy.services import extensions, kill_switches, promotions, quotas, trust
from policy.services.changes import REVIEW_POLICY, WORK_POLICY
from policy.services.extensions import EXTENSION_ID_LENGTH

SUGGESTED = 20


def _confirm_kill(
    request: HttpRequest, extension: Extension, data: dict[str, Any]
) -> str:
    covering = KillSwitch.objects.covering(extension)
    if not covering.filter(pk=data["switch"]).exists():
        raise Http404
    _, created = kill_switches.confirm_kill_switch(
        kill_switch_id=data["switch"],
        means=data["means"],
        effective_at=data["effective_at"],
        actor=person_of(request),
    )
    return "Confirmed." if created else "It was confirmed before; that stays."


def _demote(request: HttpRequest, extension: Extension, data: dict[str, Any]) -> str:
    trust.demote_extension(
        extension_pk=extension.pk,
        reason=data["reason"],
        actor=person_of(request),
        incident_id=data["incident"] and data["incident"].pk,
    )
    return f"{extension} is quarantined."


def _start_probation(
    request: HttpRequest, extension: Extension, data: dict[str, Any]
) -> str:
    trust.move_trust(
        extension_pk=extension.pk,
        to_state=TrustState.PROBATION,
        reason=data["reason"],
        actor=person_of(request),
        incident_id=data["incident"] and data["incident"].pk,
    )
    return f"{extension} is on probation."


def _promotion_of(extension: Extension) -> TrustState | None:
    """Return where a reviewer's approval would lead from here; None: nowhere."""
    state = TrustState(extension.trust_state)
    for target in sorted(ALLOWED_MOVES[state]):
        if needs_reviewer(state, target):
            return target
    return None


def _request(request: HttpRequest, extension: Extension, data: dict[str, Any]) -> str:
    target = _promotion_of(extension) or TrustState.TRUSTED
    promotions.request_promotion(
        extension_pk=extension.pk,
        to_state=target,
        reason=data["reason"],
        actor=person_of(request),
        incident_id=data["incident"] and data["incident"].pk,
    )
    return Waiting(
        f"A promotion to {target} is requested. A reviewer other than you decides."
    )


def _approve(request: HttpRequest, extension: Extension, data: dict[str, Any]) -> str:
    move = promotions.approve_promotion(
        request_id=forms.chosen_request(extension, data),
        actor=person_of(request),
        exception=data["exception"],
    )
    return f"{extension} is {move.to_state}."


_decline = on_request(promotions.decline_promotion, "The promotion is declined.")
_withdraw = on_request(promotions.withdraw_promotion, "Your request is withdrawn.")


def _kill(
    request: HttpRequest, extension: Extension, data: dict[str, Any]
) -> HttpResponse:
    switch = kill_switches.activate_kill_switch(
        incident_id=data["incident"].pk,
        extension_pk=extension.pk,
        reason=data["reason"],
        actor=person_of(request),
    )
    url = reverse("admin:policy_killswitch_change", args=[switch.pk])
    return HttpResponse(status=302, headers={"Location": url})


def _edit(request: HttpRequest, extension: Extension, data: dict[str, Any]) -> str:
    extensions.edit_extension(
        extension_pk=extension.pk,
        actor=person_of(request),
        **data,
    )
    return "Saved."


def _quota(request: HttpRequest, extension: Extension, data: dict[str, Any]) -> str:
    change = quotas.record_quota_change(
        extension_pk=extension.pk,
        to_mb=data["to_mb"],
        reason=data["reason"],
        documentation=data["documentation"],
        actor=person_of(request),
        incident_id=data["incident"] and data["incident"].pk,
    )
    return Waiting(
        f"Recorded: {change}. The next snapshot shows whether it was applied."
    )


@admin.register(Extension)
class ExtensionAdmin(PageAdmin):
    list_display = (
        "shown_extension_id",
        "shown_name",
        "trust",
        "kill_switch",
        "open_cases",
        "publisher",
        "first_seen_at",
    )
    list_filter = ("trust_state",)
    search_fields = ("extension_id", "name", "publisher")
    actions_list = ("trust_table",)
    page_template = "policy/extension.html"

    @display(description="Extension ID", ordering="extension_id")
    def shown_extension_id(self, extension: Extension) -> str:
        return extension.shown_id

    @display(description="Name", ordering="name")
    def shown_name(self, extension: Extension) -> str:
        return show_hidden(extension.name)

    page_actions = {
        "demote": PageAction(
            "Quarantine",
            "Quarantine it now",
            forms.CaseReasonForm,
            _demote,
            WORK_POLICY,
            help="Takes effect at once: trust lets no hostcall through.",
            tone="danger",
            icon="gpp_bad",
            applies=lambda extension: extension.trust_state != TrustState.QUARANTINED,
        ),
        "kill": PageAction(
            "Kill",
            "Activate the kill switch",
            forms.KillForm,
            _kill,
            WORK_POLICY,
            help="Orders the runtime to stop it, quarantines it, shows what to run.",
            tone="danger",
            icon="power_settings_new",
            applies=lambda extension: not extension.has_kill_switch,
        ),
        "probation": PageAction(
            "Put on probation",
            "Put it on probation",
            forms.CaseReasonForm,
            _start_probation,
            WORK_POLICY,
            applies=lambda extension: extension.trust_state == TrustState.UNKNOWN,
        ),
        "request": PageAction(
            "Request promotion",
            "Ask a reviewer",
            forms.PromotionForm,
            _request,
            WORK_POLICY,
            help="A reviewer other than you decides.",
            icon="upgrade",
            applies=lambda extension: (
                bool(_promotion_of(extension)) and not pending_promotion(extension)
            ),
        ),
        **while_waiting(
            pending_promotion,
            {
                "approve": PageAction(
                    "Approve the promotion",
                    "Approve it",
                    forms.ApproveForm,
                    _approve,
                    REVIEW_POLICY,
                    tone="main",
                ),
                "decline": PageAction(
                    "Decline the promotion",
                    "Decline it",
                    forms.DeclineForm,
                    _decline,
                    REVIEW_POLICY,
                ),
                "withdraw": PageAction(
                    "Withdraw the request",
                    "Withdraw it",
                    forms.WithdrawForm,
                    _withdraw,
                    WORK_POLICY,
                ),
            },
        ),
        "quota": PageAction(
            "Change the quota",
            "Record the change",
            forms.QuotaForm,
            _quota,
            WORK_POLICY,
            help="Records the decision; the runtime's operator edits settings.json.",
        ),
        "confirm-kill": PageAction(
            "Record that the kill switch took effect",
            "It took effect",
            forms.ConfirmKillForm,
            _confirm_kill,
            kill_switches.CONFIRM,
        ),
        "edit": PageAction("Edit", "Save", forms.ExtensionForm, _edit, WORK_POLICY),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Extension]:
        lifted = Q(lift__isnull=True)
        named = KillSwitch.everything.filter(lifted, extension=OuterRef("pk"))
        general = KillSwitch.everything.filter(lifted, extension__isnull=True)
        cases = listed(case_model().objects.filter(closed_at__isnull=True)).order_by()
        opened = (
            cases.filter(extensions=OuterRef("pk"))
            .values("extensions")
            .annotate(count=Count("pk"))
        )
        return (
            super()
            .get_queryset(request)
            .annotate(
                has_kill_switch=Exists(named),
                is_killed=Exists(named) | Exists(general),
                is_confirmed=Exists(named.filter(confirmation__isnull=False))
                | Exists(general.filter(confirmation__isnull=False)),
                # Of the rows of a page, each for itself: a join counts all cases.
                open_count=Coalesce(Subquery(opened.values("count")), 0),
            )
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(WORK_POLICY)

    @display(description="Trust", ordering="trust_state")
    def trust(self, extension: Extension) -> SafeString:
        return badge(extension.trust_state)

    @display(description="Kill switch")
    def kill_switch(self, extension: Any) -> SafeString | str:
        if not extension.is_killed:
            return "–"
        if extension.is_confirmed:
            return badge("confirmed")
        return badge("ordered", "Ordered, not confirmed")

    @display(description="Open cases", ordering="open_count")
    def open_cases(self, extension: Any) -> int:
        return int(extension.open_count)

    @action(description="What trust lets through", url_path="trust-table")
    def trust_table(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            "title": "What trust lets through",
            "opts": self.opts,
            **trust_table(),
        }
        return draw_page(request, "policy/trust_table.html", **context)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("trust/", self.trust_table, "trust"),
            self.page("suggest/", require_GET(self.suggest_view), "suggest"),
            *super().get_urls(),
        ]

    def suggest_view(self, request: HttpRequest) -> JsonResponse:
        """Return known extensions for what is typed, and which IDs are new.

        `q` is the ID that is being typed, each `id` one that is typed already.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        typed = request.GET.get("q", "").strip()[:EXTENSION_ID_LENGTH]
        ids = [text.strip() for text in request.GET.getlist("id")[:SUGGESTED]]
        headers = {"Cache-Control": "private, no-store"}
        answer = {"known": _suggest(typed), "new": _new_ids(ids)}
        return JsonResponse(answer, headers=headers)

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        def run(form: PageForm) -> tuple[str, str]:
            made = extensions.add_extension(actor=request.user, **form.cleaned_data)  # type: ignore[arg-type]
            return self.page_of(made), f"{made} is noted."

        return take_in(
            request,
            self,
            permission=WORK_POLICY,
            form_class=forms.NewExtensionForm,
            run=run,
            title="Note an extension",
            button="Note it",
            explained="Extensions that an alert, a bundle, a snapshot or a record "
            "names are noted by themselves.",
        )

    def page_context(self, request: HttpRequest, obj: Extension) -> dict[str, Any]:
        return extension_context(request, obj)


def _suggest(typed: str) -> list[dict[str, str]]:
    """Return the extensions that hold what is typed, those that begin so first."""
    if not typed or not is_storable(typed):
        return []
    rows = Extension.objects.filter(
        Q(extension_id__icontains=typed) | Q(name__icontains=typed)
    )
    begins = Case(When(extension_id__istartswith=typed, then=0), default=1)
    return [
        {"id": row.extension_id, "label": f"{row.name} {row.trust_state}".strip()}
        for row in rows.order_by(begins, "extension_id")[:SUGGESTED]
    ]


def _new_ids(ids: list[str]) -> list[dict[str, str]]:
    """Return the IDs that no extension has, each with what is wrong with it, or ""."""
    found = []
    for extension_id in sorted(
        {extensions.clean_extension_id(raw) for raw in ids} - {""}
    ):
        try:
            new = extensions.require_typed_ids([extension_id])
        except PolicyRefused as refusal:
            found.append({"id": show_hidden(extension_id), "fault": refusal.message})
        else:
            found += [{"id": show_hidden(name), "fault": ""} for name in new]
    return found
