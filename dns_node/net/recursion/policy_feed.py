"""The process that feeds policy zones: reads files, transfers zones, makes tables of them.

What it makes lies in the directory ``policy`` of the data directory, one table for each zone, put
there whole; the workers take it up by themselves (`policy_tables`).  A zone that can't be read or
refreshed leaves the last table as it is: a policy that is old is better than none.

Its start description (JSON in the environment, see `supervise.launch`)::

    {"parent": PID, "directory": "/…/policy", "node": "0", "log_level": "info",
     "log_format": "text", "store": "/…", "zones": [{"name": "rpz.example.", "file": "/…" or null,
     "primaries": [["192.0.2.1", 53], …], "tsig_key": "/…" or null, "refresh_max_s": 3600}, …]}
"""

import logging
import os
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.name
import dns.rdatatype
import dns.zone

from dns_node import logs
from dns_node.errors import DnsNodeError
from dns_node.net.recursion.policy_tables import table_path
from dns_node.net.recursion.policy_transfer import (
    Primary,
    TransferError,
    TsigKey,
    read_key,
    serial_at,
    transfer,
)
from dns_node.resolver.policy.rpz_rules import read_rules
from dns_node.resolver.policy.rpz_table import BadTable, Table, make_table
from dns_node.store.reader import Reader
from dns_node.supervise.launch import read_start
from dns_node.supervise.process import die_with, set_title
from dns_node.zone.contents import read_text
from dns_node.zone.master_file import read_master_file
from dns_node.zone.names import parse_name
from dns_node.zone.rdata import canonical
from dns_node.zone.rrset import Node, RRset, WireName

SOA: Final = 6
FILE_CHECK_S: Final = 1.0
"""How often a file is looked at."""

STORE_CHECK_S: Final = 0.5
"""How often our own zones are looked at."""

REFRESH_MIN_S: Final = 1.0
SERIAL_HALF: Final = 1 << 31

_log = logging.getLogger("dns_node.policy")

Nodes = Iterator[tuple[WireName, Node]]


def publish(directory: Path, apex: WireName, soa: RRset, nodes: Nodes) -> int:
    """Make the table of a policy zone and put it where the workers find it; return the number of
    its rules.  Raises OSError."""
    complaints: list[str] = []
    octets = make_table(apex, soa, read_rules(apex, nodes, complaints))
    for complaint in complaints:
        _log.warning("a rule is left out: %s", complaint)
    directory.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".new", delete=False) as file:
        try:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, table_path(directory, apex))
        except BaseException:
            os.unlink(file.name)
            raise
    return len(Table(octets))


class Feed(ABC):
    """One policy zone; `turn` looks whether there is something new."""

    def __init__(self, directory: Path, name: str):
        self.directory, self.name = directory, name
        self.apex = parse_name(name)
        self._said = ""

    @abstractmethod
    def turn(self) -> float:
        """Look once; return in how many seconds to look again."""

    def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                wait_s = self.turn()
            except Exception:
                _log.exception("a fault in the feed of the policy zone %s", self.name)
                wait_s = 60.0
            time.sleep(wait_s)

    def _publish(self, soa: RRset, nodes: Nodes) -> None:
        started_s = time.monotonic()
        count = publish(self.directory, self.apex, soa, nodes)
        serial = int.from_bytes(soa.rdatas[0][-20:-16], "big")
        _log.info(
            "the policy zone %s has %d rules, serial %d (%.1f s)",
            self.name, count, serial, time.monotonic() - started_s,
        )  # fmt: skip
        self._said = ""

    def _complain(self, text: str) -> None:
        """Say what is wrong, once as long as it is the same."""
        if text != self._said:
            self._said = text
            _log.warning("the policy zone %s stays as it is: %s", self.name, text)


class FileFeed(Feed):
    """A policy zone in a master file, read again whenever the file changes."""

    def __init__(self, directory: Path, name: str, path: str):
        super().__init__(directory, name)
        self.path = path
        self._seen: tuple[int, int, int] | None = None

    def turn(self) -> float:
        """Read the file if it is another one than last time."""
        try:
            status = os.stat(self.path)
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return FILE_CHECK_S
            self._seen = seen
            contents = read_master_file(
                self.path,
                read_text(self.path),
                zone_dir=os.path.dirname(self.path),
                origin=self.apex,
                is_judged=False,
            )
            self._publish(contents.nodes[self.apex][SOA], iter(contents.nodes.items()))
        except OSError as error:
            self._complain(f"{self.path}: {error.strerror}")
        except DnsNodeError as error:
            self._complain(str(error).partition("\n")[0])
        return FILE_CHECK_S


