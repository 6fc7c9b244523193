"""The query log: one JSON line per answered query."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime

from dns_node.answer.query import parse
from dns_node.errors import WireError
from dns_node.net.events import Event
from dns_node.zone.names import name_text
from dns_node.zone.rdata import type_text

_RCODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
    "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
)  # fmt: skip


class QueryLog:
    """Appends to the file at *path*, which all workers may share; a file that was moved away is
    made again, so that a rotation needs no signal."""

    def __init__(self, path: str, node: str, worker: int):
        self._path, self._node, self._worker = path, node, worker
        self._file = -1

    def write(self, events: Sequence[Event]) -> None:
        """Append a line per event; raises OSError."""
        self._open()
        lines = [line_of(event, self._node, self._worker) for event in events]
        octets = "".join(lines).encode()
        # One write per batch: O_APPEND keeps the lines of several workers whole.
        while octets:
            octets = octets[os.write(self._file, octets) :]

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        if self._file >= 0:
            try:
                there = os.stat(self._path)
                ours = os.fstat(self._file)
                if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
                    return
            except FileNotFoundError:
                pass
            self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o640)


def line_of(event: Event, node: str, worker: int) -> str:
    """Return the line of one event: time, client, question, rcode, sizes, flags."""
    try:
        query = parse(event.query, event.client.is_tcp)
        name, qtype, qclass = name_text(query.qname), type_text(query.qtype), query.qclass
    except WireError:
        name, qtype, qclass = None, None, None
    rcode = event.reply[3] & 15
    values = {
        "time": datetime.fromtimestamp(event.at_s, UTC).isoformat(timespec="milliseconds"),
        "node": node,
        "worker": worker,
        "client": event.client.address,
        "port": event.client.port,
        "transport": "tcp" if event.client.is_tcp else "udp",
        "name": name,
        "type": qtype,
        "class": qclass,
        "rcode": _RCODES[rcode] if rcode < len(_RCODES) else str(rcode),
        "answers": event.reply[6] << 8 | event.reply[7],
        "truncated": bool(event.reply[2] & 2),
        "query_octets": len(event.query),
        "reply_octets": len(event.reply),
    }
    return json.dumps(values, separators=(",", ":")) + "\n"
