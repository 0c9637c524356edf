"""The timeline as people read it: safe Markdown, safe exports, corrections, filters."""

import csv
import datetime as dt
import io
import zoneinfo

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from evidence.errors import CasefileError, MomentRefused
from evidence.spreadsheets import safe_cell
from incidents.errors import IncidentError
from incidents.markdown import render_markdown
from incidents.models import TimelineKind
from incidents.services.timeline import write_entry
from incidents.timeline_export import write_csv, write_markdown
from incidents.timeline_reading import TimelineReader
from tests.factories import NOON, make_evidence, make_incident, make_user


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](JaVaScRiPt:alert(1))",
        "[x](vbscript:x)",
        "<a href='javascript:x'>y</a>",
        "![x](https://elsewhere.example/pixel.png)",
        "<style>*{display:none}</style>",
        "[x](https://a.example 'x\" onmouseover=\"alert(1)')",
        "<svg/onload=alert(1)>",
        "`<script>`",
    ],
)
def test_markdown_never_becomes_active(text):
    html = render_markdown(text).lower()
    for active in (
        "<script",
        "<img",
        "<style",
        "<svg",
        'href="javascript',
        "<a href='j",
    ):
        assert active not in html
    assert " onmouseover=" not in html.replace("&quot;", '"').split("title=")[0]
    assert 'href="data:' not in html
    assert 'href="vbscript:' not in html


def test_markdown_renders_what_people_write():
    html = render_markdown("**bold** `code`\n\n- one\n\n[a](https://b.example)")
    assert "<strong>bold</strong> <code>code</code>" in html
    assert 'rel="noopener noreferrer nofollow"' in html


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "  ="])
def test_cell_cannot_start_a_formula(start):
    assert safe_cell(f"{start}cmd|' /C calc'!A0").startswith("'")


def test_plain_cell_stays_as_it_is():
    assert safe_cell("rotated the key - done") == "rotated the key - done"


@pytest.mark.django_db
class TestEntries:
    def write(self, incident, body="a note", **fields):
        return write_entry(
            actor=make_user(),
            incident_id=incident.pk,
            body=body,
            now=NOON + dt.timedelta(minutes=1),
            **fields,
        )

    def test_event_time_is_apart_from_entry_time(self):
        entry = self.write(make_incident(), event_at=NOON, kind=TimelineKind.EVENT)
        assert entry.event_at == NOON
        assert entry.entered_at == NOON + dt.timedelta(minutes=1)

    def test_correction_is_a_new_entry_and_both_stay(self):
        incident = make_incident()
        old = self.write(incident, "wrong")
        new = self.write(incident, "right", corrects_id=old.pk)
        assert list(old.corrections.all()) == [new]
        assert incident.timeline.filter(body="wrong").exists()

    def test_entry_of_another_case_cannot_be_corrected(self):
        foreign = self.write(make_incident())
        with pytest.raises(IncidentError, match="not one of this case"):
            self.write(make_incident(), corrects_id=foreign.pk)

    def test_entry_cannot_be_changed(self):
        entry = self.write(make_incident())
        with pytest.raises(DatabaseError), transaction.atomic():
            type(entry).objects.filter(pk=entry.pk).update(body="never said")

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"body": " "}, "The text is missing"),
            ({"body": "x" * 20_001}, "20000 are the most"),
            ({"event_at": NOON + dt.timedelta(hours=1)}, "has happened"),
            ({"kind": TimelineKind.STATE}, "the system writes the other kinds"),
        ],
    )
    def test_bad_entry_is_refused(self, fields, message):
        with pytest.raises(CasefileError, match=message):
            self.write(make_incident(), **fields)

    def test_event_before_christ_is_refused_and_the_timeline_stays_readable(self):
        incident = make_incident()
        with pytest.raises(MomentRefused, match="2000-01-01"):
            self.write(
                incident,
                event_at=dt.datetime(1, 1, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo")),
            )
        assert len(TimelineReader(incident).all()) == 1

    def test_database_refuses_an_event_before_2000(self):
        entry = self.write(make_incident())
        with pytest.raises(IntegrityError, match="timeline_event_at_plausible"):
            entry.__class__.objects.create(
                incident=entry.incident,
                cycle=entry.cycle,
                kind=TimelineKind.NOTE,
                event_at=dt.datetime(1999, 12, 31, tzinfo=dt.UTC),
                entered_at=NOON,
                author_name="somebody",
                body="long ago",
            )

    def test_csv_carries_every_entry_with_its_zone(self):
        incident = make_incident()
        self.write(incident, "=1+1")
        text = write_csv(TimelineReader(incident).all())
        assert text.startswith("\ufeff"), "a spreadsheet takes it for another encoding"
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        assert rows[-1]["text"] == "'=1+1"
        assert rows[0]["event_at"] == "2026-03-10T12:00:00+00:00"

    def test_markdown_export_quotes_bodies(self):
        incident = make_incident()
        self.write(incident, "# not a heading\n## of the document")
        text = write_markdown(incident, TimelineReader(incident).all())
        assert "> # not a heading\n> ## of the document" in text
        mark, _, rest = text.partition("\n\n")
        assert mark == "**TLP:AMBER**"
        assert rest.startswith(f"# Timeline of {incident.reference}: Secret exposed")

    def test_evidence_shows_among_what_people_wrote(self):
        incident = make_incident()
        self.write(incident)
        make_evidence(incident, name="bundle.json")
        lines = TimelineReader(incident).all()
        kinds = [line.kind for line in lines]
        assert kinds.count("evidence") == 2
        assert any("bundle.json" in line.body for line in lines)
        assert [line.event_at for line in lines] == sorted(
            line.event_at for line in lines
        )

    @pytest.mark.parametrize(
        ("filters", "kinds"),
        [
            ({"kind": "note"}, {"note"}),
            ({"kind": "evidence"}, {"evidence"}),
            ({"kind": "policy"}, set()),
            ({"phase": "detect"}, {"state"}),
            ({"phase": "contain"}, {"note", "evidence"}),
        ],
    )
    def test_filter_by_kind_and_phase(self, filters, kinds):
        incident = make_incident()
        self.write(incident)
        make_evidence(incident)
        reader = TimelineReader(incident, **filters)
        assert {line.kind for line in reader.all()} == kinds
        assert len(reader) == len(reader.all())


def test_a_wide_table_scrolls_in_a_box_that_the_keyboard_reaches():
    shown = render_markdown("| a | b |\n| - | - |\n| 1 | 2 |")
    assert '<div class="cf-table-wrap" tabindex="0"><table>' in shown
    assert shown.count("<div") == shown.count("</div>") == 1


def test_what_people_write_opens_no_box_of_its_own():
    shown = render_markdown('<div class="cf-table-wrap" tabindex="0">x</div>')
    assert "<div" not in shown
