"""Nothing that was acknowledged is lost, whatever happens to real nodes on a real network."""

import os

import pytest

from tests.chaos.faults import halves
from tests.chaos.network import CannotRun
from tests.chaos.run import chaos

MINUTES = float(os.environ.get("CHAOS_MINUTES", "2.2"))
"""Minutes under faults, of three nodes and of five together."""
SEED = os.environ.get("CHAOS_SEED")


@pytest.mark.parametrize(("nodes", "share", "seed", "half"), [(3, 0.55, 2, 0), (5, 0.45, 1, 1)])
def test_under_faults_nothing_acknowledged_is_lost_done_twice_or_different(
    nodes: int, share: float, seed: int, half: int
) -> None:
    print(f"seed {SEED or seed}")
    try:
        report = chaos(
            MINUTES * 60 * share, nodes, int(SEED or seed), halves()[half], calm_s=(0.5, 2.0)
        )
    except CannotRun as error:
        pytest.skip(str(error))
    print("\n".join(report.lines()))
    assert not report.problems(), "\n".join([*report.problems()[:50], *report.lines()])
    assert any(change.outcome == "done" for change in report.record.changes)
    assert report.record.answers
