"""A node and a console session for the doors' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dns_node.control.compose import Asker
from dns_node.control.session import Session

from .fake_node import FakeNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    """A node with an empty store."""
    made = FakeNode(tmp_path)
    yield made
    made.close()


@pytest.fixture
def console(node: FakeNode) -> Session:
    """A console session at `node`."""
    return Session(node, Asker("console", "me"))
