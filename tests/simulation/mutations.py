"""The rules switched off, one at a time: each must make some seed or scenario fail.

The switches are here alone; the product has none.
"""

import dataclasses
from unittest.mock import patch

import msgspec

from dns_node.cluster import apply_entry, guard, journal, participation, proposer, raft, replica
from dns_node.cluster.bindings import Bindings
from dns_node.cluster.consensus import Consensus
from dns_node.cluster.guard import Deliver, Guard, Send
from dns_node.cluster.machine import StoreMachine
from dns_node.cluster.message import Ack, RequestVote, ResponseVote
from dns_node.cluster.raft import Core
from dns_node.cluster.standings import Standings
from dns_node.store import transaction
from tests.simulation.unsynced import SYNCS, Mutation, method

# The guard

_receive, _send, _on_ack = Guard.receive, Guard.send, Guard._on_ack


def _any_term(self, node, envelope_term, message, facts, log):
    if isinstance(message, Ack):
        envelope_term = facts.term
    return _receive(self, node, envelope_term, message, facts, log)


def _any_vote(self, node, envelope_term, message, facts, log):
    if isinstance(message, ResponseVote):
        self._enter_term(facts)
        return [Deliver(node, message)]
    return _receive(self, node, envelope_term, message, facts, log)


def _any_candidate(self, node, vote, facts):
    return [Deliver(node, vote)]


def _truncating(self, node, append, facts, log):
    if append.term < facts.term:
        return [Send(node, guard.ALIVE)]
    self._hear_leader(node, append.term, facts)
    if log.term_at(append.previous_index) != append.previous_term:
        return _on_append(self, node, append, facts, log)
    last = append.previous_index + len(append.entries)
    self._verified = max(self._verified, last)
    self._leader_commit = max(self._leader_commit, append.commit_index)
    capped = msgspec.structs.replace(append, commit_index=self._commit_index(log))
    return [Deliver(node, capped, log.last_index > append.previous_index)]


_on_append = Guard._on_append


def _unchecked_commit(self, node, append, facts, log):
    """Take the leader's commit index for what this log holds, checked or not."""
    actions = _on_append(self, node, append, facts, log)
    self._verified = max(self._verified, log.last_index)
    self._leader_commit = max(self._leader_commit, append.commit_index)
    return actions


def _no_snapshot_needed(self, node, envelope_term, ack, facts, log):
    actions = _on_ack(self, node, envelope_term, ack, facts, log)
    return [action for action in actions if not isinstance(action, guard.NeedSnapshot)]


def _core_backs_off(self, node, append, facts, log):
    if append.term >= facts.term and log.term_at(append.previous_index) != append.previous_term:
        self._hear_leader(node, append.term, facts)
        capped = min(append.commit_index, facts.commit_index)
        return [Deliver(node, msgspec.structs.replace(append, commit_index=capped))]
    return _on_append(self, node, append, facts, log)


def _silent_about_terms(self, node, append, facts, log):
    return [] if append.term < facts.term else _on_append(self, node, append, facts, log)


def _nothing_held(kinds):
    def send(self, node, message, facts, log):
        actions = _send(self, node, message, facts, log)
        return [
            dataclasses.replace(action, is_held=False)
            if isinstance(action, Send) and isinstance(action.message, kinds)
            else action
            for action in actions
        ]

    return send


class _AsDurable:
    """A log that calls everything durable."""

    is_term_durable = True

    def __init__(self, log):
        self._log = log

    @property
    def durable_index(self):
        return self._log.last_index

    def __getattr__(self, name):
        return getattr(self._log, name)


def _ack_at_once(self, node, envelope_term, ack, facts, log):
    return _on_ack(self, node, envelope_term, ack, facts, _AsDurable(log))


def _lead_before_disk(self, node, message, facts, log):
    return _send(self, node, message, facts, _AsDurable(log))


def _commit_before_disk(self, log):
    return min(self._leader_commit, self._verified)


def _skip_lost(self, node):
    self._heard_s.pop(node, None)


# Consensus and the core

def _step_alone(self):
    core = self.core
    if core is None:
        return
    self._release()
    self._do(self.guard.on_durable(self.facts(), self.journal))
    if self.core is core:
        core.tick()


def _release_any_term(self):
    while self._outbox and self._outbox[0][0] <= self.journal.durable_sequence:
        _, _, node, message = self._outbox.popleft()
        self._send(node, message)


def _report_all(self):
    """Report every connection, a majority or not."""
    voters = {node.id for node in self._core.otherNodes} - {self.node}
    is_voter, self.is_voter = self.is_voter, True
    up, self._up = self._up, {**dict.fromkeys(voters, False), **self._up}
    try:
        _report(self)
    finally:
        self.is_voter, self._up = is_voter, up


_report = Core._report


def _change_many(self, node, is_added):
    before, self._change = self._change, None
    ended = _change_voter(self, node, is_added)
    if before is not None:
        before[1].callback("overtaken")
    return ended


_change_voter = replica.Replica.change_voter


# Disks and what is kept


def _set_term_in_memory(self, term, voted_for):
    self._term, self._vote = term, voted_for


def _retain_nothing(self):
    return self.own_applied


_publish = participation.Applier._publish


def _durable_at_once(self, applied):
    self.durable_index = applied.index
    _publish(self, applied)


def _retain_without_pins(self):
    return min([self.checkpoint, self.own_durable])


def _adopt_always_anew(self, index, term, voters):
    if index > 0:
        is_held = self.term_at(index) == term
        self.reset(index, term, self.voters(index) if is_held else voters)


