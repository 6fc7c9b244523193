"""How many TCP connections a node has, and one address of them: over all its workers."""

from collections import Counter
from typing import Final

import msgspec
from siphash24 import siphash24

from dns_node.answer.shared_block import ADDRESSES, SharedBlock

_MOST: Final = 0xFFFF


class TcpLimits(msgspec.Struct, frozen=True):
    """Bounds of the node's connections, those of all workers together."""

    connections: int = 1000
    connections_per_address: int = 100
    idle_s: float = 10.0


class ConnectionLimits:
    """Counts this worker's connections in its area of the shared block, and reads the others'.

    The others' connections of an address are counted by its hash: an address that shares it with
    another may get fewer.  Nobody can choose such addresses, for the key of the hash is a secret.
    Two workers that take a connection at the same moment may take one too many.
    """

    def __init__(self, block: SharedBlock):
        assert block.worker is not None, "a worker has an area"
        self._hash_key = block.hash_key
        self._open = block.connections[block.worker]
        self._slots = block.addresses[block.worker]
        self._all_open = block.connections
        self._others = [row for n, row in enumerate(block.addresses) if n != block.worker]
        self._by_address: Counter[str] = Counter()
        self._by_slot: Counter[int] = Counter()
        # What a predecessor of this worker had open ended with it.
        self._open[0] = 0
        self._slots[:] = memoryview(bytes(ADDRESSES * 2)).cast("H")

    def connections(self) -> int:
        """Return how many connections the node has."""
        return sum(numbers[0] for numbers in self._all_open)

    def connections_of(self, address: str) -> int:
        """Return how many connections the node has from *address*."""
        slot = self._slot(address)
        return self._by_address[address] + sum(row[slot] for row in self._others)

    def add(self, address: str) -> None:
        """Count one more from *address*."""
        self._by_address[address] += 1
        self._put(address, 1)

    def remove(self, address: str) -> None:
        """Count one less from *address*."""
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        self._put(address, -1)

    def _put(self, address: str, number: int) -> None:
        self._open[0] += number
        slot = self._slot(address)
        self._by_slot[slot] += number
        self._slots[slot] = min(self._by_slot[slot], _MOST)
        if not self._by_slot[slot]:
            del self._by_slot[slot]

    def _slot(self, address: str) -> int:
        digest = siphash24(address.encode(), key=self._hash_key).digest()
        return int.from_bytes(digest[:2], "little") % ADDRESSES
