"""Cases, their phases and clocks, and the playbooks they follow."""

from __future__ import annotations

import re
from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api.base.parsers import PlainJsonParser
from evidence.api.base.permissions import require_scope
from evidence.api.base.views import ReadOnlyViewSet, person_of
from evidence.loading import listed
from evidence.models import ApiToken, TokenScope
from evidence.models.case_bound import REFERENCE_PATTERN
from incidents.api import filters, serializers
from incidents.api.holds import HoldReasonSerializer, HoldSerializer
from incidents.api.picture import (
    PARAMETERS,
    PictureSerializer,
    PictureWindowSerializer,
)
from incidents.api.restriction import RestrictionActions
from incidents.models import (
    CaseHold,
    Cycle,
    GateWaiver,
    Incident,
    IncidentPhase,
    Playbook,
    PlaybookVersion,
)
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.services.lifecycle.closing import (
    close_as_duplicate,
    close_as_false_alarm,
    close_incident,
)
from incidents.services.lifecycle.editing import IncidentChanges, edit_incident
from incidents.services.lifecycle.holds import place_hold, release_hold
from incidents.services.lifecycle.marks import set_mark
from incidents.services.picture.gathering import gather_picture
from incidents.workflow.incident_states import IncidentStatus, Severity
from incidents.workflow.outcomes import read_outcome
from policy.models import KillSwitch

OUTCOME_FIELDS = (
    "resolution",
    "functional_impact",
    "information_impact",
    "recoverability",
)
# A proxy that compresses answers makes a strong tag weak on the way. What was read has
# a digest after the revision: phases and clocks move on without an edit.
ETAG = re.compile(r'(?:W/)?"([0-9]{1,9})(?:-[0-9a-f]{1,64})?"')
PEOPLE_OF_PHASES = ("completed_by", "waivers__waived_by", "waivers__revoked_by")
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description='The ETag that was read, for example "3"; or send `revision`.',
)


def _phases() -> QuerySet[IncidentPhase]:
    waivers = GateWaiver.objects.all()
    return IncidentPhase.objects.select_related("gate_record").prefetch_related(
        listed("waivers", waivers)
    )


class PreconditionRequired(APIException):
    status_code = 428
    default_code = "precondition_required"
    default_detail = (
        "Say which revision you edit: the header If-Match with the ETag you read, or "
        "the member revision."
    )


class IncidentViewSet(RestrictionActions, ReadOnlyViewSet):
    """Cases with their extensions, phases and clocks."""

    queryset = Incident.objects.select_related(
        "playbook_version__playbook", "team", "duplicate_of"
    ).defer("playbook_version__document")
    serializer_class = serializers.IncidentSerializer
    filterset_class = filters.IncidentFilter
    parser_classes = (PlainJsonParser,)
    lookup_field = "reference"
    lookup_value_regex = REFERENCE_PATTERN
    read_permission = "incidents.view_incident"
    write_scope = TokenScope.CASES_WRITE
    ordering_fields = ("id", "detected_at", "last_activity_at")
    also_ordered_by = ("reference", "title", "lead")
    people = (
        *("lead", "opened_by", "closed_by"),
        *("holds__held_by", "holds__released_by"),
        *("cycles__ending__lead", "cycles__ending__ended_by"),
        *(f"cycles__phases__{way}" for way in PEOPLE_OF_PHASES),
    )

    def get_queryset(self) -> QuerySet[Incident]:
        # Those of one cycle, each: the order of cycles among them says nothing.
        phases = _phases().order_by("position")
        cycles = Cycle.objects.select_related("ending__original")
        incidents: Any = super().get_queryset()
        return incidents.visible_to(self.request.user).prefetch_related(
            listed("extensions"),
            listed("related"),
            listed("ticket_links"),
            listed("cycles", cycles.prefetch_related(listed("phases", phases))),
            listed("holds", CaseHold.objects.all()),
            listed("kill_switches", KillSwitch.objects.with_state()),
        )

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return _with_etag(self.get_object(), self.get_serializer)

    @extend_schema(
        request=serializers.IncidentEditSerializer,
        parameters=[IF_MATCH],
        responses=serializers.IncidentSerializer,
    )
    def partial_update(self, request: Request, reference: str) -> Response:
        """Edit a case; 409 tells what changed where somebody saved it since."""
        incident = self.get_object()
        form = serializers.IncidentEditSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = dict(form.validated_data)
        edit_incident(
            actor=person_of(request),
            incident_id=incident.pk,
            revision=_read_revision(request, values),
            reason=values.pop("reason", ""),
            changes=_changes_of(values),
        )
        return _with_etag(self.get_object(), self.get_serializer)

    @extend_schema(
        request=serializers.CloseSerializer, responses=serializers.IncidentSerializer
    )
    @action(detail=True, methods=["post"])
    def close(self, request: Request, reference: str) -> Response:
        """Close a case, with what it turned out to be and what it did.

        A false alarm and a duplicate take the scope `cases:review` besides.
        """
        incident = self.get_object()
        form = serializers.CloseSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        if form.validated_data["status"] != IncidentStatus.CLOSED:
            require_scope(cast(ApiToken, request.auth), TokenScope.CASES_REVIEW)
        _close(person_of(request), incident.pk, form.validated_data)
        return _with_etag(self.get_object(), self.get_serializer)

    @extend_schema(
        request=serializers.MarkSerializer,
        responses={
            200: serializers.MarkAnswerSerializer,
            202: serializers.MarkAnswerSerializer,
        },
    )
    @action(detail=True, methods=["post"])
    def tlp(self, request: Request, reference: str) -> Response:
        """Mark a case or an item: 200 where it counts, 202 where a reviewer decides."""
        incident = self.get_object()
        form = serializers.MarkSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        asked = set_mark(
            actor=person_of(request),
            incident_id=incident.pk,
            tlp=values["tlp"],
            item_id=values.get("item"),
            reason=values.get("reason", ""),
        )
        answer = {
            "tlp": asked.from_tlp if asked else values["tlp"],
            "asked_for": asked.to_tlp if asked else None,
        }
        code = status.HTTP_202_ACCEPTED if asked else status.HTTP_200_OK
        return Response(serializers.MarkAnswerSerializer(answer).data, status=code)

    @extend_schema(request=HoldReasonSerializer, responses={201: HoldSerializer})
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, reference: str) -> Response:
        """Put a case on hold: nothing of it is pruned while the hold stands."""
        placed = self._decide_hold(request, place_hold)
        return Response(placed, status=status.HTTP_201_CREATED)

    @extend_schema(request=HoldReasonSerializer, responses=HoldSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path="release-hold",
        write_scope=TokenScope.CASES_REVIEW,
    )
    def release_hold(self, request: Request, reference: str) -> Response:
        """Release a hold that somebody else placed."""
        return Response(self._decide_hold(request, release_hold))

    def _decide_hold(self, request: Request, decide: Any) -> Any:
        incident = self.get_object()
        form = HoldReasonSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        hold = decide(
            actor=person_of(request),
            incident_id=incident.pk,
            reason=form.validated_data.get("reason", ""),
        )
        return HoldSerializer(hold).data

    @extend_schema(parameters=PARAMETERS, responses=PictureSerializer)
    # Its query is a window, and no filter of cases.
    @action(detail=True, methods=["get"], filter_backends=())
    def picture(self, request: Request, reference: str) -> Response:
        """Return what happened as lanes on one axis, put into stretches of the window.

        However much happened, the answer has a bounded number of marks.
        """
        incident = self.get_object()
        form = PictureWindowSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        picture = gather_picture(incident, window=form.window, now=timezone.now())
        return Response(PictureSerializer(picture).data)


