"""Which lists there are, so that somebody who reads everything misses none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import URLPattern, URLResolver
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class ListedSerializer(serializers.Serializer):
    """A list, and where it is read."""

    name = serializers.CharField()
    url = serializers.URLField()


class ListsView(APIView):
    """Every list that the person may read; lists below one row are left out."""

    patterns: Sequence[URLPattern | URLResolver] = ()

    @extend_schema(responses=ListedSerializer(many=True), operation_id="lists")
    def get(self, request: Request) -> Response:
        here = request.path.removesuffix("lists/")
        found = [
            {"name": name, "url": request.build_absolute_uri(f"{here}{name}/")}
            for name, view in sorted(_lists_in(self.patterns))
            if request.user.has_perm(view.read_permission)
        ]
        return Response(ListedSerializer(found, many=True).data)


def _lists_in(patterns: Sequence[URLPattern | URLResolver]) -> list[tuple[str, Any]]:
    found = []
    for pattern in patterns:
        callback: Any = getattr(pattern, "callback", None)
        is_list = getattr(callback, "actions", {}).get("get") == "list"
        name = str(pattern.pattern).strip("^$/")
        if is_list and name.replace("-", "").isalpha():
            found.append((name, callback.cls))
    return found
