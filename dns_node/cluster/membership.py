"""Who belongs to the cluster: decisions, from a value that describes the situation.  Pure.

The member table in the store says what should be; the leader makes raft's voters follow it, one
change at a time.  A row without a raft voter behind it, or the reverse, is what a leader that died
half-way leaves behind, and each case below goes on from there:

* leave: the row says `LEAVING` first (any node proposes that), then the voter is removed, then the
  row is dropped: until then its acks count, which two voters that become one can't do without;
* replace (a wiped data directory): the voter is removed first, then the row gets the new uuid as a
  learner; so a learner's row that has a voter behind it is always one that was just promoted;
* promote: the voter is added first, then the row says so.

The schema of the store and the log rises when every member there is, connected and known by its
uuid, runs a release that reads the newer one: an entry that somebody can't read is never proposed.

An edge is never promoted, and neither is a learner that is configured as one: here, or at that
node (its hello says so).  To give an edge a vote, remove it and let it join again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dns_node.cluster.command import Member
from dns_node.cluster.hello import Peer, id_order

LEAVING = "leaving"
"""The role of a member that is to be removed; as before, until the leader has done so."""

FOLLOWING = ("learner", "edge")
"""Who serves and follows, and never votes."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the leader *node* knows.

    *configured* maps the ids of the configuration to their 'host:port', *roles* to what they are
    to be there (``voter`` unless it says otherwise); *members* is the table in
    the store; *voters* are raft's; *peers* are connected; *caught_up* are learners that have been
    close behind for a second.  *schema* is the cluster's, *reads* the newest that this node reads.
    """

    node: str
    cluster_uuid: str
    configured: Mapping[str, str]
    members: Mapping[str, Member]
    voters: frozenset[str]
    peers: Mapping[str, Peer]
    caught_up: frozenset[str] = frozenset()
    roles: Mapping[str, str] = field(default_factory=dict)
    schema: int = 0
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """Propose the first command, with these members."""

    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Propose this row of the member table."""

    member: Member


@dataclass(frozen=True, slots=True)
class AddVoter:
    """Make *node* a voter of raft."""

    node: str


@dataclass(frozen=True, slots=True)
class RemoveVoter:
    """Take the vote of *node* away in raft."""

    node: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Propose that *node* is a member no more."""

    node: str


@dataclass(frozen=True, slots=True)
class HandOver:
    """Let another node lead: this one is to leave."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Propose to go on with *schema*."""

    schema: int


@dataclass(frozen=True, slots=True)
class SendWelcome:
    """Tell *node* about the cluster that it is a member of and doesn't know yet."""

    node: str


@dataclass(frozen=True, slots=True)
class TurnAway:
    """Disconnect *node* and tell it why (*code* ``removed`` or ``stranger``)."""

    node: str
    code: str
    text: str


Change = Form | Put | Drop | AddVoter | RemoveVoter | HandOver | Raise
Word = SendWelcome | TurnAway


def may_form(node: str, configured: Mapping[str, str], peers: Mapping[str, Peer]) -> bool:
    """Return whether the virgin *node* starts raft as a voter among the *configured* voters: a
    majority of them is connected (itself counted) and nobody here knows a cluster (I7)."""
    if node not in configured or any(peer.cluster_uuid for peer in peers.values()):
        return False
    reached = {node} | (peers.keys() & configured.keys())
    return len(reached) * 2 > len(configured)


def find_words(situation: Situation) -> tuple[Word, ...]:
    """Return what the leader has to tell the connected peers."""
    if not situation.members:
        return ()
    words: list[Word] = []
    for node, peer in sorted(situation.peers.items()):
        member = situation.members.get(node)
        if member is not None:
            if member.uuid == peer.uuid and peer.virgin:
                words.append(SendWelcome(node))
        elif peer.cluster_uuid:
            text = (
                f"node {node} was removed from cluster {situation.cluster_uuid}; to bring it back, "
                "move its data directory away and join again"
            )
            words.append(TurnAway(node, "removed", text))
        elif node not in situation.configured:
            text = (
                f"node {node} is no member and not configured here; start it with "
                "--join HOST:PORT --token T (a member's console makes T: JOIN-TOKEN)"
            )
            words.append(TurnAway(node, "stranger", text))
    return tuple(words)


def find_change(situation: Situation) -> Change | None:
    """Return the one change that the leader makes next, None when all is as it should be."""
    if not situation.members:
        return _form(situation)
    return (
        _find_leaving(situation)
        or next(
            (
                change
                for node in sorted(situation.members, key=id_order)
                if (change := _find_change_of(situation, situation.members[node])) is not None
            ),
            None,
        )
        or _find_newcomer(situation)
        or _find_raise(situation)
    )


