"""Temporary records: timed until every other node has them, and never left behind."""

import socket

import pytest
from propagation import NotAcknowledged, measure_propagation
from test_metrics_query_load import nameserver, positive


class StandIn:
    """A node's console verbs: acknowledges at once, keeps the names that are there."""

    def __init__(self, status: int = 0):
        self.names: set[str] = set()
        self.status = status
        self._near, self._far = socket.socketpair()

    def fileno(self) -> int:
        return self._near.fileno()

    def send(self, line: str) -> None:
        verb, name = line.split()[:2]
        if not self.status:
            (self.names.add if verb == "ADD:" else self.names.discard)(name)
        self._far.send(b"x")

    def receive(self) -> tuple[int, str] | None:
        self._near.recv(1)
        return self.status, "REFUSED for a test" if self.status else "OK"

    def run(self, line: str) -> tuple[int, str]:
        self.send(line)
        reply = self.receive()
        assert reply
        return reply

    def close(self) -> None:
        self._near.close()
        self._far.close()


def test_every_round_is_timed_at_every_node_and_leaves_nothing() -> None:
    control = StandIn()
    with nameserver(positive) as one, nameserver(positive) as two:
        shares: list[float] = []
        found = measure_propagation(
            control, {"1": one, "2": two}, "example.com.", 4, "tag", shares.append
        )
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert len(found.acknowledged_ms) == 4
    assert {node: len(times) for node, times in found.visible_ms.items()} == {"1": 4, "2": 4}
    assert all(time >= 0 for times in found.visible_ms.values() for time in times)
    assert control.names == set()
    control.close()


def test_a_refused_record_ends_it_with_the_reply_of_the_node() -> None:
    control = StandIn(status=1)
    with nameserver(positive) as one, pytest.raises(NotAcknowledged, match="for a test"):
        measure_propagation(control, {"1": one}, "example.com.", 1, "tag")
    control.close()


@pytest.mark.parametrize("moment", ["before the reply", "between rounds"])
def test_ctrl_c_at_any_moment_leaves_nothing_behind(moment: str) -> None:
    control = StandIn()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if moment == "before the reply":
        plain, control.receive = control.receive, interrupt  # type: ignore[method-assign]
        control.run = lambda line: (control.send(line), plain())[1]  # type: ignore
        on_progress = lambda share: None  # noqa: E731
    else:
        on_progress = interrupt
    with nameserver(positive) as one, pytest.raises(KeyboardInterrupt):
        measure_propagation(control, {"1": one}, "example.com.", 3, "tag", on_progress)
    assert control.names == set()
    control.close()
