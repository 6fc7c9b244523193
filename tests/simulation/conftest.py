"""A place for simulated clusters."""

import pytest

from tests.simulation.cluster import Cluster
from tests.simulation.seeds import world
from tests.simulation.stock import stock_core


@pytest.fixture
def new_cluster():
    """Return what makes a `Cluster` of a size, in simulated disks of its own."""
    with world() as directory:
        yield lambda size, **options: Cluster(directory, size, **options)


@pytest.fixture
def stock():
    """Return the network of nodes of the published core."""
    with stock_core() as network:
        yield network
