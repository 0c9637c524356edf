"""What holds for every answer of the API: no cache keeps it, no coding is guessed."""

from __future__ import annotations

import gzip

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.pages.hostile import fill, list_routes

ROUTES = [
    fill(route, {"*": "1", "reference": "SEC-INC-2026-0001"})
    for route in list_routes("api/")
]


@pytest.mark.walk
def test_no_cache_keeps_an_answer(reader: APIClient) -> None:
    for url in ROUTES:
        for client in (reader, Client()):
            assert (url, client.get(url)["Cache-Control"]) == (url, "no-store")


@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_a_compressed_body_is_refused(poster: APIClient, method: str) -> None:
    for url in ROUTES:
        response = getattr(poster, method)(
            url,
            data=gzip.compress(b"{}"),
            content_type="application/json",
            headers={"Content-Encoding": "gzip"},
        )
        assert (url, response.status_code) == (url, 415)
        assert response["Content-Type"] == "application/problem+json"
        assert response["Cache-Control"] == "no-store"
        assert "Content-Encoding" in response.json()["detail"]
