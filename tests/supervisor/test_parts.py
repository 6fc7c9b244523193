"""The supervisor's parts."""

import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.errors import InputError
from dns_node.net.sockets import bind_worker, settle
from dns_node.sd_notify import notify, watchdog_interval_s
from dns_node.supervise import data_directory, pipe
from dns_node.supervise.child import DELAY_S_MAX, RestartPlan


def test_the_first_death_restarts_at_once_the_second_within_ten_seconds_waits() -> None:
    plan = RestartPlan()
    plan.on_start(0.0)
    assert plan.on_death(100.0) == 0.0 and not plan.is_failing
    plan.on_start(100.0)
    assert plan.on_death(105.0) > 0.0 and plan.is_failing
    plan.on_start(106.0)
    assert plan.on_death(120.0) == 0.0 and not plan.is_failing


@given(st.lists(st.floats(0, 100), max_size=2000))
def test_no_row_of_deaths_waits_longer_than_the_longest_delay(lives_s: list[float]) -> None:
    plan, now_s = RestartPlan(), 0.0
    for life_s in lives_s:
        plan.on_start(now_s)
        now_s += life_s
        assert 0.0 <= plan.on_death(now_s) <= DELAY_S_MAX


def test_a_message_arrives_whole_and_a_full_channel_drops_instead_of_blocking() -> None:
    pair = pipe.make_pair()
    assert pipe.send(pair.near, {"a": "x" * 1000})
    assert pipe.receive(pair.far) == {"a": "x" * 1000}
    while pipe.send(pair.near, {"b": "y" * 10000}):
        pass
    assert pipe.receive(pair.far) == {"b": "y" * 10000}
    pair.drain(pair.far)
    assert pipe.receive(pair.far) is None
    pair.near.close()
    pair.far.close()


def test_a_data_directory_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--data-dir"):
        data_directory.make(str(tmp_path / "file" / "data"), None)
    with pytest.raises(InputError, match="--data-dir"):
        data_directory.check_writable(str(tmp_path / "file"))


def test_a_new_data_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    data_directory.make(str(path), None)
    assert path.stat().st_mode & 0o777 == 0o700
    data_directory.check_writable(str(path))
    assert list(path.iterdir()) == []


def test_sockets_of_two_workers_share_the_port_and_tcp_does_not_listen_yet() -> None:
    ((host, port),) = settle((("127.0.0.1", 0),))
    first, second = bind_worker(((host, port),)), bind_worker(((host, port),))
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect((host, port))
    first.close()
    second.close()


def test_an_address_of_another_machine_and_an_occupied_port_are_told_together() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(InputError) as caught:
            settle((("192.0.2.1", 5300), ("127.0.0.1", port)))
    assert len(caught.value.problems) == 2


def test_ipv6_and_ipv4_wildcards_can_be_had_together() -> None:
    ((_, port),) = settle((("0.0.0.0", 0),))
    try:
        addresses = settle((("0.0.0.0", port), ("::", port)))
    except InputError:
        pytest.skip("no IPv6 here")
    sockets = bind_worker(addresses)
    assert [bound.description()["wildcard"] for bound in sockets.udp] == [True, True]
    sockets.close()


AS_ANOTHER = """
import os, socket, sys
from dns_node.supervise import privileges
from dns_node.net.sockets import bind_worker
privileges.become(privileges.find_user("nobody"))
first = bind_worker((("127.0.0.1", 1),))
second = bind_worker((("127.0.0.1", 1),))
first.close(); first = bind_worker((("127.0.0.1", 1),))
assert os.getuid() == os.geteuid() != 0
try: os.setuid(0)
except PermissionError: print("fine")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_after_becoming_another_user_low_ports_can_be_bound_again_and_root_is_gone() -> None:
    pwd.getpwnam("nobody")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", AS_ANOTHER], cwd=root, capture_output=True,
                          text=True, timeout=20)
    assert done.stdout == "fine\n", done.stderr


def test_sd_notify_sends_a_datagram_where_it_is_asked_to(tmp_path: Path) -> None:
    assert not notify("READY=1", {})
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        assert notify("READY=1", {"NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1"
    assert not notify("READY=1", {"NOTIFY_SOCKET": path})
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000"}) == 15.0
    assert watchdog_interval_s({}) is None