class PhaseViewSet(ReadOnlyViewSet):
    """Phases of all cases, with their clocks."""

    queryset = _phases().select_related("cycle__incident")
    serializer_class = serializers.PhaseSerializer
    filterset_class = filters.PhaseFilter
    read_permission = "incidents.view_incidentphase"
    people = PEOPLE_OF_PHASES

    def get_queryset(self) -> QuerySet[IncidentPhase]:
        visible = Incident.objects.visible_to(self.request.user)
        return super().get_queryset().filter(cycle__incident__in=visible)


class PlaybookViewSet(ReadOnlyViewSet):
    """Classes of incident."""

    queryset = Playbook.objects.prefetch_related(
        Prefetch("versions", PlaybookVersion.objects.defer("document"))
    )
    serializer_class = serializers.PlaybookSerializer
    filterset_class = filters.PlaybookFilter
    read_permission = "incidents.view_playbook"
    ordering_fields = ("id", "code")
    also_ordered_by = ("title",)
    default_ordering = "code"


class PlaybookVersionViewSet(ReadOnlyViewSet):
    """Playbooks as they were loaded, version by version."""

    queryset = PlaybookVersion.objects.select_related("playbook", "loaded_by")
    serializer_class = serializers.PlaybookVersionSerializer
    filterset_class = filters.PlaybookVersionFilter
    read_permission = "incidents.view_playbookversion"


def _close(actor: User, incident_id: int, values: dict[str, Any]) -> None:
    """Call the service for the way that was asked for."""
    who: Any = {"actor": actor, "incident_id": incident_id}
    reason = values.get("reason", "")
    aftermath = Aftermath(values["aftermath"]) if values.get("aftermath") else None
    if values["status"] == IncidentStatus.CLOSED_DUPLICATE:
        original = values["original"]
        close_as_duplicate(**who, original=original, reason=reason, aftermath=aftermath)
        return
    outcome = read_outcome(**{name: values.get(name, "") for name in OUTCOME_FIELDS})
    lead = values.get("lead")
    if values["status"] == IncidentStatus.CLOSED:
        close_incident(**who, outcome=outcome, lead=lead, reason=reason)
        return
    close_as_false_alarm(
        **who, outcome=outcome, lead=lead, reason=reason, aftermath=aftermath
    )


def _with_etag(incident: Incident, serialize: Any) -> Response:
    headers = {"ETag": f'"{incident.revision}"'}
    return Response(serialize(incident).data, headers=headers)


def _read_revision(request: Request, values: dict[str, Any]) -> int:
    """Take the revision out of the values or the header; the two may not differ."""
    sent: int | None = values.pop("revision", None)
    header = request.headers.get("If-Match", "").strip()
    if not header:
        if sent is None:
            raise PreconditionRequired
        return sent
    found = ETAG.fullmatch(header)
    if found is None or (sent is not None and sent != int(found[1])):
        raise ValidationError(
            {"If-Match": 'Expected the ETag that was read, for example "3".'}
        )
    return int(found[1])


def _changes_of(values: dict[str, Any]) -> IncidentChanges:
    if "extensions" in values:
        values["extension_ids"] = values.pop("extensions")
    if "severity" in values:
        values["severity"] = Severity(values["severity"])
    return cast(IncidentChanges, values)
