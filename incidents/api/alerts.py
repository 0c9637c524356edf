"""Alerts in, and alerts read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api.base.problems import CONTENT_TYPE, make_problem
from evidence.api.base.views import ReadOnlyViewSet, person_of
from evidence.format import DocumentRefused, read_document
from evidence.models import TokenScope
from evidence.models.case_bound import is_case_shown, is_shown
from incidents.api import filters, serializers
from incidents.api.alert_bodies import AlertBodyParser, split_body
from incidents.models import ALERT_SOURCES, Alert, AlertDecision, AlertRule
from incidents.services.alerts.incoming import Answer, IncomingAlert, read_incoming
from incidents.services.alerts.intake import receive_alerts
from incidents.services.alerts.waiting import accept_alert
from incidents.workflow.errors import AlertError
from incidents.workflow.incident_states import IncidentSource

ANY_OBJECT = {"type": "object", "additionalProperties": {}}
RESPOND_ASYNC = "respond-async"
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description=f"`{RESPOND_ASYNC}` (RFC 7240): do not wait for the decision.",
)
ONE_OR_MANY = {"oneOf": [ANY_OBJECT, {"type": "array", "items": ANY_OBJECT}]}


@dataclass(frozen=True)
class RefusedAlert:
    """An alert of a request that is none; the others of the request stand."""

    source: str | None
    alert_id: str | None
    detail: str
    problems: tuple[str, ...]


class AlertViewSet(ReadOnlyViewSet):
    """Alerts. POST takes in one, or a batch of up to 1,000."""

    queryset = Alert.objects.select_related(
        "extension", "incident", "decided_incident", "rule", "received_from"
    )
    filterset_class = filters.AlertFilter
    parser_classes = (AlertBodyParser,)
    read_permission = "incidents.view_alert"
    write_scope = TokenScope.ALERTS_WRITE
    throttle_rate = "alerts"
    ordering_fields = ("id", "happened_at", "received_at")
    also_ordered_by = ("category", "extension", "incident", "decision", "source")

    def get_queryset(self) -> QuerySet[Alert]:
        rows: Any = super().get_queryset()
        alerts: QuerySet[Alert] = rows.visible_to(self.request.user)
        if self.action == "retrieve":
            return alerts.prefetch_related(
                "assignments__incident",
                "assignments__previous_incident",
                "assignments__assigned_by",
            )
        return alerts.defer("document")

    def get_serializer_class(self) -> type[serializers.AlertSerializer]:
        if self.action == "retrieve":
            return serializers.AlertDetailSerializer
        return serializers.AlertSerializer

    @extend_schema(
        parameters=[PREFER],
        request={"application/json": ONE_OR_MANY},
        responses={
            202: OpenApiResponse(
                serializers.AlertAnswerSerializer,
                description="Stored; the rules have yet to decide on it.",
            ),
            201: serializers.AlertAnswerSerializer,
            200: serializers.AlertAnswerSerializer,
            207: OpenApiResponse(
                serializers.BatchAnswerSerializer, description="A batch was sent."
            ),
        },
    )
    def create(self, request: Request) -> Response:
        """Take in alerts; those known by source and alert_id are answered as before.

        Send one alert (docs/evidence-format.md, section 3) with a `source` beside its
        members, an array of such, or `{"source": …, "alerts": […]}`. With `Prefer:
        respond-async` one alert is stored and answered with 202 before the rules have
        decided on it: `Location` is where the decision will stand.
        """
        data: Any = request.data
        body = split_body(data or b"")
        if not body.is_batch and wants_no_decision(request.headers.get("Prefer", "")):
            return _accept(request, body.texts[0])
        read = [read_alert(text, body.source) for text in body.texts]
        accepted = [entry for entry in read if isinstance(entry, IncomingAlert)]
        answers = iter(receive_alerts(alerts=accepted, actor=person_of(request)))
        outcomes = [
            next(answers) if isinstance(entry, IncomingAlert) else entry
            for entry in read
        ]
        if body.is_batch:
            return _answer_batch(outcomes)
        return _answer_single(request, outcomes[0])


class AlertRuleViewSet(ReadOnlyViewSet):
    """The rules that say which alerts open a case."""

    queryset = AlertRule.objects.all()
    serializer_class = serializers.AlertRuleSerializer
    filterset_class = filters.AlertRuleFilter
    read_permission = "incidents.view_alertrule"
    also_ordered_by = (
        *("key", "is_enabled", "category", "least_severity", "count", "window_seconds"),
        *("opens_severity", "join_window_seconds", "tell", "tell_team"),
    )


def wants_no_decision(preferences: str) -> bool:
    """Return whether `Prefer` names respond-async, among others or alone."""
    names = (each.partition(";")[0].strip().lower() for each in preferences.split(","))
    return RESPOND_ASYNC in names


def _accept(request: Request, text: str) -> Response:
    """Store one alert and answer at once; say of a known one what is known by now."""
    read = read_alert(text, None)
    if isinstance(read, RefusedAlert):
        return _answer_single(request, read)
    answer = accept_alert(alert=read, actor=person_of(request))
    response = _answer_single(request, answer)
    if not answer.conflict:
        response["Location"] = reverse("api:alert-detail", args=[answer.row.pk])
        response["Preference-Applied"] = RESPOND_ASYNC
    return response


def read_alert(text: str, envelope_source: str | None) -> IncomingAlert | RefusedAlert:
    """Read one alert strictly; a refusal is a value, so that the others stand."""
    try:
        document = read_document(text.encode("utf-8", "surrogatepass"))
    except DocumentRefused as error:
        return RefusedAlert(envelope_source, None, error.message, (str(error),))
    source = document.pop("source", envelope_source)
    named = document.get("alert_id")
    alert_id = named if isinstance(named, str) else None
    if not isinstance(source, str) or source not in ALERT_SOURCES:
        known = ", ".join(ALERT_SOURCES)
        detail = f"expected a source out of {known}"
        return RefusedAlert(None, alert_id, detail, (f"$.source: {detail}",))
    try:
        return read_incoming(IncidentSource(source), document)
    except AlertError as error:
        problems = tuple(str(problem) for problem in error.problems)
        return RefusedAlert(source, alert_id, error.message, problems)


def _answer_single(request: Request, outcome: Answer | RefusedAlert) -> Response:
    if isinstance(outcome, RefusedAlert):
        return _problem(
            request,
            status.HTTP_422_UNPROCESSABLE_ENTITY,
            AlertError.code,
            outcome.detail,
            problems=list(outcome.problems),
        )
    document = _document(outcome)
    if outcome.conflict:
        return _problem(
            request, status.HTTP_409_CONFLICT, document["code"], document["detail"]
        )
    code: int = status.HTTP_201_CREATED if outcome.created else status.HTTP_200_OK
    if outcome.row.decision == AlertDecision.WAITING:
        code = status.HTTP_202_ACCEPTED
    return Response(document, status=code)


def _answer_batch(outcomes: list[Answer | RefusedAlert]) -> Response:
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    conflicts = sum(answer.conflict for answer in answers)
    created = sum(answer.created for answer in answers)
    return Response(
        {
            "created": created,
            "repeated": len(answers) - created - conflicts,
            "conflicts": conflicts,
            "refused": len(outcomes) - len(answers),
            "results": [_document(outcome) for outcome in outcomes],
        },
        status=status.HTTP_207_MULTI_STATUS,
    )


def _document(outcome: Answer | RefusedAlert) -> dict[str, Any]:
    """Return the result of one alert; it never depends on when it was asked for."""
    if isinstance(outcome, RefusedAlert):
        return {
            "result": "refused",
            "source": outcome.source,
            "alert_id": outcome.alert_id,
            "code": AlertError.code,
            "detail": outcome.detail,
            "problems": list(outcome.problems),
        }
    row = outcome.row
    named: dict[str, Any] = {
        "source": row.source,
        "alert_id": row.alert_id,
        "id": row.pk,
    }
    if outcome.conflict:
        # An alert of a hidden case has its ID taken, and tells nothing else.
        is_told = row.incident_id is None or is_case_shown(row.incident_id)
        digest = f" (SHA-256 {row.document_sha256})" if is_told else ""
        detail = (
            f"{row.alert_id} of {row.source} is stored with other content{digest}, "
            "which stays; send what is new under a new ID."
        )
        return {
            "result": "conflict",
            **named,
            "code": "alert_conflict",
            "detail": detail,
        }
    case = row.decided_incident
    return accepted_document(
        **named,
        decision=row.decision,
        incident=case.reference if case and is_shown(case) else None,
        document_sha256=row.document_sha256,
    )


def accepted_document(
    *,
    source: str,
    alert_id: str,
    id: int,
    decision: str,
    incident: str | None,
    document_sha256: str,
) -> dict[str, Any]:
    """Return the result of an alert that is stored."""
    return {
        "result": "accepted",
        "source": source,
        "alert_id": alert_id,
        "id": id,
        "decision": str(decision),
        "incident": incident,
        "document_sha256": document_sha256,
    }


def _problem(
    request: Request, code_status: int, code: str, detail: str, **members: Any
) -> Response:
    document = make_problem(code_status, code, detail, instance=request.path, **members)
    return Response(document, status=code_status, content_type=CONTENT_TYPE)
