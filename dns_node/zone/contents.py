"""What a zone file holds, while it is read and afterwards."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from dns_node.errors import InputError, Problem
from dns_node.zone.check import DEFAULT_LIMITS, Finding, Limits, zone_findings
from dns_node.zone.names import name_text
from dns_node.zone.rdata import covered_type, make_rrset, type_text
from dns_node.zone.rdata_forms import RRSIG
from dns_node.zone.rrset import RRset, WireName

PROBLEMS_MAX = 1000
FILE_OCTETS_MAX = 4 * 1024**3
_LINE_BITS = 40


@dataclass(slots=True)
class ZoneContents:
    """The records of one zone as a file gives them: apex, RRsets by owner and type, and what the
    user should know though it loads (``file:line: text``)."""

    origin: WireName
    nodes: dict[WireName, dict[int, RRset]]
    warnings: list[str] = field(default_factory=list)


def read_text(path: str) -> str:
    """Return the text of the file at *path*.

    Raises InputError when it can't be read, is no regular file, or is no UTF-8 text.
    """
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_OCTETS_MAX:
                raise InputError([Problem(path, "this is no file of records")])
            octets = file.read()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError([Problem(path, f"cannot read it: {reason}.")]) from None
    for wrong, what in ((b"\0", "a zero octet"),):
        if wrong in octets:
            line = octets.count(b"\n", 0, octets.index(wrong)) + 1
            raise InputError([Problem(f"{path}:{line}", f"{what}: this is no text file")])
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        what = f"octet 0x{octets[error.start]:02x} is no UTF-8; save the file as UTF-8"
        raise InputError([Problem(f"{path}:{line}", what)]) from None
    return text.replace("\r\n", "\n") if "\r" in text else text


class Problems:
    """The reasons against a file so far, each with ``file:line``; at most `PROBLEMS_MAX`."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    @property
    def are_too_many(self) -> bool:
        """Whether reading on makes no sense."""
        return len(self.found) >= PROBLEMS_MAX

    def add(self, where: str, what: str) -> None:
        """Note one reason."""
        if not self.are_too_many:
            self.found.append(Problem(where, what))

    def raise_if_any(self) -> None:
        """Raise one InputError with every reason, if there is one."""
        if self.are_too_many:
            self.found.append(Problem("", f"there may be more: the first {PROBLEMS_MAX} are shown"))
        if self.found:
            raise InputError(self.found)


class Draft:
    """The records read so far, with the place of each RRset's first record.

    A place is a line number with the number of the file (see `start_file`) above it: a million
    records must not cost a million objects more.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        # Per RRset: TTL, place, then the rdatas in the order of the file.
        self.nodes: dict[WireName, dict[int, list[int | bytes]]] = {}
        self.signatures: dict[tuple[WireName, int], tuple[int, list[bytes]]] = {}
        self.warnings: list[str] = []

    def start_file(self, path: str) -> int:
        """Return the number to add to line numbers of the file at *path*."""
        self.files.append(path)
        return (len(self.files) - 1) << _LINE_BITS

    def where(self, place: int) -> str:
        """Return ``file:line``."""
        return f"{self.files[place >> _LINE_BITS]}:{place & ((1 << _LINE_BITS) - 1)}"

    def add(self, owner: WireName, rrtype: int, ttl_s: int, rdata: bytes, place: int) -> None:
        """Take one record; of different TTLs in one RRset the lowest stays, with a warning
        (RFC 2181 section 5.2)."""
        node = self.nodes.get(owner)
        if rrtype == RRSIG:
            key = (owner, covered_type(rdata))
            self.signatures.setdefault(key, (place, []))[1].append(rdata)
            return
        if node is None:
            self.nodes[owner] = {rrtype: [ttl_s, place, rdata]}
            return
        entry = node.get(rrtype)
        if entry is None:
            node[rrtype] = [ttl_s, place, rdata]
            return
        entry.append(rdata)
        if entry[0] != ttl_s:
            lower = min(int(entry[0]), ttl_s)
            entry[0] = lower
            self.warnings.append(
                f"{self.where(place)}: {name_text(owner)} {type_text(rrtype)} has records of"
                f" different TTLs; all get {lower} (RFC 2181 section 5.2)."
            )

    def rrsets(self, owners: Iterable[WireName]) -> dict[WireName, dict[int, RRset]]:
        """Return the RRsets of *owners*, signatures beside what they cover."""
        nodes = {}
        for owner in owners:
            nodes[owner] = {
                rrtype: make_rrset(rrtype, int(entry[0]), entry[2:])  # type: ignore[arg-type]
                for rrtype, entry in self.nodes[owner].items()
            }
        for (owner, rrtype), (place, rdatas) in self.signatures.items():
            rrset = nodes.get(owner, {}).get(rrtype)
            if rrset is None:
                text = f"{name_text(owner)} RRSIG covers {type_text(rrtype)}, which is not here"
                self.warnings.append(f"{self.where(place)}: {text}; it is left out.")
                continue
            nodes[owner][rrtype] = make_rrset(rrtype, rrset.ttl_s, rrset.rdatas, rdatas)
        return nodes

    def judge(
        self, contents: ZoneContents, problems: Problems, *, is_legacy: bool,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:  # fmt: skip
        """Check the whole zone: warnings go to *contents*, reasons against it to *problems*."""
        for finding in zone_findings(contents.origin, contents.nodes, limits):
            if problems.are_too_many:
                return
            if finding.is_warning or (is_legacy and finding.is_cname_clash):
                contents.warnings.append(f"{self._place_of(finding)}: {finding.text}")
            else:
                problems.add(self._place_of(finding), finding.text)

    def _place_of(self, finding: Finding) -> str:
        entry = self.nodes.get(finding.owner, {}).get(finding.rrtype)
        return self.where(int(entry[1])) if entry else self.files[0]
