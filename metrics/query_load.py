"""A UDP client that keeps a window of questions in flight at one nameserver and times each."""

import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_ID = struct.Struct(">H")
_HEADER = struct.Struct(">HHHHHH")
_QR = 0x8000
_RCODE = 0x000F
_SWEEP_S = 0.05
"""How often questions that are overdue are counted as lost."""


def encode_question(name: str, rrtype: int) -> bytes:
    """Return the query for *name* (absolute, ASCII) and *rrtype*, class IN, with the id 0 and
    without recursion (RFC 1035 section 4.1)."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    qname = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(0, 0, 1, 0, 0, 0) + qname + struct.pack(">HH", rrtype, 1)


def is_positive(reply: bytes | bytearray | memoryview) -> bool:
    """Say whether *reply* is NOERROR with at least one record in the answer section."""
    if len(reply) < _HEADER.size:
        return False
    _, flags, _, answers, _, _ = _HEADER.unpack_from(reply)
    return bool(flags & _QR) and not flags & _RCODE and answers > 0


@dataclass
class LoadResult:
    """What one measurement saw: *latencies_s* holds one entry per positive answer."""

    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    lost: int = 0
    negative: int = 0

    @property
    def rate(self) -> float:
        """Positive answers per second."""
        return len(self.latencies_s) / self.elapsed_s if self.elapsed_s else 0.0

    def percentile_ms(self, percent: float) -> float:
        """Return the latency that *percent* of the answers did not exceed (nearest rank), in
        milliseconds; 0.0 when there was no answer."""
        return percentile(self.latencies_s, percent) * 1000


def percentile(values: list[float], percent: float) -> float:
    """Return the nearest-rank percentile of *values*; 0.0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


class _Lane:
    """One socket, so one source port, with its questions in flight: id -> when it was sent."""

    def __init__(self, address: tuple[str, int], question: bytes, window: int):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(address)
        self.in_flight: dict[int, float] = {}
        self._query = bytearray(question)
        self._window = window
        self._next_id = 0

    def fill(self) -> None:
        """Send until the window is full or the socket takes no more."""
        while len(self.in_flight) < self._window:
            self._next_id = (self._next_id + 1) & 0xFFFF
            _ID.pack_into(self._query, 0, self._next_id)
            try:
                self.socket.send(self._query)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                pass  # nobody listens; it stays in flight until it counts as lost
            self.in_flight[self._next_id] = time.perf_counter()

    def take(self, buffer: bytearray, result: LoadResult) -> None:
        """Receive all replies that are there; one with an unknown id is dropped."""
        while True:
            try:
                size = self.socket.recv_into(buffer)
            except (BlockingIOError, ConnectionRefusedError):
                return
            sent_s = self.in_flight.pop(_ID.unpack_from(buffer)[0], None) if size > 1 else None
            if sent_s is None:
                continue
            if is_positive(memoryview(buffer)[:size]):
                result.latencies_s.append(time.perf_counter() - sent_s)
            else:
                result.negative += 1

    def sweep(self, before_s: float) -> int:
        """Forget the questions sent earlier than *before_s*; return how many."""
        overdue = [one for one, sent_s in self.in_flight.items() if sent_s < before_s]
        for one in overdue:
            del self.in_flight[one]
        return len(overdue)


def measure(
    address: tuple[str, int],
    question: bytes,
    seconds: float,
    *,
    lanes: int = 8,
    window: int = 64,
    timeout_s: float = 1.0,
    on_progress: Callable[[float], None] = lambda done: None,
) -> LoadResult:
    """Keep *window* questions in flight at *address* for *seconds*; return what came back.

    The questions leave from *lanes* source ports, so that every worker of the server gets its
    share.  A question without a reply for *timeout_s* counts as lost; those in flight at the end
    count as nothing.  *on_progress* is told the share done, 0 to 1.
    """
    result = LoadResult()
    buffer = bytearray(65_535)
    crew = [_Lane(address, question, max(1, window // lanes)) for _ in range(lanes)]
    with selectors.DefaultSelector() as selector:
        for lane in crew:
            selector.register(lane.socket, selectors.EVENT_READ, lane)
        start_s = now_s = swept_s = time.perf_counter()
        for lane in crew:
            lane.fill()
        while now_s - start_s < seconds:
            for key, _ in selector.select(_SWEEP_S):
                key.data.take(buffer, result)
                key.data.fill()
            now_s = time.perf_counter()
            if now_s - swept_s >= _SWEEP_S:
                swept_s = now_s
                for lane in crew:
                    result.lost += lane.sweep(now_s - timeout_s)
                    lane.fill()
                on_progress(min(1.0, (now_s - start_s) / seconds))
    result.elapsed_s = now_s - start_s
    for lane in crew:
        lane.socket.close()
    return result


def ask_once(
    address: tuple[str, int], question: bytes, timeout_s: float = 1.0, tries: int = 3
) -> bytes | None:
    """Return the reply to one question, None when *tries* got none."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.settimeout(timeout_s)
        link.connect(address)
        for _ in range(tries):
            try:
                link.send(question)
                return link.recv(65_535)
            except TimeoutError:
                continue
            except OSError:
                return None
    return None