def _fit_by_table(journal, machine):
    """Take the voters of a snapshot from the member table, which need not be raft's."""
    index, term = machine.applied()
    voters = frozenset(node for node, (_, role) in machine.members().items() if role == "voter")
    if index > 0:
        journal.adopt(index, term, voters)


def _install_always(self, copy):
    def swap():
        self.writer.install(copy)
        with self.writer.begin() as opened:
            self._index, self._term = opened.applied()
            self._revision = opened.revision()
        return self._index, self._term

    return swap


def _forget_operations(self, operation_id):
    return None


def _give_up_refused(self, pending, why):
    outcome = self._find_outcome(pending.command.operation_id)
    self._answer(pending, outcome or proposer.Refused((why,)))


def _answer_at_append(self):
    """Answer done when a command is appended, not when it is applied."""
    payload = _next_entry(self)
    if payload is not None:
        for command in apply_entry.parse_entry(payload):
            pending = self._pending.get(command.operation_id)
            if pending is not None:
                self._answer(pending, proposer.Done(1, True))
    return payload


_next_entry = proposer.Proposer.next_entry


def _small_batches():
    return patch.object(raft, "APPEND_OCTETS_MAX", 64 * 1024)


def _anybody(self, node):
    return True


MUTATIONS = (
    *SYNCS,
    Mutation("G1", "acks count only in their own term", method(Guard, "receive", _any_term)),
    Mutation("G2", "one vote per node and term, of members", method(Guard, "receive", _any_vote)),
    Mutation("G3", "who hears its leader ignores candidates",
             method(Guard, "_on_request_vote", _any_candidate)),
    Mutation("G4", "entries that are held are never truncated",
             method(Guard, "_on_append", _truncating)),
    Mutation("G5", "the commit index moves only up to checked entries",
             method(Guard, "_on_append", _unchecked_commit)),
    Mutation("G6", "no dump is sent: who can't be served from the log is told to take a snapshot",
             method(Guard, "_on_ack", _no_snapshot_needed)),
    Mutation("G7", "a failed check is answered by the commit index",
             method(Guard, "_on_append", _core_backs_off)),
    Mutation("G8", "a stale leader is told the term",
             method(Guard, "_on_append", _silent_about_terms)),
    Mutation("G9", "an entry is smaller than a message of the core", _small_batches),
    Mutation("D1 acks", "an ack leaves when its entries are durable (G0)",
             method(Guard, "send", _nothing_held(Ack))),
    Mutation("D1 votes", "a vote leaves when it is durable (G0)",
             method(Guard, "send", _nothing_held((ResponseVote, RequestVote)))),
    Mutation("D2", "an ack waits for the leader's own disk",
             method(Guard, "_on_ack", _ack_at_once)),
    Mutation("D3", "the commit index waits for the own disk",
             method(Guard, "_commit_index", _commit_before_disk)),
    Mutation("D4", "a leader's messages, and what they call committed, wait for its own disk",
             method(Guard, "send", _lead_before_disk)),
    Mutation("outbox term", "what waited for the disk leaves only in its own term",
             method(Consensus, "_release", _release_any_term)),
    Mutation("lost frames", "what was on its way on a lost connection is forgotten",
             method(Guard, "lose", _skip_lost),
             "tests/cluster/test_guard.py "
             "test_what_was_sent_on_a_connection_is_not_sent_again (else it costs a round trip)"),
    Mutation("alone", "a node alone commits what is durable",
             method(Consensus, "step", _step_alone)),
    Mutation("quorum report", "connections are reported while a majority is up",
             method(Core, "_report", _report_all)),
    Mutation("voters of the log", "the voters are those of the whole log, applied or not",
             method(Core, "_hold_membership", lambda self: None)),
    Mutation("one change", "one change of the voters at a time",
             method(replica.Replica, "change_voter", _change_many)),
    Mutation("binding", "a node id belongs to one data directory",
             method(Bindings, "is_bound", _anybody)),
    Mutation("founders", "that counts as soon as the log says who they are",
             method(participation.Participation, "_expect_members", lambda self: None)),
    Mutation("entries of strangers", "entries are taken from whoever was elected",
             method(Bindings, "may_say", lambda self, node, message: self.is_bound(node))),
    Mutation("term on disk", "term and vote are written",
             method(journal.Journal, "setCurrentTerm", _set_term_in_memory)),
    Mutation("durable applied", "what is applied counts as durable after the store's sync",
             method(participation.Applier, "_publish", _durable_at_once)),
    Mutation("checkpoint", "the log is kept for the members that lack it",
             method(Standings, "retained_from", _retain_nothing)),
    Mutation("pins", "the log is kept for a snapshot under way",
             method(Standings, "retained_from", _retain_without_pins)),
    Mutation("adopt", "a journal that reaches beyond the store is kept",
             method(journal.Journal, "adopt", _adopt_always_anew)),
    Mutation("voters of a snapshot", "they are on disk before it is installed",
             method(participation, "fit_journal", _fit_by_table)),
    Mutation("overtaken", "a snapshot that the log has overtaken is not installed",
             method(StoreMachine, "install", _install_always)),
    Mutation("operation ids", "an operation id is carried out once",
             method(transaction.WriteTransaction, "operation", _forget_operations)),
    Mutation("unknown", "what was handed on is not called refused",
             method(proposer.Proposer, "_give_up", _give_up_refused)),
    Mutation("own apply", "done is answered after the own apply",
             method(proposer.Proposer, "next_entry", _answer_at_append)),
)  # fmt: skip
"""Every rule that can be switched off."""
