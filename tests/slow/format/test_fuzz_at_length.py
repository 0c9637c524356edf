"""Fuzzing by coverage (atheris), and the plain reference on many more documents.

FUZZ_SECONDS sets how long atheris runs, 60 by default.
"""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evidence.format.test_against_reference import broken_documents, compare
from tests.evidence.format.test_fuzz import SEEDS, break_bytes, verify_or_refuse

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))


def test_50_000_broken_byte_strings_give_a_report_or_a_refusal():
    generator = random.Random(2)
    for place in range(50_000):
        verify_or_refuse(break_bytes(SEEDS[place % len(SEEDS)], generator), SEEDS[0])


@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken_documents(), st.booleans())
def test_5_000_broken_bundles_get_the_report_of_the_reference(document, indented):
    import json

    compare(document, json.dumps(document, indent=2 if indented else None).encode())


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="needs atheris installed"
)
def test_fuzzing_by_coverage_finds_no_exception_but_the_refusal(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for place, seed in enumerate(SEEDS):
        (corpus / f"seed-{place}").write_bytes(seed)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.slow.format.fuzz_verify", str(corpus)),
            *(f"-max_total_time={SECONDS}", f"-artifact_prefix={tmp_path}/"),
            *("-max_len=16384", "-rss_limit_mb=2048", "-timeout=20"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done" in done.stderr
