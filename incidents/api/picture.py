"""One picture of what happened, as values: what the case's page draws."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from evidence.stored_moments import to_ms
from incidents.picture.model import Picture, Window

PARAMETERS = [
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="With `until`."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="With `since`."),
]


class PictureWindowSerializer(serializers.Serializer):
    """`since` and `until`, or neither: then what fits the case."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        since, until = attrs.get("since"), attrs.get("until")
        if (since is None) != (until is None):
            raise serializers.ValidationError("Give both ends, or neither.")
        if since is not None and until <= since:
            raise serializers.ValidationError(
                {"until": "The end has to come after the beginning."}
            )
        return attrs

    @property
    def window(self) -> Window | None:
        """The window that was asked for; None where none was."""
        since = self.validated_data.get("since")
        if since is None:
            return None
        return Window(to_ms(since), to_ms(self.validated_data["until"]))


class PictureTargetSerializer(serializers.Serializer):
    """The record that something is drawn from."""

    kind = serializers.CharField()
    id = serializers.IntegerField()
    index = serializers.IntegerField(allow_null=True)


class PictureMarkSerializer(serializers.Serializer):
    """Something that happened, or `count` of it in one stretch."""

    at_ms = serializers.IntegerField()
    last_ms = serializers.IntegerField()
    state = serializers.CharField()
    words = serializers.CharField()
    count = serializers.IntegerField()
    target = PictureTargetSerializer(allow_null=True)


class PictureBandSerializer(serializers.Serializer):
    """Something that held for a time; `to_ms` null: it still does."""

    from_ms = serializers.IntegerField()
    to_ms = serializers.IntegerField(allow_null=True)
    state = serializers.CharField()
    words = serializers.CharField()
    is_ordered = serializers.BooleanField(
        help_text="Ordered, and not known to be in effect."
    )
    target = PictureTargetSerializer(allow_null=True)


class PictureGapSerializer(serializers.Serializer):
    """A stretch of which there is no record: nothing is known."""

    from_ms = serializers.IntegerField()
    to_ms = serializers.IntegerField()
    words = serializers.CharField()


class PictureLaneSerializer(serializers.Serializer):
    """One subject; `before` and `after` count what lies outside the window."""

    key = serializers.CharField()
    title = serializers.CharField()
    marks = PictureMarkSerializer(many=True)
    bands = PictureBandSerializer(many=True)
    gaps = PictureGapSerializer(many=True)
    line = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="Pairs of a moment and a height from 0 to 1.",
    )
    before = serializers.IntegerField()
    after = serializers.IntegerField()
    note = serializers.CharField()


class PictureShadeSerializer(PictureGapSerializer):
    """A stretch whose records cannot be trusted, on these lanes."""

    lanes = serializers.ListField(child=serializers.CharField())


class PictureSerializer(serializers.Serializer):
    """Lanes of bands and marks on one axis of time, in milliseconds since 1970."""

    schema = serializers.CharField()
    window = serializers.DictField(child=serializers.IntegerField())
    lanes = PictureLaneSerializer(many=True)
    shades = PictureShadeSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())

    def to_representation(self, instance: Picture) -> dict[str, Any]:
        return instance.as_json()
