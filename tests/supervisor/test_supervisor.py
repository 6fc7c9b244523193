"""The supervisor: it starts, relays, restarts and stops (DESIGN section 2)."""

import os
import signal
import socket
from pathlib import Path

from .conftest import Supervised, ask, eventually, is_alive


def test_workers_start_only_when_the_node_says_that_it_serves(supervised: Supervised) -> None:
    supervised.start()
    supervised.wait("node")
    assert supervised.events("worker") == []
    port = supervised.serve()
    assert ask(port, 5.0) in (b"0", b"1")


def test_workers_start_at_once_when_there_is_a_store(supervised: Supervised) -> None:
    (supervised.folder / "data" / "store").mkdir(parents=True)
    (supervised.folder / "data" / "store" / "CURRENT").write_text("1\n")
    supervised.start()
    supervised.wait("worker", count=2)


def test_the_node_has_stdin_and_the_group_and_workers_have_their_own(
    supervised: Supervised,
) -> None:
    supervised.start()
    supervised.serve()
    node = supervised.wait("node")[0]
    assert node["group"] == os.getpgid(supervised.pid)
    assert "pipe" in node["stdin"]
    groups = {event["group"] for event in supervised.wait("worker", count=2)}
    assert len(groups) == 2 and node["group"] not in groups


def test_children_are_told_what_they_inherit(supervised: Supervised) -> None:
    supervised.start(worker_settings={"a": 1}, arguments={"silent": True})
    port = supervised.serve()
    start = supervised.wait("worker", worker=1)[0]["start"]
    assert start["udp"][0] | {"fd": 0} == {
        "fd": 0, "address": "127.0.0.1", "port": port, "wildcard": False}  # fmt: skip
    assert start["tcp"][0]["port"] == port
    assert start["settings"] == {"a": 1}
    assert start["store"] == str(supervised.folder / "data" / "store")
    node = supervised.wait("node")[0]["start"]
    assert node["arguments"] == {"silent": True} and len(node["workers"]) == 2


def test_a_dead_worker_is_started_again_at_once_with_its_sockets(supervised: Supervised) -> None:
    supervised.start()
    port = supervised.serve()
    first = supervised.wait("worker", worker=0)[0]
    os.kill(first["pid"], signal.SIGKILL)
    second = supervised.wait("worker", count=2, worker=0)[1]
    assert second["start"]["udp"][0]["fd"] == first["start"]["udp"][0]["fd"]
    supervised.wait("node-message", count=4)
    states = [event["message"].get("state") for event in supervised.events("node-message")]
    assert states.count("ended") == 1 and states.count("started") == 3
    assert ask(port, 5.0) is not None


def test_after_a_second_death_the_sockets_are_closed_until_the_worker_runs_again(
    supervised: Supervised,
) -> None:
    supervised.start()
    port = supervised.serve()
    supervised.touch("die-0")
    os.kill(supervised.wait("worker", worker=0)[0]["pid"], signal.SIGKILL)
    supervised.wait("worker", count=3, worker=0)
    # Between two starts of the dying worker its socket is closed: all answers come from the other.
    def only_the_other_answers() -> bool:
        return {ask(port, 0.2) for _ in range(12)} == {b"1"}
    eventually(only_the_other_answers, "the living worker to get all queries")
    (supervised.folder / "die-0").unlink()
    eventually(lambda: ask(port) == b"0", "the restarted worker to answer", 30)


def test_a_dead_node_is_started_again_and_workers_live_on_with_a_working_channel(
    supervised: Supervised,
) -> None:
    supervised.start()
    supervised.serve()
    workers = {event["pid"] for event in supervised.wait("worker", count=2)}
    os.kill(supervised.wait("node")[0]["pid"], signal.SIGKILL)
    second = supervised.wait("node", count=2)[1]["pid"]
    for number in (0, 1):
        supervised.wait("worker-message", worker=number, message={"hello": second})
    assert {event["pid"] for event in supervised.events("worker")} == workers


def test_the_node_may_have_a_worker_replaced(supervised: Supervised) -> None:
    supervised.start()
    supervised.serve()
    supervised.touch("replace")
    supervised.wait("worker", count=2, worker=0)


def test_kill_9_of_the_supervisor_leaves_nothing_and_the_next_one_starts(
    supervised: Supervised,
) -> None:
    supervised.start()
    supervised.serve()
    os.kill(supervised.pid, signal.SIGKILL)
    old = supervised.pids()
    assert supervised.popen is not None
    supervised.popen.communicate(timeout=10)
    supervised.start()
    supervised.wait("node", count=2)
    assert not any(is_alive(pid) for pid in old)


def test_sigterm_stops_the_node_first_and_then_everything_with_status_0(
    supervised: Supervised,
) -> None:
    supervised.start()
    supervised.serve()
    os.kill(supervised.pid, signal.SIGTERM)
    assert supervised.end()[0] == 0
    assert supervised.events("node-signal", signal="TERM")
    assert supervised.events("supervisor-end")[0]["heavy"] == []
    assert not any(is_alive(pid) for pid in supervised.pids())


def test_sighup_reaches_the_node(supervised: Supervised) -> None:
    supervised.start()
    supervised.serve()
    os.kill(supervised.pid, signal.SIGHUP)
    supervised.wait("node-signal", signal="HUP")


def test_the_nodes_own_end_ends_everything_with_its_status(supervised: Supervised) -> None:
    supervised.start()
    supervised.serve()
    supervised.touch("exit", "78")
    assert supervised.end()[0] == 78


def test_a_node_that_fails_is_started_again_and_that_is_said(supervised: Supervised) -> None:
    supervised.start()
    supervised.wait("node")
    supervised.touch("exit", "1")
    supervised.wait("node", count=3)
    (supervised.folder / "exit").unlink()
    os.kill(supervised.pid, signal.SIGTERM)
    status, err = supervised.end()
    assert status == 0 and "exit status 1" in err


def test_a_second_supervisor_on_the_same_data_directory_is_told_who_holds_it(
    supervised: Supervised, tmp_path: Path,
) -> None:
    supervised.start()
    supervised.serve()
    second = Supervised(tmp_path).start()
    status, err = second.end()
    assert status == 1 and f"process {supervised.pid}" in err


def test_an_occupied_port_is_one_clear_error(supervised: Supervised) -> None:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                holder.listen()
            port = holder.getsockname()[1]
            status, err = supervised.start(addresses=[["127.0.0.1", port]]).end()
        assert status == 1
        assert err.strip().count("\n") == 0, err
        assert f"127.0.0.1:{port}" in err and "ss -lunp" in err
