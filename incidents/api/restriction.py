"""Restricted cases: restricting one, naming who sees it, lifting that, looking in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api.base.views import person_of
from evidence.api.fields import LinesField
from evidence.models import TokenScope
from evidence.text import REASON_LENGTH
from incidents.models import Incident, Team
from incidents.services.lifecycle.restricting import (
    Readers,
    change_readers,
    lift_restriction,
    look_in,
    named_on,
    restrict_case,
)

MOST_NAMED = 200
"""More than anybody names by hand; each is looked at."""


class _NamesField(serializers.ListField):
    """Rows by a unique name of theirs; all that nobody has are told at once."""

    child = serializers.CharField(max_length=150)

    def __init__(self, model: type[Model], name: str, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=MOST_NAMED, **kwargs)
        self.model, self.name = model, name

    def to_internal_value(self, data: Any) -> list[Any]:
        # Before each is looked for; the validators of a list come after.
        if isinstance(data, list) and len(data) > MOST_NAMED:
            raise serializers.ValidationError(f"Name {MOST_NAMED} at most.")
        names = super().to_internal_value(data)
        rows = self.model._default_manager.filter(**{f"{self.name}__in": names})
        found = {getattr(row, self.name): row for row in rows}
        missing = [name for name in names if name not in found]
        if missing:
            raise serializers.ValidationError(
                f"Nobody here is called {', '.join(missing)}."
            )
        return list(found.values())


class RestrictionReasonSerializer(serializers.Serializer):
    """Why a restriction is lifted."""

    reason = LinesField(required=False, allow_blank=True, max_length=REASON_LENGTH)


class RestrictionSerializer(RestrictionReasonSerializer):
    """Who sees a case beside its lead, by usernames and names of teams, and why."""

    people = _NamesField(User, "username", help_text="Usernames.")
    teams = _NamesField(Team, "name", help_text="Names of teams.")

    @property
    def readers(self) -> Readers:
        values = self.validated_data
        return Readers(values.get("people", ()), values.get("teams", ()))


class RestrictionAnswerSerializer(serializers.Serializer):
    """Whether a case is restricted now, and who is named on it."""

    is_restricted = serializers.BooleanField()
    people = serializers.ListField(child=serializers.CharField())
    teams = serializers.ListField(child=serializers.CharField())


class LookInSerializer(RestrictionReasonSerializer):
    """A restricted case that one knows by its reference, and why one has to see it."""

    reference = serializers.CharField(max_length=24)


class LookInAnswerSerializer(serializers.Serializer):
    """The case that was looked into, and until when one sees it."""

    reference = serializers.CharField(source="incident.reference")
    until = serializers.DateTimeField()


class RestrictionActions:
    """What the list of cases and each case take for it."""

    get_object: Any

    @extend_schema(request=RestrictionSerializer, responses=RestrictionAnswerSerializer)
    @action(detail=True, methods=["post"])
    def restrict(self, request: Request, reference: str) -> Response:
        """Leave a case to its lead, those named and oneself; nobody else finds it."""
        return self._name(request, restrict_case)

    @extend_schema(request=RestrictionSerializer, responses=RestrictionAnswerSerializer)
    @action(detail=True, methods=["post"])
    def readers(self, request: Request, reference: str) -> Response:
        """Name exactly these on a restricted case."""
        return self._name(request, change_readers)

    @extend_schema(
        request=RestrictionReasonSerializer, responses=RestrictionAnswerSerializer
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="lift-restriction",
        write_scope=TokenScope.CASES_REVIEW,
    )
    def lift_restriction(self, request: Request, reference: str) -> Response:
        """Show a restricted case to everybody again who may see cases."""
        incident = self.get_object()
        form = RestrictionReasonSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        lifted = lift_restriction(
            actor=person_of(request),
            incident_id=incident.pk,
            reason=form.validated_data.get("reason", ""),
        )
        return _answer(lifted)

    @extend_schema(request=LookInSerializer, responses={201: LookInAnswerSerializer})
    @action(
        detail=False,
        methods=["post"],
        url_path="look-in",
        filter_backends=(),
        write_scope=TokenScope.CASES_REVIEW,
    )
    def look_in(self, request: Request) -> Response:
        """See a case for a day that is hidden from one, for a reason that is told."""
        form = LookInSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        look = look_in(
            actor=person_of(request),
            reference=form.validated_data["reference"],
            reason=form.validated_data.get("reason", ""),
        )
        answer = LookInAnswerSerializer(look).data
        return Response(answer, status=status.HTTP_201_CREATED)

    def _name(self, request: Request, decide: Any) -> Response:
        incident = self.get_object()
        form = RestrictionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        changed = decide(
            actor=person_of(request),
            incident_id=incident.pk,
            readers=form.readers,
            reason=form.validated_data.get("reason", ""),
        )
        return _answer(changed)


def _answer(incident: Incident) -> Response:
    """Return who is named now, which who took themselves off the case reads too."""
    named = named_on(incident)
    answer = {
        "is_restricted": incident.is_restricted,
        "people": sorted(person.get_username() for person in named.people),
        "teams": sorted(team.name for team in named.teams),
    }
    return Response(RestrictionAnswerSerializer(answer).data)
