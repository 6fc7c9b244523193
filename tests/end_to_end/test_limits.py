"""DNS cookies of one node at another, the roll-over of their secret, limits with four workers."""

import contextlib
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import pytest

from .cluster import Cluster
from .conftest import ClusterOf
from .test_backup import command, of_node
from .test_tls import TLS, make_certificates
from .waiting import eventually

CLIENT_COOKIE = b"clientck"
STRICT = {"rate_limit": {"answers_per_s": 20, "exempt": ["127.0.0.1"]}}
"""The address from which the harness asks has no limits."""


def ask(port: int, cookie: bytes, address: str = "127.0.0.1") -> dns.message.Message:
    """Return the reply to a query with the COOKIE option *cookie*, sent from *address*."""
    options = [dns.edns.GenericOption(10, cookie)]
    query = dns.message.make_query("example.com", "MX", use_edns=0, options=options)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((address, 0))
        udp.settimeout(5)
        udp.connect(("127.0.0.1", port))
        udp.send(query.to_wire())
        return dns.message.from_wire(udp.recv(4096))


def learn(cluster: Cluster, n: int, address: str = "127.0.0.1") -> bytes:
    """Return the cookie of node *n*, once it makes some."""

    def cookie() -> bytes:
        options = ask(cluster.ports[n], CLIENT_COOKIE, address).options
        return options[0].to_wire() if options else b""

    return eventually(cookie, 20, f"node {n} to answer with a cookie", ignore=(TimeoutError,))


def is_good(cluster: Cluster, n: int, cookie: bytes, address: str = "127.0.0.1") -> bool:
    """Whether node *n* finds *cookie* good: by the counter of such."""
    before = good(cluster, n)
    ask(cluster.ports[n], cookie, address)
    return good(cluster, n) == before + 1


def good(cluster: Cluster, n: int) -> int:
    match = re.search(r"good (\d+)", cluster.status(n)["cookies"])
    assert match
    return int(match[1])


def queries(cluster: Cluster, n: int) -> int:
    """How many queries the workers of node *n* have taken."""
    rows = [text for name, text in cluster.status(n).items() if name.startswith("worker ")]
    return sum(int(re.findall(r"queries (\d+)", row)[0]) for row in rows)


@pytest.mark.parametrize("is_tls", [False, True])
def test_the_cookie_of_one_node_is_good_at_the_others(
    cluster_of: ClusterOf, tmp_path: Path, is_tls: bool
) -> None:
    if is_tls:
        make_certificates(tmp_path / "cluster")
    cluster = cluster_of(settings=TLS if is_tls else None)
    cluster.start_all()
    for n in cluster.ports:
        learn(cluster, n)
    cookie = learn(cluster, 0)
    for n in cluster.ports:
        assert is_good(cluster, n, cookie)
        assert not is_good(cluster, n, CLIENT_COOKIE + bytes(16))
        keys = cluster.data_dir(n) / "cluster.keys"
        assert keys.stat().st_mode & 0o777 == 0o600
        assert keys.read_bytes() == (cluster.data_dir(0) / "cluster.keys").read_bytes()


def test_a_roll_over_is_noticed_by_no_client_and_survives_a_restart(cluster_of: ClusterOf) -> None:
    cluster = cluster_of()
    cluster.start_all()
    for n in cluster.ports:
        learn(cluster, n)
    cookie = learn(cluster, 1)
    assert cluster.console(2, "ROLL-COOKIES")[-1].startswith("OK")
    assert cluster.console(0, "ROLL-COOKIES")[-1].startswith("REFUSED")
    for n in cluster.ports:
        eventually(lambda: is_good(cluster, n, cookie), 10, "the old cookie to be good")  # noqa: B023
    cluster.restart_hard(1)
    learn(cluster, 1)
    assert is_good(cluster, 1, cookie)
    assert cluster.console(2, "ROLL-COOKIES now")[-1].startswith("OK")
    for n in cluster.ports:
        eventually(lambda: not is_good(cluster, n, cookie), 10, "the old cookie to end")  # noqa: B023
    cookie = learn(cluster, 0)
    for n in cluster.ports:
        eventually(lambda: is_good(cluster, n, cookie), 10, "the new cookie to be good")  # noqa: B023
    history = cluster.done(0, "HISTORY").lines
    assert sum("dns-node/cookie-secrets: renewed (sealed)" in line for line in history) == 3


