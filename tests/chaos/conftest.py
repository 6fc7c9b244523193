"""A limit on the time that any test may take."""

import signal
from collections.abc import Iterator

import pytest

LIMIT_S = 120
"""Beside the time under faults that is asked for."""


@pytest.fixture(autouse=True)
def limited(request: pytest.FixtureRequest) -> Iterator[None]:
    """End a test that hangs; what it started is cleaned up."""
    minutes = getattr(request.module, "MINUTES", 0.0)

    def too_long(*_: object) -> None:
        raise TimeoutError(f"{request.node.nodeid} does not end")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT_S + int(minutes * 60))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
