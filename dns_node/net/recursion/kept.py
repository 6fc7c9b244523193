"""The message cache (L1) where no native core asks it itself."""

from typing import Protocol

from dns_node.answer.edns import compose_opt, payload_size_octets_max
from dns_node.answer.respond import IDENTITY_SIZE_OCTETS_MAX, AnswerSettings, Recurse, Reply
from dns_node.resolver.message_cache import Key, MessageCache
from dns_node.resolver.reply import CD
from dns_node.zone.rrset import WireName


class Messages(Protocol):
    """What a message cache can do, native or not."""

    def __len__(self) -> int:
        """How many replies there are."""
        ...

    @property
    def size_octets(self) -> int:
        """What they cost together."""
        ...

    def put(
        self, key: Key, message: bytes, ttl_s: int, now_s: float, error: int | None = None
    ) -> bool:
        """Keep a reply, see `MessageCache.put`."""
        ...

    def flush_name(self, qname: WireName) -> int:
        """Forget all replies about *qname*; return how many there were."""
        ...

    def flush_subtree(self, apex: WireName) -> int:
        """Forget all replies about *apex* and below; return how many there were."""
        ...

    def flush_all(self) -> int:
        """Forget everything; return how many replies that were."""
        ...

    def sweep(self, now_s: float, slots_max: int) -> int:
        """Forget what is over in the next slots; return how many replies that were."""
        ...

    def take_due(self) -> list[Key]:
        """Return whose replies should be asked for again, since the last call."""
        ...


class PythonMessages(MessageCache):
    """The definition's message cache, which notes by itself what is due for a refresh."""

    def __init__(self, size_octets_max: int):
        super().__init__(size_octets_max)
        self.due: list[Key] = []

    def take_due(self) -> list[Key]:
        """Return whose replies should be asked for again, since the last call."""
        due, self.due = self.due, []
        return due


def find_kept(
    messages: Messages, recurse: Recurse, settings: AnswerSettings, now_s: float
) -> Reply | None:
    """Return the reply to *recurse* from a message cache of Python's, None when there is none."""
    if not isinstance(messages, PythonMessages):
        return None
    query, client = recurse.query, recurse.client
    edns = query.edns
    is_do = edns is not None and edns.is_do
    key = Key(query.qname, query.qtype, query.qclass, is_do, bool(query.flags & CD))
    found = messages.find(key, now_s)
    if found is None:
        return None
    if found.is_due:
        messages.due.append(key)
    opt = b""
    if edns is not None:
        opt = compose_opt(
            edns,
            0,
            nsid=settings.identity[:IDENTITY_SIZE_OCTETS_MAX],
            cookie=recurse.cookie,
            idle_timeout_s=settings.idle_timeout_s if client.is_tcp else 0,
            error=found.entry.error,
        )
    octets = found.compose(query, opt, payload_size_octets_max(edns, client.is_tcp))
    return Reply(octets, has_cookie=bool(recurse.cookie), has_good_cookie=recurse.has_good_cookie)
