"""Carries out what `membership` decides: forming, welcoming, binding, promoting, leaving."""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from dns_node.cluster.channel import Channel
from dns_node.cluster.cluster_log import ClusterLog
from dns_node.cluster.command import (
    Done,
    DropMember,
    FormCluster,
    Member,
    PutMember,
    RaiseSchema,
    Refused,
    Unknown,
)
from dns_node.cluster.hello import Refusal
from dns_node.cluster.membership import (
    LEAVING,
    AddVoter,
    Change,
    Drop,
    Form,
    HandOver,
    Put,
    Raise,
    RemoveVoter,
    SendWelcome,
    Situation,
    TurnAway,
    check_removal,
    find_change,
    find_wish,
    find_words,
    may_form,
)
from dns_node.cluster.transport import Transport
from dns_node.cluster.welcome import No, NotNow, Redirect, Welcome, compose, hash_token, parse
from dns_node.errors import WireError
from dns_node.store.layout import STORE_SCHEMA

STEP_S = 0.25
LAG_ENTRIES_MAX = 64
CAUGHT_UP_S = 1.0
WELCOME_EVERY_S = 1.0
REMOVAL_S = 5.0
KIND = "welcome"

log = Logger(namespace="dns_node.cluster.membership")


class MembershipDriver:
    """Keeps the cluster's membership in order from this node's place in it.

    Call `frame_received` for frames of kind ``welcome``, `refused` for `Transport.on_refused`,
    `serve_join` for side connections of kind ``join``.  *on_cluster(uuid)* is called when the
    cluster's uuid is first known (record it, durably, before returning); *on_removed(text)* when
    the cluster has told this node that it is no member any more.
    """

    def __init__(
        self,
        reactor: Any,
        node: str,
        uuid: str,
        configured: Mapping[str, str],
        transport: Transport,
        cluster_log: ClusterLog,
        new_uuid: Callable[[], str],
        cluster_uuid: str = "",
        on_cluster: Callable[[str], None] = lambda uuid: None,
        on_removed: Callable[[str], None] = lambda text: None,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        self.cluster_uuid = cluster_uuid
        self.is_removed = False
        self._reactor = reactor
        self._node, self._uuid = node, uuid
        self._configured, self._roles = dict(configured), dict(roles or {})
        self._founders = {
            each: raft_loc for each, raft_loc in configured.items() if self._role(each) == "voter"
        }
        self._transport = transport
        self._log = cluster_log
        self._new_uuid = new_uuid
        self._on_cluster = on_cluster
        self._on_removed = on_removed
        self._welcomed: dict[str, Member] = {}
        self._close_since_s: dict[str, float] = {}
        self._welcome_at_s: dict[str, float] = {}
        self._is_busy = False
        self._failed: Change | None = None
        self._dialed: dict[str, str] = {}
        self._stepping = LoopingCall(self.step)
        self._stepping.clock = reactor

    def start(self) -> None:
        """Begin to look after the membership, four times a second."""
        self._stepping.start(STEP_S).addErrback(
            lambda failure: log.failure("membership has stopped", failure)
        )

    def stop(self) -> None:
        """Look after it no more."""
        if self._stepping.running:
            self._stepping.stop()

    def hello_fields(self) -> dict[str, Any]:
        """Return what the hello says about membership: cluster uuid, role, virgin."""
        member = self._table().get(self._node)
        role = self._role(self._node)
        if member is not None and member.role != "learner":
            role = member.role
        elif role == "voter" and (member is not None or self._node not in self._configured):
            role = "joiner"  # It has no vote yet, and wants one.
        return {
            "cluster_uuid": self.cluster_uuid,
            "role": role,
            "virgin": not self._log.is_formed(),
            "schema": self._log.schema() if self._log.cluster_uuid() else 0,
            "reads": STORE_SCHEMA,
        }

    def step(self) -> None:
        """Do what is to be done now; errors are logged and the next step tries again."""
        if self.is_removed:
            return
        try:
            self._learn_cluster(self._log.cluster_uuid())
            self._dial()
            if not self._log.is_formed():
                self._try_to_form()
            elif self._log.is_leading():
                self._lead()
            else:
                self._close_since_s.clear()
        except Exception:
            log.failure("a step of the membership failed")

    def frame_received(self, node: str, body: bytes) -> None:
        """Take a welcome from the leader *node*; one that isn't for this node has no effect."""
        try:
            welcome = parse(body)
        except WireError as error:
            log.warn("node {node} sent {error}", node=node, error=error)
            return
        if isinstance(welcome, Welcome):
            self.enter(welcome)

    def enter(self, welcome: Welcome) -> bool:
        """Begin to follow the log of the cluster that welcomed this node; return whether it did:
        not when it is in a cluster already, or the welcome is for another data directory."""
        member = {each.node: each for each in welcome.members}.get(self._node)
        is_ours = member is not None and member.uuid == self._uuid
        if not is_ours or self.cluster_uuid not in ("", welcome.cluster_uuid):
            return False
        if self._log.is_formed():
            # It ended before it had the member table: whom to dial is what it lacks.
            if not self._log.members():
                self._welcomed = {each.node: each for each in welcome.members}
                self._dial()
            return False
        log.info("welcomed by cluster {uuid}", uuid=welcome.cluster_uuid)
        self._welcomed = {each.node: each for each in welcome.members}
        self._learn_cluster(welcome.cluster_uuid)
        self._log.form(frozenset(welcome.voters))
        self._transport.say_hello()
        self._dial()
        return True

    def refused(self, who: str, refusal: Refusal) -> None:
        """Take what a peer said when it refused this node."""
        if refusal.code == "removed" and not self.is_removed:
            self.is_removed = True
            self._transport.set_peers({})
            log.error("{text}", text=refusal.text)
            self._on_removed(refusal.text)

    async def serve_join(self, channel: Channel) -> None:
        """Answer a node that asks to join with a token."""
        answer = await self._judge_join(channel)
        await channel.send(compose(answer))
        channel.close()

    def location(self, node: str) -> str:
        """Return where *node* listens ('host:port'), '' when that isn't known."""
        return self._dialed.get(node, "")

    async def admit(self, node: str, raft_loc: str) -> Done | Refused | Unknown:
        """Let *node* at *raft_loc* in without a token; its data directory is bound when it comes.
        A member whose address changes keeps its place."""
        known = self._log.members().get(node)
        uuid, role = (known.uuid, known.role) if known is not None else ("", "learner")
        return await self._log.propose((PutMember(Member(node, uuid, role, raft_loc)),))

    async def remove(self, node: str) -> Done | Refused | Unknown:
        """Remove the member *node*, from any node; Done when its vote has ended too."""
        members = self._log.members()
        why = check_removal(node, members, frozenset(self._transport.peers()) | {self._node})
        if why:
            return Refused((why,))
        known = members[node]
        leaving = Member(node, known.uuid, LEAVING, known.raft_loc)
        outcome = await self._log.propose((PutMember(leaving),))
        deadline_s = self._reactor.seconds() + REMOVAL_S
        while isinstance(outcome, Done) and not self.is_removed and node in self._log.members():
            if self._reactor.seconds() > deadline_s:
                note = f"node {node} is leaving; it is gone once a majority of the rest is here"
                return Done(outcome.revision, outcome.changed, outcome.zones, (note,))
            await deferLater(self._reactor, 0.05)
        return outcome

    # Inside.

    def _table(self) -> Mapping[str, Member]:
        return self._log.members() or self._welcomed

    def _role(self, node: str) -> str:
        return self._roles.get(node, "voter")

    def _dial(self) -> None:
        table = self._table()
        wanted = {node: member.raft_loc for node, member in table.items() if member.raft_loc}
        wanted = wanted or self._configured
        if self._role(self._node) == "edge":
            # Any number of edges may be there; they have nothing to say to each other.
            edges = {node for node, member in table.items() if member.role == "edge"}
            edges |= {node for node, role in self._roles.items() if role == "edge"}
            wanted = {node: at for node, at in wanted.items() if node not in edges}
        if wanted != self._dialed:
            self._dialed = dict(wanted)
            self._transport.set_peers(wanted)

    def _learn_cluster(self, cluster_uuid: str) -> None:
        if cluster_uuid and cluster_uuid != self.cluster_uuid:
            self._on_cluster(cluster_uuid)
            self.cluster_uuid = cluster_uuid
            self._transport.say_hello()

    def _try_to_form(self) -> None:
        if not self.cluster_uuid and may_form(
            self._node, self._founders, self._transport.peers()
        ):
            self._log.form(frozenset(self._founders))
            self._transport.say_hello()

    def _lead(self) -> None:
        situation = Situation(
            self._node,
            self.cluster_uuid,
            self._configured,
            self._log.members(),
            self._log.voters(),
            self._transport.peers(),
            self._find_caught_up(),
            self._roles,
            self._log.schema(),
            STORE_SCHEMA,
        )
        for word in find_words(situation):
            self._say(word)
        if self._is_busy:
            return
        change = find_change(situation)
        if change is not None:
            self._is_busy = True
            Deferred.fromCoroutine(self._make(change)).addBoth(self._made, change)

    def _find_caught_up(self) -> frozenset[str]:
        now_s = self._reactor.seconds()
        for node, member in self._log.members().items():
            lag = self._log.lag(node) if member.role == "learner" else None
            if lag is None or lag > LAG_ENTRIES_MAX:
                self._close_since_s.pop(node, None)
            else:
                self._close_since_s.setdefault(node, now_s)
        return frozenset(
            node for node, since_s in self._close_since_s.items() if now_s - since_s >= CAUGHT_UP_S
        )

    def _say(self, word: SendWelcome | TurnAway) -> None:
        if isinstance(word, TurnAway):
            self._transport.refuse(word.node, word.code, word.text)
            return
        now_s = self._reactor.seconds()
        if now_s - self._welcome_at_s.get(word.node, float("-inf")) >= WELCOME_EVERY_S:
            self._welcome_at_s[word.node] = now_s
            self._log.send(word.node, KIND, compose(self._welcome()))

    def _welcome(self) -> Welcome:
        members = tuple(self._log.members().values())
        voters = tuple(sorted(self._log.voters()))
        return Welcome(self._log.cluster_uuid(), voters, members)

    async def _make(self, change: Change) -> Any:
        match change:
            case Form(members):
                own = [m if m.node != self._node else self._own(m) for m in members]
                return await self._log.propose((FormCluster(self._new_uuid(), tuple(own)),))
            case Put(member):
                return await self._log.propose((PutMember(member),))
            case Drop(node):
                return await self._log.propose((DropMember(node),))
            case AddVoter(node):
                return await self._log.change_voter(node, True)
            case RemoveVoter(node):
                return await self._log.change_voter(node, False)
            case Raise(schema):
                return await self._log.propose((RaiseSchema(schema),))
            case HandOver():
                return "" if self._log.transfer_leadership() else "nobody can lead instead"

    def _own(self, member: Member) -> Member:
        return Member(member.node, self._uuid, member.role, member.raft_loc)

    def _made(self, result: Any, change: Change) -> None:
        self._is_busy = False
        if isinstance(result, Done) or result == "":
            self._failed = None
            log.debug("membership: {change}", change=change)
        elif self._failed != change:
            # It is tried again at each step, and said once.
            self._failed = change
            log.warn("membership: {change} not yet: {why}", change=change, why=result)

    async def _judge_join(self, channel: Channel) -> Welcome | Redirect | NotNow | No:
        if not self._log.is_leading():
            leader = self._log.leader()
            member = self._log.members().get(leader or "")
            if leader == self._node or member is None or not member.raft_loc:
                return NotNow("there is no leader at the moment")
            return Redirect(member.node, member.raft_loc)
        peer, token_hash = channel.peer, hash_token(channel.token)
        known = self._log.members().get(peer.node)
        if known is not None and known.uuid == peer.uuid:
            return self._welcome()
        if not self._log.is_token_good(token_hash):
            return No(("the token is unknown, used or has ended; make another with JOIN-TOKEN",))
        if known is not None and known.uuid and self._is_connected(known):
            return No((f"node {peer.node} is here already; choose another id with -n",))
        if peer.node in self._log.voters():
            # The old self's vote ends before the new one is bound (I7).
            why = await self._log.change_voter(peer.node, False)
            if why:
                return NotNow(f"node {peer.node} can't be replaced yet: {why}")
        is_edge = find_wish(peer.node, peer, self._roles) == "edge"
        role = "edge" if is_edge else "learner"
        member = Member(peer.node, peer.uuid, role, peer.raft_loc)
        outcome = await self._log.propose((PutMember(member, token_hash),))
        match outcome:
            case Done():
                return self._welcome()
            case Refused(reasons) if not self._log.is_token_good(token_hash):
                return No(reasons)
            case Refused(reasons):
                # It was not judged: the leader has changed, or is too busy.
                return NotNow(" ".join(reasons).rstrip("."))
            case Unknown(_, why):
                return NotNow(why)

    def _is_connected(self, member: Member) -> bool:
        peer = self._transport.peers().get(member.node)
        return peer is not None and peer.uuid == member.uuid
