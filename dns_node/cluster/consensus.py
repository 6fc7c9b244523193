"""The raft core, its guard and its journal together: messages in, messages out, time passes.

Everything runs in the reactor; nothing waits.  What must be durable before it leaves waits in the
outbox for the journal, and is dropped when the term has changed meanwhile.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from dns_node.cluster.guard import Action, Deliver, Facts, Guard, NeedSnapshot, Send, Stop
from dns_node.cluster.journal import Journal
from dns_node.cluster.message import ALIVE, Ack, Message
from dns_node.cluster.raft import ELECTION_MIN_S, Core

ALIVE_EVERY_S = 0.25


class Consensus:
    """*send(node, message)* returns False when the connection could not take it; *on_stop(why)* is
    called when this node must not go on; *on_need_snapshot(node)* when the log can't serve *node*.
    """

    def __init__(
        self,
        node: str,
        directory: Path,
        journal: Journal,
        send: Callable[[str, Message], bool],
        seconds: Callable[[], float],
        chance: Callable[[], float],
        on_stop: Callable[[str], None],
        on_need_snapshot: Callable[[str], None],
    ):
        self.node, self.journal = node, journal
        self._directory, self._send = directory, send
        self._seconds, self._chance = seconds, chance
        self._on_stop, self._on_need_snapshot = on_stop, on_need_snapshot
        self.guard = Guard(ELECTION_MIN_S)
        self.core: Core | None = None
        self._up: dict[str, bool] = {}
        self._outbox: deque[tuple[int, int, str, Message]] = deque()
        self._alive_s: dict[str, float] = {}

    def begin(self, is_voter: bool) -> None:
        """Build the core on the journal as it is now, as a voter or as one that follows."""
        self.end()
        self.core = Core(
            self.node,
            is_voter,
            self.journal,
            self._directory,
            self._on_core_sends,
            self._seconds,
            self._chance,
        )
        for node, is_readonly in self._up.items():
            self.core.set_up(node, is_readonly)

    def end(self) -> None:
        """Take the core away; messages are dropped until `begin`."""
        if self.core is not None:
            self.core.destroy()
        self.core = None
        self._outbox.clear()

    def facts(self) -> Facts:
        """Return the state of the core, which must be there."""
        assert self.core is not None
        return self.core.facts()

    def connected(self, node: str, is_readonly: bool) -> None:
        """A member is connected; *is_readonly*: it follows without a vote."""
        self.guard.lose(node)
        self._up[node] = is_readonly
        if self.core is not None:
            self.core.set_up(node, is_readonly)

    def disconnected(self, node: str) -> None:
        """A member's connection ended."""
        self._up.pop(node, None)
        self.guard.lose(node)
        if self.core is not None:
            self.core.set_down(node)

    def receive(self, node: str, envelope_term: int, message: Message) -> None:
        """Take a message that *node* sent while its term was *envelope_term*."""
        if self.core is not None:
            actions = self.guard.receive(node, envelope_term, message, self.facts(), self.journal)
            self._do(actions)

    def step(self) -> None:
        """Send what has become durable, feed the core what it waits for, and let time pass."""
        core = self.core
        if core is None:
            return
        self._release()
        self._do(self.guard.on_durable(self.facts(), self.journal))
        if self.core is not core:
            return
        # Alone, the core counts its own copy as the majority at once.
        if core.is_voter and not self.facts().voters and not self.journal.is_durable:
            return
        core.tick()
        if self.journal.violation:
            self._on_stop(self.journal.violation)

    def may_propose(self, within_s: float) -> bool:
        """Return whether this node leads and heard a majority within *within_s*."""
        if self.core is None:
            return False
        facts = self.facts()
        return facts.is_leader and self.guard.has_quorum_contact(facts, within_s)

    def _on_core_sends(self, node: str, message: Message) -> bool:
        if self.core is None:
            return False
        self._do(self.guard.send(node, message, self.facts(), self.journal))
        return True

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if self.core is None:
                return
            match action:
                case Deliver(node, message, is_rollback):
                    self.core.deliver(node, message, is_rollback)
                case Send(node, message, is_held):
                    self._post(node, message, is_held)
                case NeedSnapshot(node):
                    self._on_need_snapshot(node)
                case Stop(why):
                    self._on_stop(why)

    def _post(self, node: str, message: Message, is_held: bool) -> None:
        if not is_held or self.journal.is_durable:
            if self._send(node, message):
                self.guard.sent(node, message)
            return
        term = self.facts().term
        self._outbox.append((self.journal.sequence, term, node, message))
        now_s = self._seconds()
        if isinstance(message, Ack) and now_s - self._alive_s.get(node, 0.0) > ALIVE_EVERY_S:
            # A slow disk must not look like a dead node.
            self._alive_s[node] = now_s
            self._send(node, ALIVE)

    def _release(self) -> None:
        if not self._outbox:
            return
        current_term = self.facts().term
        while self._outbox and self._outbox[0][0] <= self.journal.durable_sequence:
            _, term, node, message = self._outbox.popleft()
            if term == current_term:
                self._send(node, message)
