"""The miss path's shortcut: the native core asks by itself where it is told that it may.

After a question was resolved here, the core is told whom to ask in the zone that it was found in
(`Resolver.askable_cut`): the next questions there it asks, and answers, without Python.  What it
can't answer after all it hands up, and that is resolved from the beginning.  The core counts its
questions where `admission` does, and tells what it has seen of the servers.
"""

import time
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from dns_node.answer.query import NOERROR, NXDOMAIN
from dns_node.errors import WireError
from dns_node.net.answering import Answering
from dns_node.net.native import NativeMessageCache
from dns_node.net.recursion.admission import QuestionLimits
from dns_node.resolver.finding import from_cache
from dns_node.resolver.message import parse_response
from dns_node.resolver.message_cache import Key
from dns_node.resolver.negative import WHOLE_NAME, Denied
from dns_node.resolver.policy.policy import Policy
from dns_node.resolver.question import Held, Outcome, Question, Security, Server
from dns_node.resolver.rank import Rank
from dns_node.resolver.resolver import Resolver
from dns_node.resolver.scrub import scrub
from dns_node.resolver.scrubbed import Answer, NoData, NxDomain

if TYPE_CHECKING:
    from dns_node._native import Core, Punt, Recursion, Row
    from dns_node.net.recursion.pipeline import Pipeline

NOTES_S: Final = 1.0
"""How often the resolver hears at most what was seen of the servers."""

ROWS_MAX: Final = 1000
FEED_S_MAX: Final = 1.0
"""How long it may take to have the resolver know all that the core has learnt."""

DEPTH_MAX: Final = 127
"""Labels below a cut when names are not minimised: all there can be."""

_ROOT: Final = b"\0"


