"""The way of a client's question that our zones do not answer, from the dispatcher to the sender.

Message cache, limits, policy, resolution, reply.  It never raises: a fault of the program is
SERVFAIL to the client and a call of *report*.
"""

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dns_node.answer.access import ANYONE
from dns_node.answer.query import REFUSED, SERVFAIL, Edns, Query
from dns_node.answer.respond import Client, Drop, Recurse, Reply, respond, respond_servfail
from dns_node.answer.sections import Sections
from dns_node.metrics import INDEX, Counters
from dns_node.net.answering import Answering, Local, Send
from dns_node.net.recursion.admission import Admission, Admitted, Excess
from dns_node.net.recursion.kept import Messages, find_kept
from dns_node.net.recursion.local_zones import LocalZones
from dns_node.net.recursion.questions import Line, Questions
from dns_node.net.recursion.stages import Stage
from dns_node.resolver.budget import Budget
from dns_node.resolver.message_cache import Key
from dns_node.resolver.policy.policy import Policy, Ruling
from dns_node.resolver.policy.verdict import (
    Answered,
    Dropped,
    Request,
    Resolve,
    Truncated,
    Verdict,
)
from dns_node.resolver.question import ExtendedError, Outcome, Question, Security
from dns_node.resolver.reply import CD, compose_reply
from dns_node.resolver.resolution import Resolution
from dns_node.resolver.resolver import Resolver

if TYPE_CHECKING:
    from dns_node.net.recursion.native_miss import NativeMiss

_QUESTIONS: Final = INDEX["recursion_questions"]
_IN_FLIGHT: Final = INDEX["recursion_in_flight"]
_ANSWERED: Final = INDEX["recursion_answered"]
_JOINED: Final = INDEX["recursion_joined"]
_DISCARDED: Final = INDEX["recursion_discarded"]
_STALE: Final = INDEX["recursion_stale"]
_BOGUS: Final = INDEX["recursion_bogus"]
_SECURE: Final = INDEX["recursion_secure"]
_POLICY: Final = INDEX["recursion_policy"]
_FAULTS: Final = INDEX["recursion_faults"]
_HITS: Final = INDEX["message_cache_hits"]
_MISSES: Final = INDEX["message_cache_misses"]
_OVER: Final = {
    Excess.WORKER: INDEX["recursion_over_worker"],
    Excess.CLIENT: INDEX["recursion_over_client"],
    Excess.NAME: INDEX["recursion_over_name"],
}

FAULT: Final = Outcome(SERVFAIL, errors=(ExtendedError(0, "internal fault"),))
TOO_MANY: Final = Outcome(REFUSED, errors=(ExtendedError(0, "too many questions at once"),))

TC: Final = 0x02
"""TC, in the third octet of a message."""


class Asked:
    """One question of a client on its way."""

    __slots__ = (
        "admitted", "began_s", "budget", "has_local", "local", "octets", "recurse", "ruling",
        "send",
    )  # fmt: skip

    def __init__(self, recurse: Recurse, octets: bytes, local: Local, send: Send, began_s: float):
        self.recurse = recurse
        self.octets = octets
        self.local = local
        self.send = send
        self.began_s = began_s
        self.admitted: Admitted | None = None
        self.ruling: Ruling | None = None
        self.budget: Budget | None = None
        self.has_local = False