def test_a_wiped_node_gets_the_key_again_and_a_restored_cluster_makes_a_new_one(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    cluster = cluster_of("old")
    cluster.start_all()
    cookie = learn(cluster, 0)
    learn(cluster, 2)
    cluster.down(2)
    shutil.rmtree(cluster.data_dir(2))
    cluster.restart(2)
    learn(cluster, 2)
    assert is_good(cluster, 2, cookie)
    # A backup holds the secret sealed, and never the key.
    file = tmp_path / "backup"
    command(cluster, "backup", str(file), *of_node(cluster, 0))
    (key,) = re.findall(rb"^[0-9a-f]{64}$", (cluster.data_dir(0) / "cluster.keys").read_bytes(),
                        re.MULTILINE)  # fmt: skip
    octets = file.read_bytes()
    assert b"dns-node/cookie-secrets" in octets
    assert key not in octets and bytes.fromhex(key.decode()) not in octets
    new = cluster_of("new", nodes=1)
    command(new, "restore", str(file), *of_node(new, 0))
    new.start(0, zones=[])
    new.wait_ready(0)
    learn(new, 0)
    assert not is_good(new, 0, cookie)
    assert is_good(new, 0, learn(new, 0))


def test_users_can_not_touch_the_secret_and_no_text_shows_it(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    learn(cluster, 0)
    for line in ("KV SET dns-node/x y", "KV DEL dns-node/cookie-secrets",
                 "KV GET dns-node/cookie-secrets"):  # fmt: skip
        assert cluster.say(0, *line.split()).status == 1
    texts = "\n".join(cluster.done(0, verb).out for verb in ("STATUS", "HISTORY", "MEMBERS"))
    assert "v1." not in texts


def test_a_worker_that_is_restarted_and_one_without_its_node_know_the_secret(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    cookie = learn(cluster, 0)
    cluster.kill(0, which="worker")
    eventually(
        lambda: ask(cluster.ports[0], cookie).options[0].to_wire() == cookie,
        10, "the new worker to echo the cookie", ignore=(OSError,),
    )  # fmt: skip
    cluster.kill(0, which="node")
    assert ask(cluster.ports[0], cookie).options[0].to_wire() == cookie


@pytest.mark.skipif(shutil.which("kdig") is None, reason="kdig is not installed")
def test_kdig_with_cookies(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    learn(cluster, 0)
    command = ["kdig", "+cookie", "-p", str(cluster.ports[0]), "@127.0.0.1", "example.com", "MX"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    assert "status: NOERROR" in text and "mx1.example.com." in text
    assert re.search(r"COOKIE: [0-9A-F]{16}01000000[0-9A-F]{24}", text), text


def test_four_workers_hold_one_limit_and_the_log_says_who_is_limited(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1, workers=4, settings=STRICT)
    cluster.start_all()
    cookie = learn(cluster, 0, "127.0.9.1")
    query = dns.message.make_query("example.com", "MX").to_wire()
    sockets = []
    for _ in range(64):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.8.8", 0))
        udp.connect(("127.0.0.1", cluster.ports[0]))
        udp.settimeout(0.25)
        sockets.append(udp)
    began_s = time.monotonic()
    replies: list[bytes] = []
    for _ in range(8):
        for udp in sockets:
            udp.send(query)
        with contextlib.suppress(TimeoutError):
            replies.append(sockets[0].recv(4096))
    eventually(lambda: queries(cluster, 0) >= 512, 20, "all queries to be taken")
    took_s = time.monotonic() - began_s
    for udp in sockets:
        with contextlib.suppress(TimeoutError):
            while True:
                udp.settimeout(0.05)
                replies.append(udp.recv(4096))
    whole = sum(reply[2] & 2 == 0 for reply in replies)
    assert 10 <= whole <= 20 * (1 + took_s) * 1.2 + 5
    # The others are served: those of another netblock, with a cookie, over TCP.
    assert ask(cluster.ports[0], CLIENT_COOKIE, "127.0.7.7").answer
    for _ in range(60):
        assert ask(cluster.ports[0], cookie, "127.0.9.1").answer
        with socket.socket() as tcp:
            tcp.bind(("127.0.8.8", 0))
            tcp.settimeout(5)
            tcp.connect(("127.0.0.1", cluster.ports[0]))
            dns.query.send_tcp(tcp, query)
            assert dns.query.receive_tcp(tcp)[0].answer
    for udp in sockets:
        udp.close()
    line = r"rate limit: 127\.0\.8\.0/24 is limited: too many answers about example\.com\."
    cluster.processes[0].err.wait_for(line, deadline_s=10)
    limits = cluster.status(0)["rate limit"]
    match = re.fullmatch(r"mode on, dropped (\d+), replaced (\d+), noted 0", limits)
    assert match and int(match[1]) + int(match[2]) == 512 - whole
