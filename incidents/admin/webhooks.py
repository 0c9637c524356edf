"""Channels in the admin: chat rooms and pagers, whose addresses are never shown."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from evidence.admin.base import ReadOnlyAdmin, call_service, person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.methods import takes_forms
from evidence.admin.presence_page import ask_presence
from evidence.admin.telling import Waiting
from evidence.storable_values import BIGINT_MAX
from incidents.admin.notification_forms import WebhookForm
from incidents.models import WebhookChannel
from incidents.services.notifications.outbox import CHANGE_CHANNEL, send_channel_test
from incidents.services.notifications.webhooks import (
    ADD,
    CHANGE,
    add_webhook,
    change_webhook,
)

MAX_KEY = BIGINT_MAX


@require_POST
@takes_forms
def channel_test_view(request: HttpRequest, channel_id: int) -> HttpResponse:
    """Send a test message by one channel, and lead to what becomes of it."""
    person = person_of(request)
    channel = WebhookChannel.objects.filter(pk=min(channel_id, MAX_KEY)).first()
    is_own = channel is not None and channel.owner_id == person.pk
    # By right before by row: who may not test is not told which channels there are.
    if not is_own and not person.has_perm(CHANGE_CHANNEL):
        raise PermissionDenied
    if channel is None:
        raise Http404
    row = call_service(
        request,
        lambda: send_channel_test(actor=person, webhook_id=channel.pk),
        success=Waiting("On its way. What becomes of it shows here."),
    )
    if row is None:
        return _to_channels()
    page = reverse("admin:incidents_notification_change", args=[row.pk])
    return HttpResponseRedirect(page)


@admin.register(WebhookChannel)
class WebhookChannelAdmin(ReadOnlyAdmin):
    """Chat rooms and pagers. Addresses are entered and never shown."""

    list_display = ("name", "address", "whose", "team", "wants_warnings", "is_active")
    list_filter = ("is_active", "scheme")
    list_select_related = ("owner", "team")
    search_fields = ("name",)
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(ADD))

    def get_urls(self) -> list[URLPattern]:
        own = self.page("<int:channel_id>/test/", channel_test_view, "test")
        return [own, *super().get_urls()]

    @display(description="Address")
    def address(self, channel: WebhookChannel) -> str:
        return channel.masked_url

    @display(description="Whose")
    def whose(self, channel: WebhookChannel) -> str:
        return channel.owner.get_username() if channel.owner else "shared"

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if (asked := ask_presence(request)) is not None:
            return asked

        def carry_out(form: WebhookForm) -> HttpResponse:
            add_webhook(actor=person_of(request), **form.cleaned_data)
            messages.success(request, f"{form.cleaned_data['name']} is added.")
            return _to_channels()

        return answer_form(
            request,
            make=lambda data, files: WebhookForm(data, is_new=True),
            run=carry_out,
            show=lambda form, error: draw_page(
                request,
                "incidents/notifications/webhook.html",
                title="Add a webhook channel",
                form=form,
                can_edit=True,
            ),
        )

    @takes_forms
    def object_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = self.get_object(request, object_id)
        if channel is None or not self.has_view_permission(request, channel):
            raise Http404
        can_edit = request.user.has_perm(CHANGE)
        names = ("name", "owner", "team", "wants_warnings", "is_active")
        initial = {name: getattr(channel, name) for name in names}
        if request.method == "POST" and not can_edit:
            raise PermissionDenied
        # Its address is where messages about cases go.
        if can_edit and (asked := ask_presence(request)) is not None:
            return asked

        def carry_out(form: WebhookForm) -> HttpResponse:
            change_webhook(
                actor=person_of(request), webhook_id=channel.pk, **form.cleaned_data
            )
            messages.success(request, f"{channel.name} is saved.")
            return _to_channels()

        return answer_form(
            request,
            make=lambda data, files: WebhookForm(
                data, is_new=False, initial=initial, owner=channel.owner
            ),
            run=carry_out,
            show=lambda form, error: draw_page(
                request,
                "incidents/notifications/webhook.html",
                title=channel.name,
                form=form,
                channel=channel,
                can_edit=can_edit,
                can_test=can_edit or channel.owner_id == person_of(request).pk,
            ),
        )


def _to_channels() -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:incidents_webhookchannel_changelist"))
