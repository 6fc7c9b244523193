"""Whose questions are resolved when there are many: limits of a worker, a client and a name.

Those of a client and of a name hold for the node as a whole: each worker counts its own questions
in its area of the shared block, and reads the others' (`answer.shared_block`).  Two workers that
take a question at the same moment may take one too many.
"""

import enum
from typing import Final

import msgspec

from dns_node.answer.access import netblock
from dns_node.answer.shared_block import CLIENTS_AT, NAMES_AT, SharedBlock
from dns_node.resolver.question import Question

IPV4_PREFIX: Final = 32
IPV6_PREFIX: Final = 64
"""An IPv6 client may have any address of its network."""

_TABLE_OCTETS: Final = NAMES_AT - CLIENTS_AT


class QuestionLimits(msgspec.Struct, frozen=True):
    """The limits in force (`recursion.limits`)."""

    questions: int = 512
    questions_per_client: int = 200
    questions_per_known_client: int = 2000
    questions_per_name: int = 100
    discard_s: float = 1.9


class Excess(enum.Enum):
    """What a question was too much for."""

    WORKER = "worker"
    CLIENT = "client"
    NAME = "name"


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """One question that is being resolved: its places in the tables of clients and names."""

    client: int
    name: int


class Admission:
    """Counts the questions of one worker; *limits* may be replaced at any time."""

    def __init__(self, block: SharedBlock, limits: QuestionLimits = QuestionLimits()):  # noqa: B008
        assert block.worker is not None, "a worker has an area"
        self.limits = limits
        self._block = block
        self._questions = block.questions[block.worker]
        self._clients = block.clients[block.worker]
        self._names = block.names[block.worker]
        self._all_clients = block.clients
        self._all_names = block.names
        # What a predecessor of this worker had on its way ended with it.
        self._questions[0] = 0
        for table in (self._clients, self._names):
            table[:] = memoryview(bytes(_TABLE_OCTETS)).cast("H")

    def __len__(self) -> int:
        """How many questions this worker resolves now."""
        return self._questions[0]

    def admit(self, address: str, is_known: bool, question: Question) -> Admitted | Excess:
        """Count a question of the client at *address*, of whom *is_known* says that it receives
        what is sent there; or return what it is too much for."""
        limits = self.limits
        if self._questions[0] >= limits.questions:
            return Excess.WORKER
        client = netblock(address, IPV4_PREFIX, IPV6_PREFIX)
        client_slot, name_slot = self._block.question_slots(client, question.qname, question.qtype)
        per_client = limits.questions_per_client
        if is_known:
            per_client = limits.questions_per_known_client
        if sum(table[client_slot] for table in self._all_clients) >= per_client:
            return Excess.CLIENT
        if sum(table[name_slot] for table in self._all_names) >= limits.questions_per_name:
            return Excess.NAME
        self._count(client_slot, name_slot, 1)
        return Admitted(client_slot, name_slot)

    def release(self, admitted: Admitted) -> None:
        """Count a question's end."""
        self._count(admitted.client, admitted.name, -1)

    def _count(self, client: int, name: int, number: int) -> None:
        # The native core counts in the same places, between two calls of Python's.
        self._questions[0] += number
        self._clients[client] += number
        self._names[name] += number
