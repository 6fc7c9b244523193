"""The tree of zones that most verdicts are about, once for each kind of proof."""

import pytest

from tests.resolver.dnssec.world import World, tree


@pytest.fixture(scope="module", params=["nsec", "nsec3"])
def world(request) -> World:
    return tree(request.param)
