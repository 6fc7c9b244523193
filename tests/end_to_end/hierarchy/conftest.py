"""One hierarchy for all tests of this folder."""

from collections.abc import Iterator

import pytest

from . import namespace, servers
from .hierarchy import Hierarchy
from .place import Place


@pytest.fixture(scope="package")
def hierarchy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hierarchy]:
    """The running hierarchy, in a network namespace of its own."""
    if missing := servers.missing():
        pytest.skip(f"not installed: {missing}")
    if why := namespace.why_not():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("hierarchy")
    with namespace.Namespace() as space, Hierarchy(folder, Place(), space) as started:
        yield started
