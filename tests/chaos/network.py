"""Namespaces with a cable each to one bridge, and the cables that fail: nft rules inside them."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.chaos.cleanup import Cleanup


class CannotRun(Exception):
    """This machine can't make network namespaces with packet filters; the text says why."""


def run(*words: str, text: str | None = None) -> str:
    """Run a command, *text* on its standard input; return its output; CannotRun when it fails."""
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=20)
    except OSError as error:
        raise CannotRun(f"{words[0]}: {error.strerror}") from None
    if done.returncode:
        raise CannotRun(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Network:
    """One namespace per node on a bridge at which the clients sit; `close` removes everything.

    Filters are kept per receiving node: what it drops of packets that come from another node.
    Clients are never cut off, so that a node in a partition can still be asked.
    """

    def __init__(self, nodes: int, cleanup: Cleanup):
        self._cleanup = cleanup
        self._tag = f"{os.getpid() % 65_536:04x}"
        self._subnet = free_subnet()
        self.nodes = range(nodes)
        self._lost: dict[tuple[int, int], int] = {}
        self._make()

    def namespace(self, n: int) -> str:
        """Return the name of node *n*'s namespace."""
        return f"chaos-{self._tag}-{n}"

    def address(self, n: int) -> str:
        """Return node *n*'s IPv4 address."""
        return f"{self._subnet}.{n + 1}"

    @property
    def client_address(self) -> str:
        """The address that the clients come from."""
        return f"{self._subnet}.254"

    def _make(self) -> None:
        if os.geteuid() != 0:
            raise CannotRun("network namespaces take root")
        for tool in ("ip", "nft"):
            if shutil.which(tool) is None:
                raise CannotRun(f"there is no {tool} here (Debian: iproute2, nftables)")
        bridge = f"chaos{self._tag}"
        run("ip", "link", "add", bridge, "type", "bridge")
        self._cleanup.later(run, "ip", "link", "del", bridge)
        run("ip", "addr", "add", f"{self.client_address}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for n in self.nodes:
            space, cable = self.namespace(n), f"ch{self._tag}v{n}"
            run("ip", "netns", "add", space)
            self._cleanup.later(run, "ip", "netns", "del", space)
            run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "link", "set", cable, "master", bridge, "up")
            inside = ("ip", "-n", space)
            run(*inside, "addr", "add", f"{self.address(n)}/24", "dev", "eth0")
            run(*inside, "link", "set", "lo", "up")
            run(*inside, "link", "set", "eth0", "up")
            self._filter(n)

    def lose(self, sender: int, receiver: int, percent: int = 100) -> None:
        """Let *percent* of what *sender* sends to *receiver* get lost from now on."""
        self._lost[sender, receiver] = percent
        self._filter(receiver)

    def heal(self) -> None:
        """Let everything through again."""
        self._lost.clear()
        for n in self.nodes:
            self._filter(n)

    def _filter(self, n: int) -> None:
        rules = []
        for (sender, receiver), percent in self._lost.items():
            if receiver == n:
                chance = "" if percent >= 100 else f"numgen random mod 100 < {percent} "
                rules.append(f"ip saddr {self.address(sender)} {chance}drop")
        run(
            "ip", "netns", "exec", self.namespace(n), "nft", "-f", "-",
            text="table ip chaos\ndelete table ip chaos\ntable ip chaos { chain in {\n"
            "type filter hook input priority 0; policy accept;\n" + "\n".join(rules) + "\n}\n}\n",
        )  # fmt: skip


def free_subnet() -> str:
    """Return the first three octets of a network that no route here leads to."""
    routes = Path("/proc/net/route").read_text().split("\n")[1:]
    taken = {bytes.fromhex(line.split()[1])[::-1][:3] for line in routes if line.strip()}
    for third in range(1, 255):
        if bytes((10, 213, third)) not in taken:
            return f"10.213.{third}"
    raise CannotRun("no free network below 10.213.0.0/16")
