"""A place for simulated clusters."""

import pytest

from tests.simulation.cluster import Cluster
from tests.simulation.seeds import world


@pytest.fixture
def new_cluster():
    """Return what makes a `Cluster` of a size, in simulated disks of its own."""
    with world() as directory:
        yield lambda size, **options: Cluster(directory, size, **options)
