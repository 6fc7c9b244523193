"""Changes of the membership, in the order in which the membership driver makes them."""

import random

from dns_node.cluster.command import Done, FormCluster, Member, PutMember
from tests.simulation.cluster import Cluster

LAG_ENTRIES_MAX = 64


class Operator:
    """Takes votes away, gives them back, and brings nodes with an empty disk in again."""

    def __init__(self, cluster: Cluster, chance: random.Random):
        self._cluster, self._chance = cluster, chance
        self._is_busy_until_s = 0.0
        self.changes = 0
        self.wiped = ""
        self._resting: set[str] = set()

    def form(self):
        """Propose the cluster's first command at every node, as all of them may."""
        cluster = self._cluster
        members = tuple(
            Member(n, cluster.hosts[n].uuid, "voter", "") for n in sorted(cluster.voters)
        )
        for node in cluster.replicas:
            cluster.submit(node, cluster.command(FormCluster("cluster", members)))

    def change(self, node: str):
        """Let *node* lose its vote for a while."""
        if len(self._resting | {node} | {self.wiped} - {""}) * 2 < len(self._cluster.voters):
            self._resting ^= {node}

    def rush(self, one: str, other: str):
        """Take two votes away at once, as two impatient people might ask."""
        leader = self._leader()
        if leader in (None, one, other) or self._resting or self.wiped:
            return
        self._cluster.note(f"{one} and {other} are to lose their votes at once")
        replica = self._cluster.replicas[leader]
        for node in (one, other):
            if node in replica.journal.voters() and len(replica.journal.voters()) > 2:
                replica.change_voter(node, False)

    def rest_no_more(self):
        """Every node is to have a vote again."""
        self._resting.clear()

    def wipe(self, node: str):
        """Empty the disk of *node*, when every other node has a vote and what it needs."""
        cluster = self._cluster
        leader = self._leader()
        if self.wiped or leader in (None, node) or len(cluster.voters) < 3 or self._resting:
            return
        view = cluster.replicas[leader]
        if view.journal.voters() != cluster.voters or len(cluster.replicas) < len(cluster.voters):
            return
        if cluster.hosts[node].disk.is_full:
            return
        if not all(cluster.replicas[other].members for other in cluster.replicas):
            return  # Who was never told of the cluster may found another one with it.
        cluster.crash(node)
        cluster.wipe(node)
        self.wiped = node
        # It may even believe that it founds the cluster: nobody takes its vote.
        cluster.boot(node, self._chance.choice((None, cluster.voters)))

    def mend(self) -> bool:
        """Do the next thing that is due; False when there is none."""
        cluster = self._cluster
        leader = self._leader()
        if leader is None:
            return True
        if cluster.now_s < self._is_busy_until_s:
            return True
        replica = cluster.replicas[leader]
        members = replica.members
        if not members:
            self.form()
            self._is_busy_until_s = cluster.now_s + 1.0
            return True
        voters = replica.journal.voters()
        for node in sorted(cluster.hosts):
            if self._mend_node(node, leader, voters, members.get(node, ("", ""))):
                return True
        if self.wiped and members.get(self.wiped) == (cluster.hosts[self.wiped].uuid, "voter"):
            self.wiped = ""
        return False

    def _mend_node(self, node, leader, voters, member) -> bool:
        cluster = self._cluster
        host, replica = cluster.hosts[node], cluster.replicas[leader]
        uuid, role = member
        is_wanted = node not in self._resting
        is_new = uuid != host.uuid
        if node in voters and (is_new or not is_wanted):
            if node == leader:
                replica.transfer_leadership()
                self._wait(0.5)
                return True
            return self._change_voter(replica, node, False)
        if is_new or (node not in voters and role != "learner"):
            return self._put(leader, Member(node, host.uuid, "learner", ""))
        if host.replica is not None and not host.replica.is_formed and not host.replica.failure:
            if host.replica._life is not None:
                host.replica.form(voters)
            return True
        if not is_wanted:
            return False
        if node not in voters:
            lag = replica.lag(node)
            if lag is None or lag > LAG_ENTRIES_MAX:
                return True
            return self._change_voter(replica, node, True)
        if role != "voter":
            return self._put(leader, Member(node, host.uuid, "voter", ""))
        return False

    def _change_voter(self, replica, node: str, is_added: bool) -> bool:
        cluster = self._cluster
        cluster.note(f"{node} is to {'get a' if is_added else 'lose its'} vote")
        self._wait(1.0)

        def ended(why):
            cluster.note(f"vote of {node}: {why or 'changed'}")
            self.changes += not why
            self._is_busy_until_s = min(self._is_busy_until_s, cluster.now_s + 0.1)

        replica.change_voter(node, is_added).addCallback(ended)
        return True

    def _put(self, leader: str, member: Member) -> bool:
        cluster = self._cluster
        cluster.note(f"{member.node} is to be a {member.role}")
        self._wait(5.5)
        command = cluster.command(PutMember(member))

        def ended(answer):
            if isinstance(answer, Done):
                self._is_busy_until_s = 0.0

        cluster.replicas[leader].propose(command).addCallback(ended)
        return True

    def _wait(self, seconds: float):
        self._is_busy_until_s = self._cluster.now_s + seconds

    def _leader(self) -> str | None:
        """Return the leader, when it has applied an entry of its own term."""
        leader = self._cluster.leader()
        if leader is None or self._cluster.is_paused(leader):
            return None
        replica = self._cluster.replicas[leader]
        life = replica._life
        is_new = life.journal.term_at(life.applier.applied_index) == life.consensus.facts().term
        return leader if is_new else None
