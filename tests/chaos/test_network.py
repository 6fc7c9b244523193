"""The faults of the network do what they say, in the direction they say it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.chaos.cleanup import Cleanup
from tests.chaos.network import RAFT_PORT, CannotRun, Network

LISTEN = """
import socket, sys, threading
def echo(link):
    try:
        while data := link.recv(99):
            link.sendall(data)
    except OSError:
        pass
own = (sys.argv[1], int(sys.argv[2]))
tcp = socket.create_server(own)
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(own)
print("ready", flush=True)
if sys.argv[3] == "udp":
    while True:
        print(udp.recv(99).decode(), flush=True)
while True:
    link, (peer, _) = tcp.accept()
    print(peer, flush=True)
    threading.Thread(target=echo, args=(link,), daemon=True).start()
"""
SEND = """
import socket, sys
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
"""
TALK = """
import socket, sys
link = socket.create_connection((sys.argv[1], int(sys.argv[2])), 9)
print("connected", flush=True)
for line in sys.stdin:
    try:
        link.sendall(line.encode())
        print(link.recv(99).decode().strip() or "closed", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""
Process = subprocess.Popen[str]


@pytest.fixture()
def network() -> Iterator[Network]:
    """Two namespaces for one test."""
    with Cleanup() as cleanup:
        try:
            made = Network(2, cleanup)
        except CannotRun as error:
            pytest.skip(str(error))
        yield made
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    assert f"ch{made.tag}" not in links


class Programs:
    """Starts programs in namespaces and ends them."""

    def __init__(self, network: Network):
        self._network = network
        self.started: list[Process] = []

    def start(self, n: int, program: str, *words: object) -> Process:
        command = [*self._network.inside(n), sys.executable, "-c", program, *map(str, words)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.started.append(process)
        return process


@pytest.fixture()
def programs(network: Network) -> Iterator[Programs]:
    made = Programs(network)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def said(process: Process) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def tell(process: Process, line: str) -> str:
    assert process.stdin
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return said(process)


def test_packets_are_lost_in_one_direction_until_it_heals(
    network: Network, programs: Programs
) -> None:
    listening = []
    for n in network.nodes:
        listening.append(programs.start(n, LISTEN, network.address(n), RAFT_PORT, "udp"))
        assert said(listening[n]) == "ready"

    def send(sender: int, text: str) -> None:
        words = (network.address(1 - sender), RAFT_PORT, text)
        assert programs.start(sender, SEND, *words).wait(10) == 0

    network.lose(0, 1)
    send(0, "lost")
    send(1, "heard")
    assert said(listening[0]) == "heard"
    network.heal()
    send(0, "healed")
    assert said(listening[1]) == "healed"


def test_connections_between_nodes_are_led_over_the_relay_and_back(
    network: Network, programs: Programs
) -> None:
    listening = programs.start(1, LISTEN, network.address(1), RAFT_PORT, "tcp")
    assert said(listening) == "ready"

    def connect() -> Process:
        talking = programs.start(0, TALK, network.address(1), RAFT_PORT)
        assert said(talking) == "connected"
        return talking

    direct = connect()
    assert said(listening) == network.address(0)
    assert tell(direct, "direct") == "direct"
    network.relay(20, "seed")
    assert tell(direct, "cut") in ("ConnectionResetError", "closed")
    relayed = connect()
    assert said(listening) == network.client_address
    assert tell(relayed, "relayed") == "relayed"
    network.heal()
    assert tell(relayed, "over") in ("ConnectionResetError", "BrokenPipeError", "closed")
    again = connect()
    assert said(listening) == network.address(0)
    assert tell(again, "direct") == "direct"