class Pipeline:
    """Resolves for the clients of one worker (`net.answering.Recursion`).

    *resolver* and *policy* may be replaced at any time; what goes on goes on with the old ones.
    """

    def __init__(
        self,
        answering: Answering,
        admission: Admission,
        questions: Questions,
        messages: Messages,
        resolver: Resolver,
        policy: Policy,
        clock: Any,
    ):
        self._answering = answering
        self._counters: Counters = answering.counters
        self.admission = admission
        self.questions = questions
        self.messages = messages
        self.resolver = resolver
        self.policy = policy
        self.is_stopping = False
        self.shortcut: NativeMiss | None = None
        self._clock = clock
        self.zones = LocalZones(answering)
        self._lookup = Stage(self._counters, "cache_lookup")
        self._dispatcher = Stage(self._counters, "query_dispatcher")
        self._resolving = Stage(self._counters, "resolver")
        self._writer = Stage(self._counters, "cache_writer")
        self._encoder = Stage(self._counters, "encoder")
        self._sender = Stage(self._counters, "sender")

    def take(self, recurse: Recurse, octets: bytes, local: Local, send: Send) -> None:
        """Resolve, and have *send* called with the reply, or with None; see `Recursion.take`."""
        waited_s = recurse.waited_s
        asked = Asked(recurse, octets, local, send, time.perf_counter() - waited_s)
        if waited_s:
            limits = self.resolver.settings.limits
            asked.budget = Budget(limits, self._clock.seconds() - waited_s)
        try:
            if self._answering.native is None and self._answer_kept(asked):
                return
            if self._admit(asked):
                self._dispatch(asked)
        except Exception as error:
            self._fault(asked, error)

    # ---- cache lookup: what the native core has done already where there is one

    def _answer_kept(self, asked: Asked) -> bool:
        recurse = asked.recurse
        if recurse.name != recurse.query.qname:
            return False  # it begins in our zones: these may change at any moment
        client = recurse.client
        if self.policy.depends_on_client and self.policy.names_client(client.address):
            return False
        reply = find_kept(self.messages, recurse, self._answering.settings, self._clock.seconds())
        self._lookup.done(time.perf_counter() - asked.began_s)
        self._counters.add(_MISSES if reply is None else _HITS)
        if reply is not None:
            self._answering.count_resolved(asked.octets, client, asked.local, reply)
            asked.send(reply.octets)
        return reply is not None

    # ---- query dispatcher: limits, policy, and who waits already

    def _admit(self, asked: Asked) -> bool:
        recurse = asked.recurse
        query, client = recurse.query, recurse.client
        is_known = client.is_tcp or recurse.has_good_cookie
        question = Question(recurse.name, query.qtype, query.qclass)
        admitted = self.admission.admit(client.address, is_known, question)
        if isinstance(admitted, Excess):
            self._counters.add(_OVER[admitted])
            self._dispatcher.fail()
            # Who may not exist hears nothing; the others need not wait.
            reply = self._compose(recurse, TOO_MANY) if is_known else None
            self._answering.count_resolved(asked.octets, client, asked.local, reply)
            asked.send(None if reply is None else reply.octets)
            return False
        asked.admitted = admitted
        self._counters.add(_QUESTIONS)
        self._counters.add(_IN_FLIGHT)
        self._resolving.enter()
        return True

    def _dispatch(self, asked: Asked) -> None:
        recurse = asked.recurse
        query, edns = recurse.query, recurse.query.edns
        question = Question(recurse.name, query.qtype, query.qclass)
        is_do = edns is not None and edns.is_do
        request = Request(question, recurse.client, is_do, bool(query.flags & CD))
        asked.ruling = self.policy.rule(request)
        step = asked.ruling.begin()
        self._dispatcher.done(time.perf_counter() - asked.began_s)
        self._follow(asked, step)

    def _follow(self, asked: Asked, step: Resolve | Verdict) -> None:
        """Do what policy wants next."""
        if not isinstance(step, Resolve):
            self._finish(asked, step)
            return
        is_cd = bool(asked.recurse.query.flags & CD)

        def take(outcome: Outcome, line: Line) -> None:
            asked.has_local |= line.has_local
            if line.resolution is not None:
                # What policy asks for beside is part of the same question, and costs no more.
                asked.budget = line.resolution.budget
            assert asked.ruling is not None
            try:
                self._follow(asked, asked.ruling.take(outcome))
            except Exception as error:
                self._fault(asked, error)

        line = self.questions.line(step.question, is_cd)
        if line is not None:
            self._counters.add(_JOINED)
            self.questions.join(line, take)
            return
        line = self.questions.open(step.question, is_cd, take, is_shared=True)
        if self.shortcut is not None and not is_cd:
            self.shortcut.prepare(step.question)
        self._begin(line, step.question, is_cd, asked.budget)

    def _begin(
        self,
        line: Line,
        question: Question,
        is_cd: bool,
        budget: Budget | None = None,
        *,
        is_refresh: bool = False,
    ) -> None:
        resolution = self.resolution(
            line, question, is_cd=is_cd, is_refresh=is_refresh, budget=budget
        )
        self.questions.begin(line, resolution)

    def resolution(
        self,
        line: Line,
        question: Question,
        *,
        is_cd: bool = False,
        is_refresh: bool = False,
        wants_steps: bool = False,
        budget: Budget | None = None,
    ) -> Resolution:
        """Return the resolution of *question* for *line*, not yet begun; our own zones, as they are
        then, have their part in it."""

        def look_up(of: Question) -> Sections | None:
            sections = self.zones.look_up(of)
            if sections is not None and sections.is_authoritative:
                line.has_local = True
            return sections

        return self.resolver.resolve(
            question,
            self._clock.seconds(),
            is_cd=is_cd,
            wants_steps=wants_steps,
            is_refresh=is_refresh,
            local=look_up,
            budget=budget,
        )

    def respond(self, octets: bytes, client: Client) -> Reply | Recurse | Drop:
        """Return what our own zones, as they are now, say to a query; for WHY."""
        view, now_s = self._answering.reader, self._clock.seconds()
        if view is None:
            return Drop()
        settings = msgspec.structs.replace(self._answering.settings, recursion=ANYONE, query=ANYONE)
        view.renew()
        try:
            return respond(octets, view, client, now_s, settings)
        finally:
            view.reset()

    # ---- what became of it

    def _finish(self, asked: Asked, verdict: Verdict) -> None:
        recurse, client = asked.recurse, asked.recurse.client
        self._release(asked)
        took_s = time.perf_counter() - asked.began_s
        self._resolving.done(took_s)
        reply: Reply | None = None
        if isinstance(verdict, Answered):
            outcome = verdict.outcome
            self._count(verdict, outcome)
            assert asked.ruling is not None
            if self.shortcut is not None and not asked.has_local:
                query = recurse.query
                self.shortcut.learn(Question(recurse.name, query.qtype, query.qclass), outcome)
            may_keep = verdict.is_shared and not asked.has_local and asked.ruling.is_current
            reply = self._compose(recurse, outcome, may_keep)
        elif isinstance(verdict, Truncated):
            self._counters.add(_POLICY)
            reply = _truncated(self._compose(recurse, Outcome(0)))
        else:
            assert isinstance(verdict, Dropped)
            self._counters.add(_POLICY)
        is_late = took_s > self.admission.limits.discard_s and not self.is_stopping
        # A failure is no larger than its question: nobody saves it up against somebody else.
        if reply is not None and is_late and reply.octets[3] & 15 == SERVFAIL:
            is_late = False
        if reply is not None and is_late and not (client.is_tcp or recurse.has_good_cookie):
            self._counters.add(_DISCARDED)
            reply = None
        self._answering.count_resolved(asked.octets, client, asked.local, reply)
        began_s = time.perf_counter()
        asked.send(None if reply is None else reply.octets)
        if reply is not None:
            self._counters.add(_ANSWERED)
            self._sender.done(time.perf_counter() - began_s)

    def _count(self, verdict: Answered, outcome: Outcome) -> None:
        if outcome.is_stale:
            self._counters.add(_STALE)
        if outcome.security is Security.BOGUS:
            self._counters.add(_BOGUS)
        elif outcome.security is Security.SECURE:
            self._counters.add(_SECURE)
        if verdict.rule:
            self._counters.add(_POLICY)
        if outcome.rcode == SERVFAIL:
            self._resolving.fail()

    def _compose(self, recurse: Recurse, outcome: Outcome, may_keep: bool = False) -> Reply:
        began_s = time.perf_counter()
        resolved = compose_reply(recurse, outcome, self._answering.settings)
        composed_s = time.perf_counter()
        self._encoder.done(composed_s - began_s)
        if may_keep and resolved.message and not self.policy.depends_on_client:
            now_s = self._clock.seconds()
            self.messages.put(resolved.key, resolved.message, resolved.ttl_s, now_s, resolved.error)
            self._writer.done(time.perf_counter() - composed_s)
        return resolved.reply

    def _release(self, asked: Asked) -> None:
        admitted, asked.admitted = asked.admitted, None
        if admitted is not None:
            self.admission.release(admitted)
            self._counters.add(_IN_FLIGHT, -1)
            self._resolving.enter(-1)

    def _fault(self, asked: Asked, error: Exception) -> None:
        self._counters.add(_FAULTS)
        self._answering.report("a question could not be resolved", error)
        self._release(asked)
        send, asked.send = asked.send, _nothing
        client = asked.recurse.client
        settings = self._answering.settings
        reply = respond_servfail(asked.octets, client, time.time(), settings)
        send(reply.octets if isinstance(reply, Reply) else None)

    # ---- nobody asks, but somebody will

    def refresh(self, key: Key) -> bool:
        """Ask again for a kept reply that is in use and about to end; return whether that was
        begun."""
        question = Question(key.qname, key.qtype, key.qclass)
        if self.is_stopping or self.questions.line(question, key.is_cd) is not None:
            return False
        if len(self.admission) >= self.admission.limits.questions // 2:
            return False  # clients first
        recurse = Recurse(_query_of(key), key.qname, Sections(), Client("127.0.0.1", 53))
        ruling = self.policy.rule(Request(question, None, key.is_do, key.is_cd))
        self._refresh_on(recurse, ruling, ruling.begin(), False)
        return True

    def _refresh_on(
        self, recurse: Recurse, ruling: Ruling, step: Resolve | Verdict, has_local: bool
    ) -> None:
        if isinstance(step, Resolve):
            is_cd = bool(recurse.query.flags & CD)

            def take(outcome: Outcome, line: Line) -> None:
                try:
                    is_local = has_local or line.has_local
                    self._refresh_on(recurse, ruling, ruling.take(outcome), is_local)
                except Exception as error:
                    self._answering.report("a reply could not be refreshed", error)

            line = self.questions.open(step.question, is_cd, take, is_shared=True)
            self._begin(line, step.question, is_cd, is_refresh=True)
        elif isinstance(step, Answered) and step.is_shared and not has_local and ruling.is_current:
            outcome = step.outcome
            # What is kept is better than no answer.
            self._compose(recurse, outcome, outcome.rcode != SERVFAIL and not outcome.is_stale)


def _query_of(key: Key) -> Query:
    """Return the query whose reply would be kept under *key*."""
    question = key.qname + key.qtype.to_bytes(2, "big") + key.qclass.to_bytes(2, "big")
    edns = Edns(1232, 0, True, {}) if key.is_do else None
    flags = 0x0100 | (CD if key.is_cd else 0)
    return Query(0, flags, 0, question, key.qname, key.qtype, key.qclass, edns, 0)


def _truncated(reply: Reply) -> Reply:
    octets = bytearray(reply.octets)
    octets[2] |= TC
    return Reply(bytes(octets), has_cookie=reply.has_cookie, has_good_cookie=reply.has_good_cookie)


def _nothing(_: bytes | None) -> None:
    """Stands for a *send* that was called already."""
