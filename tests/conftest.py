"""What holds for all tests.

A test that needs root or a tool is skipped where they are missing, but not in CI: there nobody
would see that it was not run. What the kernel itself lacks ("this kernel ...") nobody can
install.

A module leaves no thread behind: one that went on would read from whatever gets the numbers of
its closed sockets.

Hypothesis judges no times: they are those of a machine that does other things too."""

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "dns-node", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("dns-node")

NOT_SKIPPED_IN_CI = (
    "tests/backup/", "tests/chaos/", "tests/end_to_end/", "tests/rpl/", "tests/supervisor/",
)  # fmt: skip
WITH_PROCESSES = (
    *NOT_SKIPPED_IN_CI, "tests/metrics/", "tests/net/", "tests/query_tool/", "tests/test_",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what starts no processes come first: it is soon done, and needs no quiet machine."""
    items.sort(key=lambda item: item.nodeid.startswith(WITH_PROCESSES))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """Let a skipped test fail in CI (`CI=true`), for the reason that it was skipped for."""
    report = yield
    is_demanded = os.environ.get("CI") == "true" and item.nodeid.startswith(NOT_SKIPPED_IN_CI)
    if report.skipped and is_demanded and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if "this kernel" in str(reason):
            return report
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not be skipped in CI: {reason}"
    return report


@pytest.fixture(scope="module", autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Fail a module whose threads are still there 5 seconds after its last test."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread.name for thread in left if thread.is_alive()]