def check_removal(node: str, members: Mapping[str, Member], connected: frozenset[str]) -> str:
    """Return why the member *node* can't be removed, '' when it can.  *connected* are the nodes
    that can be reached, this one counted."""
    if node not in members:
        return f"there is no member {node}; see MEMBERS"
    if members[node].role not in ("voter", LEAVING):
        return ""
    rest = {other for other, member in members.items() if member.role == "voter"} - {node}
    if not rest:
        return f"node {node} is the only voter; the cluster would be gone"
    if len(rest & connected) * 2 <= len(rest):
        missing = ", ".join(sorted(rest - connected))
        return f"without node {node} there would be no majority: {missing} can't be reached"
    return ""


def _form(situation: Situation) -> Form:
    # The uuids of those that were never heard stay open; they are bound when they come.
    uuids = {node: peer.uuid for node, peer in situation.peers.items()}
    locations = dict(situation.configured)
    return Form(
        tuple(
            Member(node, uuids.get(node, ""), "voter", locations.get(node, ""))
            for node in sorted(situation.voters, key=id_order)
        )
    )


def _find_leaving(situation: Situation) -> Change | None:
    leaving = {n for n, member in situation.members.items() if member.role == LEAVING}
    # A voter that has no row at all was dropped by hand.
    for node in sorted(leaving | (situation.voters - situation.members.keys()), key=id_order):
        if node not in situation.voters:
            return Drop(node)
        if node != situation.node:
            return RemoveVoter(node)
        if len(situation.voters) > 1:
            return HandOver()
    return None


def _find_change_of(situation: Situation, member: Member) -> Change | None:
    node, peer = member.node, situation.peers.get(member.node)
    has_vote = node in situation.voters
    if peer is not None and peer.cluster_uuid not in ("", situation.cluster_uuid):
        peer = None
    if peer is not None and not member.uuid:
        return Put(Member(node, peer.uuid, member.role, peer.raft_loc or member.raft_loc))
    if peer is not None and peer.uuid != member.uuid and peer.virgin:
        return _find_replacement(situation, member, peer)
    if member.role == "voter" and not has_vote:
        return Put(Member(node, member.uuid, "learner", member.raft_loc))
    if member.role == "learner" and has_vote:
        return Put(Member(node, member.uuid, "voter", member.raft_loc))
    if peer is None or peer.uuid != member.uuid:
        return None
    if peer.raft_loc and peer.raft_loc != member.raft_loc:
        return Put(Member(node, member.uuid, member.role, peer.raft_loc))
    if member.role != "learner":
        return None
    wish = find_wish(node, peer, situation.roles)
    if wish == "edge":
        return Put(Member(node, member.uuid, "edge", member.raft_loc))
    if wish == "voter" and node in situation.caught_up and _are_voters_here(situation):
        return AddVoter(node)
    return None


def find_wish(node: str, peer: Peer, roles: Mapping[str, str]) -> str:
    """Return what *node* is to be in the end: by its own hello if that asks for less than a vote,
    else by the configuration here."""
    return peer.role if peer.role in FOLLOWING else roles.get(node, "voter")


def _find_replacement(situation: Situation, member: Member, peer: Peer) -> Change | None:
    """An emptied data directory came back under a bound id: its vote ends before it is bound."""
    node = member.node
    if node not in situation.voters:
        role = "learner" if member.role == "voter" else member.role
        return Put(Member(node, peer.uuid, role, peer.raft_loc or member.raft_loc))
    rest = situation.voters - {node}
    here = sum(_is_here(situation, other) for other in rest)
    return RemoveVoter(node) if here * 2 > len(rest) else None


def _find_newcomer(situation: Situation) -> Change | None:
    """A configured node that was not configured when the cluster formed is let in as a learner;
    one that was removed is not virgin, and stays out."""
    for node in sorted(situation.configured.keys() - situation.members.keys(), key=id_order):
        peer = situation.peers.get(node)
        if peer is not None and peer.virgin and not peer.cluster_uuid:
            location = peer.raft_loc or situation.configured[node]
            is_edge = find_wish(node, peer, situation.roles) == "edge"
            return Put(Member(node, peer.uuid, "edge" if is_edge else "learner", location))
    return None


def _find_raise(situation: Situation) -> Raise | None:
    """Everybody who applies the log counts, whether with a vote or not."""
    if not all(_is_here(situation, node) for node in situation.members):
        return None
    others = (situation.peers[node].reads for node in situation.members if node != situation.node)
    schema = min([situation.reads, *others])
    return Raise(schema) if schema > situation.schema else None


def _are_voters_here(situation: Situation) -> bool:
    return all(_is_here(situation, node) for node in situation.voters)


def _is_here(situation: Situation, node: str) -> bool:
    if node == situation.node:
        return True
    peer, member = situation.peers.get(node), situation.members.get(node)
    return peer is not None and member is not None and peer.uuid == member.uuid
