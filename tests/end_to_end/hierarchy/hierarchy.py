"""The whole: zone files, real servers, odd servers, in one place."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query

from . import plan, servers
from .namespace import Namespace
from .odd import Behaviour, Entry
from .place import Place
from .zone_files import ZoneFiles

START_MAX_S = 20.0
_REPOSITORY = Path(__file__).resolve().parents[3]

_WAYS = {
    plan.SLOW: ((), 0.4),
    plan.REFUSING: (("refuses",), 0.0),
    plan.UPWARD: (("refers-upward",), 0.0),
    plan.LIAR: (("lies",), 0.0),
    plan.SHORT: (("truncates",), 0.0),
    plan.NO_EDNS: (("no-edns",), 0.0),
    plan.DEAF_TO_EDNS: (("deaf-to-edns",), 0.0),
    plan.FOLDING: (("folds-case",), 0.0),
    plan.CRAWLING: ((), 1.0),
    plan.FAST_RESOLVER: (("resolves",), 0.02),
    plan.SLOW_RESOLVER: (("resolves",), 0.8),
    plan.FAILING_RESOLVER: (("fails",), 0.0),
}


class Hierarchy:
    """Started by its constructor; `stop` ends it.

    With a *namespace* all of it is there, at port 53; without one it is on 127.53.0.0/24 at a port
    of one's own.
    """

    def __init__(self, folder: Path, place: Place, namespace: Namespace | None = None):
        self.folder = folder
        self.place = place
        self.namespace = namespace
        self._control = folder / "odd.socket"
        self.files = ZoneFiles(folder / "zones", place)
        self.servers: list[servers.RealServer] = []
        self._odd: subprocess.Popen[bytes] | None = None
        if namespace is not None:
            for host in (*(h for hosts in plan.REAL_HOSTS.values() for h in hosts),
                         *plan.ODD_HOSTS, plan.NOBODY):  # fmt: skip
                for address in place.addresses(host):
                    namespace.add(address)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before a command that is to reach it."""
        return self.namespace.prefix if self.namespace else ()

    def _start(self) -> None:
        self.files.write()
        self.servers = servers.start_all(self.files, self.folder / "servers", self.prefix)
        self._start_odd()
        end_s = time.monotonic() + START_MAX_S
        for server in self.servers:
            apex = servers.zones_of(server.host)[0].apex
            while not self._answers(server.host, apex):
                if why := server.why_ended():
                    raise OSError(f"{server.kind} of host {server.host}: {why}")
                if time.monotonic() > end_s:
                    raise OSError(f"{server.kind} of host {server.host} does not answer")
                time.sleep(0.02)

    def _start_odd(self) -> None:
        behaviours = []
        for host in plan.ODD_HOSTS:
            ways, delay_s = _WAYS.get(host, ((), 0.0))
            zones = {zone.apex: str(self.files.path(zone)) for zone in servers.zones_of(host)}
            behaviours += [
                Behaviour(address, ways, zones, delay_s, host == plan.SILENT)
                for address in self.place.addresses(host)
            ]
        path = self.folder / "odd.json"
        path.write_text(json.dumps({
            "servers": [dataclasses.asdict(one) for one in behaviours],
            "port": self.place.port, "control": str(self._control),
        }))  # fmt: skip
        self._odd = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", f"{__package__}.odd", str(path)],
            cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=str(_REPOSITORY)),
            start_new_session=True,
        )  # fmt: skip
        assert self._odd.stdout
        if self._odd.stdout.readline() != b"ready\n":
            raise OSError("the odd servers did not start")

    def _answers(self, host: int, apex: str) -> bool:
        query = dns.message.make_query(apex, "SOA")
        try:
            reply = self.ask(host, query, timeout_s=0.3)
        except (OSError, dns.exception.DNSException):
            return False
        return bool(reply.answer)

    def ask(
        self, host: int, query: dns.message.Message, timeout_s: float = 2.0
    ) -> dns.message.Message:
        """Return the reply of *host* over UDP; raises dns.exception.Timeout."""
        address = self.place.address(host)
        with self.socket() as asker:
            asker.setblocking(False)
            return dns.query.udp(
                query, address, timeout=timeout_s, port=self.place.port, sock=asker,
                ignore_unexpected=True,
            )  # fmt: skip

    def socket(self, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """Return an IPv4 socket that reaches it."""
        if self.namespace:
            return self.namespace.socket(kind=kind)
        return socket.socket(socket.AF_INET, kind)

    def run(self, *words: str, timeout_s: float = 20.0) -> str:
        """Return what a command says that can reach it."""
        done = subprocess.run(
            [*self.prefix, *words], capture_output=True, text=True, timeout=timeout_s
        )
        return done.stdout + done.stderr

    # What the odd servers saw and do.

    def log(self, *, host: int | None = None, wanted: Callable[[Entry], bool] | None = None
            ) -> list[Entry]:  # fmt: skip
        """Return the queries that odd servers got, of *host* alone if given, oldest first."""
        entries = [Entry(**one) for one in self._tell(do="log")]  # type: ignore[attr-defined]
        if host is not None:
            own = self.place.addresses(host)
            entries = [entry for entry in entries if entry.address in own]
        return [entry for entry in entries if wanted is None or wanted(entry)]

    def forget(self) -> None:
        """Empty the log of the odd servers, and their highest numbers in flight."""
        self._tell(do="forget")

    def in_flight(self, host: int) -> tuple[int, int]:
        """Return how many queries *host* has not answered now, and at most so far."""
        told = self._tell(do="in-flight")
        addresses = self.place.addresses(host)
        now, most = (
            sum(told[key].get(address, 0) for address in addresses)  # type: ignore[index]
            for key in ("now", "max")
        )
        return now, most

    def change(self, host: int, **wishes: object) -> None:
        """Let the odd server *host* behave otherwise: delay_s, is_silent, ways."""
        for address in self.place.addresses(host):
            self._tell(do="set", address=address, **wishes)

    def _tell(self, **wish: object) -> object:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self._control))
            connection.sendall(json.dumps(wish).encode() + b"\n")
            with connection.makefile("rb") as file:
                return json.loads(file.readline())

    def stop(self) -> None:
        """End every server."""
        for server in self.servers:
            server.stop()
        if self._odd:
            assert self._odd.stdin
            self._odd.stdin.close()
            try:
                self._odd.wait(5)
            except subprocess.TimeoutExpired:
                self._odd.kill()
                self._odd.wait(5)

    def __enter__(self) -> "Hierarchy":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What a resolver needs.

    def hints(self) -> list[tuple[str, str]]:
        """Return name and address of the root servers."""
        found = [("a.root.", plan.ROOT_A), ("b.root.", plan.ROOT_B)]
        return [(name, self.place.address(host)) for name, host in found]

    def hints_file(self) -> Path:
        """Return the hints as a file, in master file format."""
        path = self.folder / "root.hints"
        path.write_text("".join(
            f". 3600000 NS {name}\n{name} 3600000 A {address}\n" for name, address in self.hints()
        ))  # fmt: skip
        return path

    def anchor_file(self) -> Path:
        """Return the trust anchor of the root as a file, in master file format."""
        path = self.folder / "root.anchor"
        path.write_text(self.files.trust_anchor() + "\n")
        return path

    def delv_anchor_file(self) -> Path:
        """Return the trust anchor of the root as a file for delv, in the words of named.conf."""
        path = self.folder / "delv.anchor"
        lines = []
        for line in self.files.trust_anchor().splitlines():
            tag, algorithm, kind, digest = line.split()[-4:]
            lines.append(f'"." static-ds {tag} {algorithm} {kind} "{digest}";')
        path.write_text(f"trust-anchors {{ {' '.join(lines)} }};\n")
        return path
