"""Every sample of the corpus of evasions, and of code that only looks like one."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from policy.scanner import Classification, SourceReport, scan_source
from tests.data.evasions import BENIGN, HELD_OUT, LATER, Sample, load_samples

SAMPLES = load_samples()
BENIGN_SAMPLES = load_samples(BENIGN)
HELD_OUT_SAMPLES = load_samples(HELD_OUT)


@cache
def scan(sample: Sample) -> SourceReport:
    """Scan a sample once for all that is asked of its report."""
    return scan_source(sample.source, f"sample{sample.suffix}")


def _name(sample: Sample) -> str:
    return sample.name


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_evasion_is_classified_as_expected(sample: Sample):
    report = scan(sample)
    assert report.classification == sample.expected
    assert all(file.is_complete for file in report.files)


@pytest.mark.parametrize("sample", BENIGN_SAMPLES, ids=_name)
def test_look_alike_is_not_called_worse_than_it_is(sample: Sample):
    report = scan(sample)
    assert report.classification == sample.expected, [e.why for e in report.entries]


def test_corpus_has_twelve_families_of_ten_distinct_samples():
    families = Counter(sample.family for sample in SAMPLES)
    assert len(families) >= 12
    assert min(families.values()) >= 10
    assert len({sample.source for sample in SAMPLES}) == len(SAMPLES)


@pytest.mark.parametrize("sample", HELD_OUT_SAMPLES, ids=_name)
def test_held_out_evasion_is_never_called_safe(sample: Sample):
    report = scan(sample)
    assert report.classification is not Classification.SAFE


def test_later_families_are_found_and_nearly_all_named():
    samples = load_samples(LATER)
    said = {s: scan(s) for s in samples}
    missed = [s.name for s, r in said.items() if r.classification == "safe"]
    named = [s for s, r in said.items() if r.classification == s.expected]
    assert not missed
    assert len(named) / len(samples) > 0.95


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_what_line_scanner_misses_comes_with_a_pattern_and_a_test_idea(sample: Sample):
    report = scan(sample)
    said = [f.classification.rank for f in report.files[0].line_findings]
    if max(said, default=0) < Classification(sample.expected).rank:
        assert report.misses
    for miss in report.misses:
        assert miss.what
        assert miss.suggested_pattern
        assert miss.regression_test_idea
