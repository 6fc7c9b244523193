"""Clusters as fixtures, and a limit on the time that any test may take."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .cluster import Cluster

TEST_LIMIT_S = int(os.environ.get("DNS_NODE_TEST_LIMIT_S", "150"))
"""The longest that one test may take; the long rounds raise it by this variable."""
SUITE_LIMIT_S = int(os.environ.get("DNS_NODE_SUITE_LIMIT_S", "3000"))
_started_s = time.monotonic()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a test, its fixtures included, that takes longer than the limit."""
    left_s = SUITE_LIMIT_S - (time.monotonic() - _started_s)
    if left_s <= 0:
        pytest.exit(f"the end-to-end tests took longer than {SUITE_LIMIT_S} s", 1)

    def too_long(*_: object) -> None:
        signal.alarm(30)  # once more, should the clean-up hang too
        raise TimeoutError(f"{item.nodeid} took longer than {TEST_LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(TEST_LIMIT_S)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


ClusterOf = Callable[..., Cluster]


@pytest.fixture()
def cluster_of(tmp_path: Path) -> Iterator[ClusterOf]:
    """A maker of clusters in this test's folder; each is stopped afterwards, and must stop."""
    made: list[Cluster] = []

    def make(name: str = "cluster", **options: object) -> Cluster:
        made.append(Cluster(tmp_path / name, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    _stop_all(made)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three running nodes with zf0 to zf2, shared by the tests of one module."""
    cluster = Cluster(tmp_path_factory.mktemp("three"))
    try:
        cluster.start_all()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def three_by_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three running nodes with two workers each: which worker answers is up to the kernel."""
    cluster = Cluster(tmp_path_factory.mktemp("three"), workers=2)
    try:
        cluster.start_all()
        yield cluster
    finally:
        cluster.stop()


def _stop_all(made: list[Cluster]) -> None:
    complaints = []
    for cluster in made:
        try:
            cluster.stop()
        except AssertionError as error:
            complaints.append(str(error))
    assert not complaints, "\n".join(complaints)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[object]:
    """Show the tail of every node's output with a failed test."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Cluster):
                _attach(report, value)
        # a maker of clusters keeps its list in its closure
        maker = getattr(item, "funcargs", {}).get("cluster_of")
        for cell in getattr(maker, "__closure__", None) or ():
            for value in cell.cell_contents if isinstance(cell.cell_contents, list) else ():
                _attach(report, value)
    return report


def _attach(report: pytest.TestReport, cluster: Cluster) -> None:
    for n, process in cluster.processes.items():
        for name, lines in (("stdout", process.out), ("stderr", process.err)):
            text = "\n".join(lines.since(max(0, lines.position() - 25)))
            report.sections.append((f"node {n} {name} (last lines)", text))
