"""A runtime to practise on: believable documents in the evidence format.

For demonstration, benchmarks and load. The same scenario, number of calls and seed give
the same bytes. Nothing here is evidence: every simulated call ID begins with `sim-`.

Pure: no clock, no files, no network; randomness comes from the seed alone.
"""

from evidence.simulation.documents import simulate_document
from evidence.simulation.scenarios import SCENARIOS, UnknownScenario

__all__ = ("SCENARIOS", "UnknownScenario", "simulate_document")
