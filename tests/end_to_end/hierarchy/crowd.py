"""Many clients at once: each question from a socket of its own, from several addresses."""

import selectors
import socket
import time
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message

from .hierarchy import Hierarchy


@dataclass
class Replies:
    """What came: by the number of the question, the replies; the others had none."""

    messages: dict[int, dns.message.Message] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.messages)


def ask_all(
    hierarchy: Hierarchy,
    port: int,
    names: list[str],
    *,
    addresses: int = 1,
    wait_s: float = 5.0,
    rrtype: str = "A",
) -> Replies:
    """Ask for every one of *names* at once, each over a UDP socket of its own bound to one of
    127.0.1.1, 127.0.1.2, …, and return the replies that came within *wait_s*."""

    def open_all() -> list[socket.socket]:
        found = []
        for number in range(len(names)):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.setblocking(False)
            made.bind((f"127.0.1.{1 + number % addresses}", 0))
            made.connect(("127.0.0.1", port))
            found.append(made)
        return found

    sockets = hierarchy.namespace.inside(open_all) if hierarchy.namespace else open_all()
    replies = Replies()
    began_s = time.monotonic()
    try:
        with selectors.DefaultSelector() as selector:
            for number, (made, name) in enumerate(zip(sockets, names, strict=True)):
                query = dns.message.make_query(name, rrtype, use_edns=0)
                made.send(query.to_wire())
                selector.register(made, selectors.EVENT_READ, number)
            while len(replies) < len(names):
                left_s = began_s + wait_s - time.monotonic()
                if left_s <= 0:
                    break
                for key, _ in selector.select(left_s):
                    made = key.fileobj  # type: ignore[assignment]
                    replies.messages[key.data] = dns.message.from_wire(made.recv(65_535))
                    selector.unregister(made)
    finally:
        for made in sockets:
            made.close()
    replies.seconds = time.monotonic() - began_s
    return replies
