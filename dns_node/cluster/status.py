"""What STATUS shows of a replica."""

from dataclasses import dataclass

from dns_node.cluster.bindings import Bindings
from dns_node.cluster.participation import Participation
from dns_node.cluster.standings import Standings


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member: its role, applied index, and seconds since the leader heard it."""

    node: str
    role: str
    applied_index: int
    silence_s: float
    is_connected: bool


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """*role* is ``leader``, ``follower``, ``learner``, ``edge``, ``waiting`` (no cluster yet) or
    ``stopped`` (then *why* says what is wrong); *log_entries* counts what is beyond the base;
    *alarms* are what somebody has to look at."""

    node: str
    role: str
    why: str = ""
    leader: str | None = None
    term: int = 0
    commit_index: int = 0
    applied_index: int = 0
    durable_applied_index: int = 0
    journal_durable_index: int = 0
    log_entries: int = 0
    log_octets: int = 0
    checkpoint: int = 0
    revision: int = 0
    members: tuple[MemberStatus, ...] = ()
    alarms: tuple[str, ...] = ()


def describe(
    life: Participation, standings: Standings, bindings: Bindings, failure: str, now_s: float
) -> ReplicaStatus:
    """Return the status of a replica that is open."""
    role, leader, term, commit_index = "waiting", None, 0, 0
    core = life.consensus.core
    if core is not None:
        facts, leader = core.facts(), core.leader()
        term, commit_index = facts.term, facts.commit_index
        role = "leader" if facts.is_leader else "follower" if core.is_voter else "learner"
        if role == "learner" and standings.members.get(life.node) == "edge":
            role = "edge"
    journal, applier = life.journal, life.applier
    return ReplicaStatus(
        life.node,
        "stopped" if failure else role,
        why=failure,
        leader=leader,
        term=term,
        commit_index=commit_index,
        applied_index=applier.applied_index,
        durable_applied_index=applier.durable_index,
        journal_durable_index=journal.durable_index,
        log_entries=max(0, journal.last_index - max(journal.first_index + 1, 1)),
        log_octets=journal.octets,
        checkpoint=standings.checkpoint,
        revision=applier.revision,
        members=tuple(
            MemberStatus(
                standing.node,
                standing.role,
                standing.applied_index,
                now_s - standing.heard_s,
                standing.node == life.node or standing.node in bindings.peers,
            )
            for standing in standings.all()
        ),
        alarms=(
            *filter(None, [standings.disk_alarm]),
            *life.digests.alarms.values(),
        ),
    )
