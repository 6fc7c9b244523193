"""What must hold at every moment, looked up on the disks themselves (raft.md's I1, I2, I4, I11).

These are promises that a crash would turn into a loss later; here they are caught at once.
"""

import struct

import msgspec

from dns_node.cluster.codec import NO_OP
from dns_node.cluster.message import (
    Ack,
    AppendEntries,
    RequestVote,
    ResponseVote,
    parse_envelope,
    parse_message,
)
from dns_node.store.layout import parse_state
from tests.simulation.memory_lmdb import Content
from tests.simulation.oracle import Violation

_number = struct.Struct(">Q")


def durable_row(content: Content, table: bytes, key: bytes) -> bytes | None:
    """Return the row of *key* as a power loss at this moment might leave it at worst."""
    value = content.tables[table].rows.get(key)
    for transaction in content.undurable:
        for at, changed, old in transaction:
            if at is content.tables[table] and changed == key:
                return old
    return value


def durable_term(content: Content, index: int) -> int | None:
    """Return the term of the entry at *index* in a journal, as it is on the disk."""
    value = durable_row(content, b"log", _number.pack(index))
    return None if value is None else _number.unpack(value[:8])[0]


class Promises:
    """Looks at what the nodes of *cluster* send and commit."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.sent = 0
        self._durable: dict[str, tuple[object, int]] = {}
        self.voters: dict[int, tuple[str, frozenset[str]]] = {}

    def journal_of(self, node: str) -> Content | None:
        host = self._cluster.hosts[node]
        life = host.replica._life if host.replica is not None else None
        return None if life is None else life.journal._disk._environment.content

    def check_frame(self, node: str, target: str, octets: bytes):
        """*node* sends a frame: what it says must be on its disk already."""
        if b"raft" not in octets[:64]:
            return
        envelope = parse_envelope(octets)
        if envelope.kind != "raft":
            return
        content = self.journal_of(node)
        message = parse_message(envelope.body)
        match message:
            case ResponseVote(term):
                self._check_vote(content, node, term, target)
            case RequestVote(term):
                self._check_vote(content, node, term, node)
            case Ack(next_index, _, True):
                self._check_ack(content, node, next_index - 1, envelope.term)
            case AppendEntries(term, commit_index):
                self._check_append(content, node, term, commit_index)
        self.sent += 1

    def _check_vote(self, content, node: str, term: int, candidate: str):
        value = durable_row(content, b"meta", b"term")
        on_disk = None if value is None else tuple(msgspec.msgpack.decode(value))
        if on_disk != (term, candidate):
            self._cluster.oracle.problem = (
                f"raft I1: node {node} votes for {candidate} in term {term}; its disk has {on_disk}"
            )

    def _check_append(self, content, node: str, term: int, commit_index: int):
        value = durable_row(content, b"meta", b"term")
        on_disk = 0 if value is None else msgspec.msgpack.decode(value)[0]
        if on_disk < term:
            self._cluster.oracle.problem = (
                f"raft I1: node {node} leads term {term}; its disk has term {on_disk}"
            )
        applied = self._cluster.hosts[node].machine.applied()[0]
        if applied < commit_index and durable_term(content, commit_index) is None:
            self._cluster.oracle.problem = (
                f"raft I2: node {node} tells that entry {commit_index} is committed, which is not "
                "on its disk"
            )

    def _check_ack(self, content, node: str, index: int, term: int):
        own_term = durable_term(content, index)
        machine = self._cluster.hosts[node].machine
        if own_term is None and machine.applied()[0] < index:
            self._cluster.oracle.problem = (
                f"raft I2: node {node} acknowledges entry {index}, which is not on its disk"
            )
        leader = self._cluster.oracle.leaders.get(term)
        replica = self._cluster.replicas.get(leader)
        core = replica._life.consensus.core if replica is not None and replica._life else None
        if core is None or own_term is None or core.facts().term != term:
            return
        its_term = replica.journal.term_at(index)
        is_base = index <= max(replica.journal.first_index, replica.journal.placeholder_index)
        if its_term is not None and not is_base and its_term != own_term and core.facts().is_leader:
            self._cluster.oracle.problem = (
                f"raft I4: node {node} acknowledges entry {index} of term {own_term} in term "
                f"{term}, whose leader has it of term {its_term}"
            )

    def _check_election(self, node: str, term: int, journal):
        """*node* leads *term*: a majority has voted for it, or has gone on to a later term."""
        # A change of the voters that is under way may have come before the election, or after it.
        found = [
            (self._count_votes(node, term, voters), len(voters))
            for voters in (journal.voters(), journal.voters(self._committed(node)))
            if voters != {node}  # Alone it asks nobody; what it then says waits for its disk.
        ]
        if len(found) == 2 and all(count * 2 <= of for count, of in found):
            count, of = found[0]
            raise Violation(f"node {node} leads term {term} by {count} votes of {of}")

    def _committed(self, node: str) -> int:
        return self._cluster.replicas[node]._life.consensus.facts().commit_index

    def _count_votes(self, node: str, term: int, voters: frozenset[str]) -> int:
        count = 0
        for voter in voters:
            disk = self._cluster.hosts[voter].disk
            journal = disk.directory / "journal"
            if not (journal / "data.mdb").exists():
                count += self._cluster.hosts[voter].is_wiped
                continue
            value = durable_row(disk.content(journal, False), b"meta", b"term")
            on_disk = (0, None) if value is None else tuple(msgspec.msgpack.decode(value))
            is_new = self._cluster.hosts[voter].is_wiped
            count += on_disk[0] > term or on_disk == (term, node) or is_new
        return count

    def _check_durable(self, node: str, life):
        """What counts as durably applied, so that the log is shortened by it, is on the disk."""
        index = life.applier.durable_index
        if self._durable.get(node) == (life, index):
            return
        self._durable[node] = life, index
        content = life.machine.writer._tables.environment.content
        state = durable_row(content, b"meta", b"state")
        on_disk = 0 if state is None else parse_state(state)[2]
        if on_disk < index:
            raise Violation(
                f"I5: node {node} has entry {on_disk} in its store on disk, and counts {index}"
            )

    def check_node(self, node: str, life):
        """*node* has done a step."""
        self._check_durable(node, life)
        core, journal = life.consensus.core, life.journal
        if core is None:
            return
        facts = core.facts()
        if facts.voters != journal.voters() - {node}:
            raise Violation(
                f"the core of node {node} counts {sorted(facts.voters)} beside itself, its log has "
                f"{sorted(journal.voters())}"
            )
        voters = journal.voters(facts.commit_index)
        other, known = node, voters
        if not self._cluster.hosts[node].is_wiped:
            # Who has joined begins with the voters of that day, at entry 1.
            other, known = self.voters.setdefault(facts.commit_index, (node, voters))
        if known != voters:
            raise Violation(
                f"at entry {facts.commit_index} the voters are {sorted(known)} for node {other}, "
                f"{sorted(voters)} for node {node}"
            )
        on_disk = max(journal.durable_index, life.machine.applied()[0])
        if any(
            # A node alone counts its no-op in the step in which it begins to lead.
            journal[at - journal.first_index][0] != NO_OP
            for at in range(on_disk + 1, facts.commit_index + 1)
        ):
            raise Violation(
                f"raft I2: node {node} counts entry {facts.commit_index} as committed, and its "
                f"disk has {journal.durable_index}"
            )
        if facts.is_leader:
            if facts.term not in self._cluster.oracle.leaders:
                self._check_election(node, facts.term, journal)
            self._cluster.oracle.saw_leader(node, facts.term)
            changes = journal.changes_after(facts.commit_index)
            own = [at for at, _ in journal._changes if at > facts.commit_index]
            if len([at for at in own if journal.term_at(at) == facts.term]) > 1:
                raise Violation(f"raft I11: {len(changes)} changes of the voters are under way")
