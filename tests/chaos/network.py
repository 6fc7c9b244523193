"""Namespaces with a cable each to one bridge, and the cables that fail: nft rules inside them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.chaos import relay
from tests.chaos.cleanup import Cleanup

RAFT_PORT = 4321
TOOLS = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "mount": "mount",
         "mkfs.ext4": "e2fsprogs"}  # fmt: skip


class CannotRun(Exception):
    """This machine can't make network namespaces, packet filters or file systems; the text says
    why."""


def run(*words: str, text: str | None = None) -> str:
    """Run a command, *text* on its standard input; return its output; CannotRun when it fails."""
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=60)
    except OSError as error:
        raise CannotRun(f"{words[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{' '.join(words)}: no end within 60 s") from None
    if done.returncode:
        raise CannotRun(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def check_tools() -> None:
    """Raise CannotRun unless this is root with everything that a run needs."""
    if os.geteuid() != 0:
        raise CannotRun("network namespaces and file systems take root")
    for tool, package in TOOLS.items():
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise CannotRun(f"there is no {tool} here (Debian: {package})")


class Network:
    """One namespace per node on a bridge at which the clients sit; *cleanup* removes everything.

    Filters are kept per receiving node: what it drops of packets that come from another node.
    Clients are never cut off, so that a node in a partition can still be asked.
    """

    def __init__(self, nodes: int, cleanup: Cleanup):
        check_tools()
        self._cleanup = cleanup
        self.tag = f"{os.getpid():x}"
        self._subnet = free_subnet()
        self.nodes = range(nodes)
        self._lost: dict[tuple[int, int], int] = {}
        self._relay: subprocess.Popen[str] | None = None
        self._make()

    def namespace(self, n: int) -> str:
        """Return the name of node *n*'s namespace."""
        return f"chaos-{self.tag}-{n}"

    def inside(self, n: int) -> tuple[str, ...]:
        """Return the words that run a command with node *n*'s network and nothing else of its own:
        `ip netns exec` would keep copies of the mounts, and a disk could not be unmounted."""
        return ("nsenter", f"--net=/run/netns/{self.namespace(n)}")

    def address(self, n: int) -> str:
        """Return node *n*'s IPv4 address."""
        return f"{self._subnet}.{n + 1}"

    @property
    def client_address(self) -> str:
        """The address that the clients come from."""
        return f"{self._subnet}.254"

    def _make(self) -> None:
        bridge = f"ch{self.tag}"
        run("ip", "link", "add", bridge, "type", "bridge")
        self._cleanup.later(run, "ip", "link", "del", bridge)
        run("ip", "addr", "add", f"{self.client_address}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for n in self.nodes:
            space, cable = self.namespace(n), f"ch{self.tag}v{n}"
            run("ip", "netns", "add", space)
            self._cleanup.later(run, "ip", "netns", "del", space)
            run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "link", "set", cable, "master", bridge, "up")
            inside = ("ip", "-n", space)
            # With its namespace it would go too, but some time later.
            self._cleanup.later(run, "ip", "link", "del", cable)
            run(*inside, "addr", "add", f"{self.address(n)}/24", "dev", "eth0")
            run(*inside, "link", "set", "lo", "up")
            run(*inside, "link", "set", "eth0", "up")
            self._filter(n)
        self._cleanup.later(self._end_relay)

    def lose(self, sender: int, receiver: int, percent: int = 100) -> None:
        """Let *percent* of what *sender* sends to *receiver* get lost from now on."""
        self._lost[sender, receiver] = percent
        self._filter(receiver)

    def relay(self, delay_ms: int, seed: str) -> None:
        """Lead all that nodes say to each other over a relay that delays it by up to *delay_ms*;
        the connections of before end."""
        words = [sys.executable, relay.__file__, self.client_address, self._subnet,
                 str(len(self.nodes)), str(RAFT_PORT), str(delay_ms), seed]  # fmt: skip
        self._relay = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._relay.stdout
        assert self._relay.stdout.readline() == "ready\n", "the relay does not start"
        for n in self.nodes:
            self._filter(n)

    def heal(self) -> None:
        """Let everything through again, at once and directly."""
        self._lost.clear()
        self._end_relay()
        for n in self.nodes:
            self._filter(n)

    def _end_relay(self) -> None:
        if self._relay is not None:
            self._relay.kill()
            self._relay.communicate()
            self._relay = None

    def _filter(self, n: int) -> None:
        others = [m for m in self.nodes if m != n]
        rules, turns = [], []
        for (sender, receiver), percent in self._lost.items():
            if receiver == n:
                chance = "" if percent >= 100 else f"numgen random mod 100 < {percent} "
                rules.append(f"ip saddr {self.address(sender)} {chance}drop")
        if self._relay is not None:
            rules += ["ct status dnat accept", "tcp flags & rst == rst accept"]
            for m in others:
                turns.append(
                    f"ip daddr {self.address(m)} tcp dport {RAFT_PORT} "
                    f"dnat to {self.client_address}:{relay.port_of(n, m)}"
                )
                rules += [
                    f"ip saddr {self.address(m)} tcp {port} {RAFT_PORT} reject with tcp reset"
                    for port in ("sport", "dport")
                ]
        chains = [
            "chain in { type filter hook input priority 0; policy accept;", *rules, "}",
            "chain out { type nat hook output priority -100; policy accept;", *turns, "}",
        ]  # fmt: skip
        table = "\n".join(("table ip chaos", "delete table ip chaos", "table ip chaos {", *chains))
        run(*self.inside(n), "nft", "-f", "-", text=f"{table}\n}}\n")


def free_subnet() -> str:
    """Return the first three octets of a network that no route here leads to."""
    routes = Path("/proc/net/route").read_text().split("\n")[1:]
    taken = {bytes.fromhex(line.split()[1])[::-1][:3] for line in routes if line.strip()}
    for third in range(1, 255):
        if bytes((10, 213, third)) not in taken:
            return f"10.213.{third}"
    raise CannotRun("no free network below 10.213.0.0/16")