@implementer(IReadDescriptor)
class NativeMiss:
    """The shortcut of one worker, from `start` until `stop`.

    It follows *pipeline* wherever that gets a new resolver, policy or limits; what it knew is
    forgotten with the core's message cache, which is *messages*.
    """

    def __init__(
        self,
        core: "Core",
        made_of: "type[Recursion]",
        pipeline: "Pipeline",
        answering: Answering,
    ):
        self.messages: NativeMessageCache | None = None
        self._core = core
        self._recursion = made_of(core)
        self._pipeline = pipeline
        self._answering = answering
        self._resolver: Resolver | None = None
        self._policy: Policy | None = None
        self._limits: QuestionLimits | None = None
        self._descriptor = self._recursion.fileno()
        self._noted_s = 0.0

    def start(self, reactor: Any) -> None:
        """Hear of the core's questions from now on."""
        self._follow()
        reactor.addReader(self)

    def stop(self, reactor: Any) -> None:
        """Ask no more; who waits is answered by Python."""
        reactor.removeReader(self)
        self._descriptor = -1
        self._hand_on(self._recursion.stop(time.time()) or [])

    def fileno(self) -> int:
        """Return the descriptor, -1 after the end."""
        return self._descriptor

    def logPrefix(self) -> str:  # noqa: N802 (Twisted's name)
        """Return what Twisted's log calls this."""
        return "native-miss"

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """Called when the reactor ends; the descriptor is closed with the process."""

    def doRead(self) -> None:  # noqa: N802
        """Called when servers have answered, or their time is over."""
        answering = self._answering
        now_s = time.time()
        try:
            late, answers = self._recursion.resume(
                now_s, time.monotonic_ns() // 1000, bool(answering.sinks)
            )
            if answers:
                answering.tell_late(answers)
            if late or now_s >= self._noted_s + NOTES_S:
                # First, so that who is silent is not asked again at once.
                self._note(now_s)
            if late:
                self._hand_on(late)
        except Exception as error:
            answering.report("what the core asked could not be answered", error)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Questions in flight, clients that wait, cuts that may be asked."""
        return self._recursion.count()

    # ---- what the core is told

    def prepare(self, question: Question) -> None:
        """What only the message cache knew of *question*, and is over, the resolver knows then."""
        if self.messages is None:
            return
        now_s = time.time()
        for is_do in (False, True):
            key = Key(question.qname, question.qtype, question.qclass, is_do)
            stale = self.messages.find_stale(key, now_s)
            if stale is not None:
                message, stored_s, _ = stale
                give_back(self._pipeline.resolver, question, message, stored_s, now_s)

    def feed(self) -> None:
        """Have the resolver know what the core has learnt lately; of much, a part."""
        self._give_back_all(self._core.take_learnt())

    def feed_all(self) -> None:
        """Have the resolver know all that the core has learnt, as far as there is time."""
        deadline_s, first = time.monotonic() + FEED_S_MAX, 0
        while True:
            rows, first = self._core.cache_rows(first, ROWS_MAX)
            self._give_back_all(rows)
            if not first or time.monotonic() > deadline_s:
                return

    def _give_back_all(self, rows: "list[Row]") -> None:
        if not self._pipeline.policy.allows_shortcut:
            return  # the replies are not what servers said
        resolver, now_s = self._pipeline.resolver, time.time()
        for (qname, qtype, qclass, _, is_cd), message, stored_s, _ in rows:
            if not is_cd:
                give_back(resolver, Question(qname, qtype, qclass), message, stored_s, now_s)

    def learn(self, question: Question, outcome: Outcome) -> None:
        """Take note that *question* was resolved to *outcome*, without our own zones."""
        self._follow()
        assert self._resolver is not None and self._policy is not None
        if outcome.rcode not in (NOERROR, NXDOMAIN) or not self._policy.allows_shortcut:
            return
        if outcome.errors:
            return  # the core does not know what there is to say (a zone that is insecure, and why)
        now_s = time.time()
        cut = self._resolver.askable_cut(question.qname, now_s)
        if cut is None:
            return
        settings = self._resolver.settings
        servers = [
            (
                askable.server.address,
                askable.server.port,
                askable.rtt_s,
                askable.has_edns,
                askable.has_cookie,
                askable.mixes_case,
            )
            for askable in cut.servers
        ]
        is_minimised = settings.minimises_qname and not cut.is_forward
        depth_max = 1 if is_minimised else DEPTH_MAX
        self._recursion.put_cut(cut.apex, servers, depth_max, cut.is_forward, cut.expires_s, now_s)

    def _follow(self) -> None:
        """Have the core do what the pipeline does."""
        pipeline = self._pipeline
        limits = pipeline.admission.limits
        if limits is not self._limits:
            self._limits = limits
            self._recursion.limit(
                limits.questions,
                limits.questions_per_client,
                limits.questions_per_known_client,
                limits.questions_per_name,
            )
        resolver, policy = pipeline.resolver, pipeline.policy
        if resolver is not self._resolver or policy is not self._policy:
            self._resolver, self._policy = resolver, policy
            settings = resolver.settings
            # Below these the zone above must not be asked, even where it would answer.
            suffixes = set(policy.local_suffixes)
            suffixes.update(route.suffix for route in settings.routes)
            suffixes.update(owner for owner, _, _ in settings.trust_anchors)
            suffixes.discard(_ROOT)
            cache = settings.cache
            self._recursion.configure(
                cache.ttl_max_s, cache.negative_ttl_max_s, [], sorted(suffixes)
            )

    # ---- what the core tells

    def _note(self, now_s: float) -> None:
        self._noted_s = now_s
        self._follow()
        assert self._resolver is not None
        for address, port, answered, failed, near_misses, rtt_s in self._recursion.take_seen():
            self._resolver.note_shortcut(
                Server(address, port),
                answered=answered,
                failed=failed,
                near_misses=near_misses,
                rtt_s=rtt_s / answered if answered else 0.0,
                now_s=now_s,
            )

    def _hand_on(self, late: "list[tuple[int, float, Punt]]") -> None:
        batches: dict[int, list[tuple[float, Punt]]] = {}
        for socket, waited_s, punt in late:
            batches.setdefault(socket, []).append((waited_s, punt))
        for socket, batch in batches.items():
            reader = self._answering.readers.get(socket)
            if reader is not None:
                reader.take_late(batch)


def give_back(
    resolver: Resolver, question: Question, message: bytes, stored_s: float, now_s: float
) -> None:
    """Have the resolver's cache hold *message*, which came at *stored_s*, if it knows nothing of
    *question*, not even what is over.

    What the core learnt only the message cache holds.  It has to live on over a restart, and when
    no server answers it is all there is (RFC 8767).
    """
    cache = resolver.cache
    if from_cache(cache, question, now_s, needs_validated=False, allows_stale=True):
        return
    try:
        scrubbed = scrub(parse_response(message), question, _ROOT, is_forwarder=True)
    except WireError:
        return
    if not isinstance(scrubbed, Answer | NoData | NxDomain):
        return
    # It was insecure, or was not validated; nothing better can be said of it now.
    known = Security.INDETERMINATE if resolver.validator is None else Security.INSECURE
    rrsets = scrubbed.aliases
    if isinstance(scrubbed, Answer):
        rrsets += scrubbed.answer
    elif scrubbed.soa is not None:
        soa = Held(scrubbed.soa.owner, scrubbed.soa.rrset, known)
        rrtype = WHOLE_NAME if isinstance(scrubbed, NxDomain) else question.qtype
        denied = Denied(scrubbed.target, rrtype, (soa,), known)
        cache.put_denied(denied, scrubbed.ttl_s, Rank.ANSWER, stored_s)
    for held in rrsets:
        cache.put(Held(held.owner, held.rrset, known), Rank.ANSWER, stored_s)
