"""Links lead where they say: to a page that opens, and to a place that is there."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from django.test import Client
from django.urls import reverse

from evidence.models import EvidenceItem, EvidenceKind
from incidents.models import Incident, Postmortem
from policy.models import Extension, KillSwitch, PolicySnapshot, Rollback, ScanReport

pytestmark = [pytest.mark.walk, pytest.mark.django_db]
TABS = (
    "checklist",
    "timeline",
    "picture",
    "evidence",
    "policy",
    "alerts",
    "postmortem",
)
OPEN = (200, 302)


class Page(HTMLParser):
    """The ids of a page, and the links of its main part."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self._depth = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.add(str(found["id"]))
        self._depth += tag == "main"
        href = found.get("href") or ""
        if tag == "a" and self._depth and href:
            self.links.add(href)

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "main"


class Reader:
    """Opens each page once."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: dict[str, tuple[int, Page | None]] = {}

    def read(self, url: str) -> tuple[int, Page | None]:
        if url not in self.seen:
            answer = self.client.get(url)
            is_page = answer.status_code == 200 and not answer.streaming
            is_page = is_page and "html" in answer.headers["Content-Type"]
            page = Page(answer.content.decode()) if is_page else None
            self.seen[url] = answer.status_code, page
        return self.seen[url]

    def faults(self, url: str) -> list[str]:
        """Return what is wrong with the links of a page."""
        status, page = self.read(url)
        if page is None:
            return [] if status in (403, 404) else [f"{url}: {status}"]
        found = []
        for link in sorted(page.links):
            target, anchor = urldefrag(urljoin(url, link))
            if not target.startswith("/admin/"):
                continue
            status, there = self.read(target)
            if status not in OPEN:
                found.append(f"{url} links to {link}: {status}")
            elif anchor and there is not None and unquote(anchor) not in there.ids:
                found.append(f"{url} links to {link}: no such place")
        return found


def pages(case: Incident) -> list[str]:
    """Return the pages of a case and of what it is about."""
    first = reverse("admin:incidents_incident_change", args=[case.pk])
    bundle = EvidenceItem.objects.filter(kind=EvidenceKind.BUNDLE).first()
    found = [f"{first}?tab={tab}" for tab in TABS]
    rows: list[Any] = [bundle, Postmortem.objects.first()]
    kinds: tuple[Any, ...] = (KillSwitch, PolicySnapshot, Rollback, ScanReport)
    rows += [kind.objects.first() for kind in kinds]
    rows.append(Extension.objects.filter(incidents=case).first())
    for row in rows:
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
        found.append(reverse(name, args=[row.pk]))
    return found


@pytest.mark.parametrize("role", ["responder", "auditor"])
def test_every_link_leads_to_a_page_that_opens_and_to_a_place_that_is_there(
    browse: Any, everything: Incident, role: str
) -> None:
    reader = Reader(browse(role))
    addresses = pages(everything)
    assert sum(len(page.links) for _, page in map(reader.read, addresses) if page) > 40
    assert [fault for url in addresses for fault in reader.faults(url)] == []


def test_an_auditor_is_offered_nothing_to_do(browse: Any, everything: Incident) -> None:
    reader = Reader(browse("auditor"))
    offered = ("/add/", "/upload/", "/edit/", "/do/")
    for url in pages(everything):
        _, page = reader.read(url)
        links = page.links if page else set()
        found = [link for link in links if any(part in link for part in offered)]
        assert found == [], url


def test_a_breadcrumb_shows_an_id_as_it_is(browse: Any, everything: Incident) -> None:
    extension = Extension.objects.filter(incidents=everything).first()
    assert extension is not None
    Extension.objects.filter(pk=extension.pk).update(name="node-tools")
    url = reverse("admin:policy_extension_change", args=[extension.pk])
    page = browse("responder").get(url).content.decode()
    assert "Node-tools" not in page
