"""Whether members that have applied the same hold the same (DESIGN invariant I2).  Pure.

Every member remembers the digest that its store had after each of the last entries, and hears the
newest one of the others: what can't be compared yet is compared when this store is as far.
"""

from collections.abc import Iterable

REMEMBERED = 4096

Digest = tuple[int, bytes]
"""(applied index, digest of the store after it)."""


class Digests:
    """This store's digests against those of the others; `alarms` says with whom it differs."""

    def __init__(self) -> None:
        self.alarms: dict[str, str] = {}
        """Member -> what is wrong."""
        self.newest: Digest = (0, b"")
        self._own: dict[int, bytes] = {}
        self._ahead: dict[str, Digest] = {}

    def restart(self, own: Iterable[Digest]) -> None:
        """Begin with another store (a snapshot was installed, the disk was opened again)."""
        self.alarms.clear()
        self._own.clear()
        self._ahead.clear()
        self.newest = (0, b"")
        self.note(own)

    def note(self, own: Iterable[Digest]) -> list[str]:
        """Remember what this store has become; return the alarms that are new."""
        for index, digest in own:
            self._own[index] = digest
            self.newest = index, digest
        while len(self._own) > REMEMBERED:
            del self._own[next(iter(self._own))]
        due = [node for node, (index, _) in self._ahead.items() if index <= self.newest[0]]
        return [text for node in due if (text := self._compare(node, self._ahead.pop(node)))]

    def hear(self, node: str, index: int, digest: bytes) -> str:
        """Take what *node* has; return the alarm when it is a new one, else ''."""
        if index > self.newest[0]:
            self._ahead[node] = index, digest
            return ""
        return self._compare(node, (index, digest))

    def keep(self, nodes: Iterable[str]) -> None:
        """Forget everybody but *nodes*: the others are no members any more."""
        for node in (self.alarms.keys() | self._ahead.keys()) - set(nodes):
            self.alarms.pop(node, None)
            self._ahead.pop(node, None)

    def _compare(self, node: str, theirs: Digest) -> str:
        index, digest = theirs
        own = self._own.get(index)
        if own is None:
            return ""
        if own == digest:
            self.alarms.pop(node, None)
            return ""
        is_new = node not in self.alarms
        self.alarms[node] = text = (
            f"the store of node {node} differs from this one: after entry {index} its digest is "
            f"{digest.hex()[:16]}, here it is {own.hex()[:16]}. One of them is damaged: see which "
            "by STATUS on all nodes, move that node's data directory away and let it join again."
        )
        return text if is_new else ""