class StoreFeed(Feed):
    """A policy zone that is one of our own zones: it is changed as they are, by every door of every
    node, with history and UNDO.  *data_directory* has the store."""

    def __init__(self, directory: Path, name: str, data_directory: Path):
        super().__init__(directory, name)
        self.data_directory = data_directory
        self._reader: Reader | None = None
        self._seen: tuple[int, int, bytes] | None = None
        self._soa: RRset | None = None

    def turn(self) -> float:
        """Read the zone if it is another one than last time."""
        try:
            self._read()
        except (DnsNodeError, OSError) as error:
            self._complain(str(error))
        return STORE_CHECK_S

    def close(self) -> None:
        """Let go of the store."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _read(self) -> None:
        if self._reader is None:
            self._reader = Reader(self.data_directory)
        reader = self._reader
        reader.reopen()
        try:
            header = reader.zone(self.apex)
            seen = None if header is None else (header.zone_id, header.serial, header.digest)
            if header is None and self._soa is None:
                self._complain("it is none of our zones, and has neither file nor primaries")
            if seen == self._seen:
                return
            # The rows first: a reader must not hold a revision for as long as the table takes.
            nodes = [] if header is None else list(reader.walk(header.zone_id))
        finally:
            reader.reset()
        # A zone that was dropped has no rules, and its last SOA.
        soa = next((node[SOA] for owner, node in nodes if owner == self.apex), self._soa)
        if soa is not None:
            self._publish(soa, iter(nodes))
        self._seen, self._soa = seen, soa


class TransferFeed(Feed):
    """A policy zone from its primaries, refreshed as its SOA says (RFC 1034 section 4.3.5)."""

    def __init__(
        self,
        directory: Path,
        name: str,
        primaries: tuple[Primary, ...],
        key_path: str | None,
        refresh_max_s: float,
    ):
        super().__init__(directory, name)
        self.primaries, self.key_path, self.refresh_max_s = primaries, key_path, refresh_max_s
        self._name = dns.name.from_text(name)
        self._zone: dns.zone.Zone | None = None
        self._refreshed_s = time.monotonic()
        self._soa: Any = None
        self._serial = _serial_of(table_path(directory, self.apex))

    def turn(self) -> float:
        """Ask the primaries, one after the other, until one answers."""
        why = []
        for primary in self.primaries:
            try:
                key = read_key(self.key_path) if self.key_path else None
                serial = serial_at(self._name, primary, key)
                if self._serial is None or _is_newer(serial, self._serial):
                    self._take(self._transfer(primary, key))
            except (TransferError, OSError) as error:
                why.append(f"{primary}: {error}")
                continue
            self._refreshed_s = time.monotonic()
            self._said = ""
            return self._wait_s("refresh", 3600)
        if self._soa is not None and time.monotonic() - self._refreshed_s > self._soa.expire:
            why.append("and it has not been refreshed for longer than its SOA allows")
        self._complain("; ".join(why))
        return self._wait_s("retry", 60)

    def _transfer(self, primary: Primary, key: TsigKey | None) -> dns.zone.Zone:
        if self._zone is not None:
            try:
                return transfer(self._name, self._zone, primary, key)
            except TransferError as error:
                _log.info("no IXFR of %s from %s: %s", self.name, primary, error)
        return transfer(self._name, None, primary, key)

    def _wait_s(self, field: str, without_soa_s: int) -> float:
        said_s = without_soa_s if self._soa is None else getattr(self._soa, field)
        return max(REFRESH_MIN_S, min(float(said_s), self.refresh_max_s))

    def _take(self, zone: dns.zone.Zone) -> None:
        soas = zone.get_rdataset(self._name, dns.rdatatype.SOA)
        if soas is None:
            raise TransferError("there is no SOA in what was transferred")
        self._publish(RRset(SOA, soas.ttl, (canonical(soas[0]),)), _nodes_of(zone))
        self._zone, self._soa, self._serial = zone, soas[0], soas[0].serial


def _serial_of(path: Path) -> int | None:
    """Return the serial of the table from the last run; None when there is none."""
    try:
        return Table(path.read_bytes()).header.serial
    except (OSError, BadTable):
        return None


def _is_newer(serial: int, than: int) -> bool:
    """Compare as RFC 1982 says."""
    return serial != than and (serial - than) % (1 << 32) < SERIAL_HALF


def _nodes_of(zone: dns.zone.Zone) -> Nodes:
    for name, node in zone.nodes.items():
        owner = name.canonicalize().to_wire()
        assert owner is not None
        yield (
            owner,
            {
                int(rdataset.rdtype): RRset(
                    int(rdataset.rdtype), rdataset.ttl, tuple(sorted(map(canonical, rdataset)))
                )
                for rdataset in node.rdatasets
                if not rdataset.covers
            },
        )


def make_feed(directory: Path, plain: dict[str, Any], data_directory: Path) -> Feed:
    """Return the feed that the start description says."""
    if plain.get("file"):
        return FileFeed(directory, plain["name"], plain["file"])
    if not plain["primaries"]:
        return StoreFeed(directory, plain["name"], data_directory)
    primaries = tuple(Primary(host, port) for host, port in plain["primaries"])
    return TransferFeed(
        directory, plain["name"], primaries, plain.get("tsig_key"), plain["refresh_max_s"]
    )


def main() -> int:
    """Feed the zones of the start description until the parent ends."""
    start = read_start(os.environ)  # type: ignore[arg-type]
    die_with(start["parent"])
    set_title("dns-policy")
    logs.begin_logging(start["log_level"], start["log_format"], f"node {start['node']} policy")
    directory = Path(start["directory"])
    feeds = [make_feed(directory, plain, Path(start["store"])) for plain in start["zones"]]
    _forget_others(directory, {table_path(directory, feed.apex) for feed in feeds})
    threads = [threading.Thread(target=feed.run, name=feed.name) for feed in feeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


def _forget_others(directory: Path, kept: set[Path]) -> None:
    """Remove the tables of zones that are configured no more, and what a crash left."""
    for path in directory.glob("*.rules"):
        if path not in kept:
            path.unlink(missing_ok=True)
    for path in directory.glob("*.new"):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
