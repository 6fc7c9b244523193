"""What this node knows of the other members, and who waits for them."""

from collections.abc import Callable

from dns_node.cluster.checkpoint import (
    LIVE_S,
    Standing,
    Table,
    find_checkpoint,
    judge_visible,
    may_end_waiting,
)

TABLE_EVERY_S = 0.04
TABLE_AGES_EVERY_S = 1.0

Visible = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


class Standings:
    """The members' applied indexes: heard by the leader itself, told by it to the others."""

    def __init__(self, node: str, seconds: Callable[[], float]):
        self.node = node
        self._seconds = seconds
        self.members: dict[str, str] = {}
        """Role of every member, this node counted."""
        self.own_applied = self.own_durable = 0
        self.checkpoint = 0
        self.pins: dict[str, int] = {}
        """Indexes that running snapshots need the log from, by what pins them."""
        self.disk_alarm = ""
        """Not empty: this node's disk is nearly full (`control.disk_reserve`)."""
        self.low_on_disk: set[str] = set()
        """The others that said the same."""
        self._others: dict[str, Standing] = {}
        self._began_s = seconds()
        self.version = 0
        self._told: tuple[int, tuple[tuple[str, int], ...]] = (0, ())
        self._told_s = float("-inf")
        self._waits: list[tuple[int, str, float, Callable[[Visible], None]]] = []

    def begin_leading(self) -> None:
        """From now on this node hears the others itself; their silence begins now."""
        self._began_s = self._seconds()

    def hear(self, node: str, applied_index: int, durable_applied_index: int) -> None:
        """An envelope of *node* arrived."""
        self._put(node, applied_index, durable_applied_index, self._seconds())

    def learn(self, leader: str, table: Table) -> None:
        """The leader's table arrived."""
        self.checkpoint = max(self.checkpoint, table[0])
        now_s = self._seconds()
        for node, applied_index, age_ms in table[1]:
            if node not in (self.node, leader):
                self._put(node, applied_index, 0, now_s - age_ms / 1000)
        self.check_waits()

    def find_checkpoint(self, log_octets: int, log_octets_max: int, absent_s_max: float) -> int:
        """Return the checkpoint that this leader can give, and remember it."""
        others = [standing for standing in self._all() if standing.node != self.node]
        found = find_checkpoint(
            self.own_durable, others, log_octets, self._seconds(), log_octets_max, absent_s_max
        )
        self.checkpoint = max(self.checkpoint, found)
        return self.checkpoint

    def retained_from(self) -> int:
        """Return up to where the log may be dropped here.  An edge leads nobody: it keeps none."""
        if self.members.get(self.node) == "edge":
            return min([self.own_durable, *self.pins.values()])
        return min([self.checkpoint, self.own_durable, *self.pins.values()])

    def table(self) -> Table:
        """Return what this leader broadcasts."""
        now_s = self._seconds()
        return self.checkpoint, tuple(
            (standing.node, standing.applied_index, int((now_s - standing.heard_s) * 1000))
            for standing in self._all()
        )

    def is_table_new(self) -> bool:
        """Return whether the table should be broadcast, and count that as done."""
        now_s = self._seconds()
        facts = (self.checkpoint, tuple((s.node, s.applied_index) for s in self._all()))
        patience_s = TABLE_AGES_EVERY_S if facts == self._told else TABLE_EVERY_S
        if now_s - self._told_s < patience_s:
            return False
        self._told, self._told_s = facts, now_s
        self.version += 1
        return True

    def wait(
        self, index: int, mode: str, deadline_s: float, on_end: Callable[[Visible], None]
    ) -> None:
        """Call *on_end* with who serves entry *index*, who not yet, who is unreachable: as soon as
        *mode* is satisfied, or after *deadline_s*."""
        self._waits.append((index, mode, self._seconds() + deadline_s, on_end))
        self.check_waits()

    def check_waits(self) -> None:
        """End the waits that are satisfied or over."""
        now_s = self._seconds()
        for wait in list(self._waits):
            index, mode, deadline_s, on_end = wait
            standings = self._all()
            judged = judge_visible(index, standings, now_s)
            if mode == "quorum":
                # Who follows without a vote costs the quorum nothing.
                voters = [s for s in standings if s.role not in ("learner", "edge")]
                counted = judge_visible(index, voters, now_s)
            else:
                counted = judged
            if may_end_waiting(mode, *map(len, counted)) or now_s >= deadline_s:
                self._waits.remove(wait)
                on_end(judged)

    def all(self) -> list[Standing]:
        """Return every member's standing, by node id."""
        return self._all()

    def find_successor(self) -> str | None:
        """Return the voter that should lead instead of this one, whose disk is nearly full: the
        furthest that is live and has space; None when there is none."""
        now_s = self._seconds()
        fit = [
            standing
            for standing in self._all()
            if standing.role == "voter"
            and standing.node != self.node
            and standing.node not in self.low_on_disk
            and now_s - standing.heard_s <= LIVE_S
        ]
        return max(fit, key=lambda s: s.applied_index).node if fit else None

    def _put(self, node: str, applied: int, durable: int, heard_s: float) -> None:
        role = self.members.get(node, "")
        self._others[node] = Standing(node, role, applied, durable, heard_s)

    def _all(self) -> list[Standing]:
        standings = []
        for node, role in sorted(self.members.items()):
            known = self._others.get(node)
            if node == self.node:
                now_s = self._seconds()
                standings.append(Standing(node, role, self.own_applied, self.own_durable, now_s))
            elif known is None:
                standings.append(Standing(node, role, 0, 0, self._began_s))
            else:
                heard_s = known.heard_s
                standings.append(
                    Standing(node, role, known.applied_index, known.durable_applied_index, heard_s)
                )
        return standings
