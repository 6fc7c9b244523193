"""The resolver of a worker with all that is around it: what the worker starts, sets and stops."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dns_node.answer.access import Networks
from dns_node.config.recursion import QuestionLimits as LimitsSection
from dns_node.config.recursion import Recursion as Section
from dns_node.config.recursion import Route as RouteSection
from dns_node.config.recursion_policy import Policy as PolicySection
from dns_node.metrics import INDEX
from dns_node.net.answering import Answering
from dns_node.net.native import NativeMessageCache, load_recursion
from dns_node.net.recursion.admission import Admission, QuestionLimits
from dns_node.net.recursion.asks import Asks
from dns_node.net.recursion.chance import Chance
from dns_node.net.recursion.datagrams import Datagrams
from dns_node.net.recursion.janitor import Janitor
from dns_node.net.recursion.keeping import Keeping
from dns_node.net.recursion.kept import Messages, PythonMessages
from dns_node.net.recursion.native_miss import NativeMiss
from dns_node.net.recursion.pipeline import FAULT, Pipeline
from dns_node.net.recursion.policy_settings import make_policy
from dns_node.net.recursion.policy_tables import PolicyTables, policy_directory
from dns_node.net.recursion.questions import Line, Questions
from dns_node.net.recursion.settings import resolver_settings
from dns_node.net.recursion.stages import Stage
from dns_node.net.recursion.streams import Streams
from dns_node.resolver.policy.name_servers import find_name_servers
from dns_node.resolver.policy.policy import Policy
from dns_node.resolver.policy.verdict import NameServers
from dns_node.resolver.question import Outcome
from dns_node.resolver.resolver import Resolver
from dns_node.resolver.settings import ResolverSettings
from dns_node.resolver.upkeep import tend_anchors
from dns_node.zone.rrset import WireName

_QUESTIONS: Final = INDEX["recursion_questions"]

DRAIN_S: Final = 12.0
"""How long a worker that stops waits for what it resolves; then who waits gets SERVFAIL."""


class Resolving:
    """Resolves for the clients of one worker, when there are any that may have that.

    *clock* is the reactor.
    """

    def __init__(
        self,
        answering: Answering,
        clock: Any,
        data_directory: Path | None = None,
        worker: int = 0,
    ):
        self._answering = answering
        self._directory = data_directory
        self._keeping: Keeping | None = None
        if data_directory is not None:
            self._keeping = Keeping(data_directory, worker, clock, answering.report)
        self.is_persistent = False
        self._tending: Line | None = None
        self._listener = Stage(answering.counters, "listener")
        self.waiting: Callable[[], int] = lambda: 0
        """How many datagrams of clients wait to be received."""
        self._policy_section: tuple[PolicySection, tuple[RouteSection, ...]] | None = None
        self._tables: PolicyTables | None = None
        self._clock = clock
        self._clients = Networks(())
        self._settings: ResolverSettings | None = None
        self._chance = Chance()
        self.datagrams: Datagrams | None = None
        self.streams: Streams | None = None
        self.pipeline: Pipeline | None = None
        self._native_miss: NativeMiss | None = None
        self._janitor: Janitor | None = None
        self._asks: Asks | None = None

    def apply(self, clients: Networks, section: Section) -> None:
        """Resolve for *clients* by *section* from here on."""
        settings = resolver_settings(section)
        self.is_persistent = section.cache.persistent
        self.configure(clients, settings, question_limits(section.limits))
        if self.pipeline is not None and (section.policy, section.routes) != self._policy_section:
            self._policy_section = section.policy, section.routes
            self._use_policy(self.pipeline, section)

    def configure(
        self, clients: Networks, settings: ResolverSettings, limits: QuestionLimits
    ) -> None:
        """Resolve for *clients* by *settings* and *limits* from here on.

        Other settings of the resolver begin with empty caches.
        """
        is_new = settings != self._settings
        self._clients, self._settings = clients, settings
        if not clients.texts:
            self._answering.recursion = None
            self._use_messages(settings, is_new)
            return
        if self.pipeline is None:
            self._make(settings)
        elif is_new:
            self.pipeline.resolver = self._resolver(settings)
        assert self.pipeline is not None
        self._use_messages(settings, is_new)
        self.pipeline.admission.limits = limits
        self._answering.recursion = self.pipeline

    def core_changed(self) -> None:
        """The native core is gone: Python keeps the replies from here on."""
        if self._settings is not None:
            self._use_messages(self._settings, True)

    def look_at_zones(self) -> None:
        """Forget kept replies when a zone of ours came or went: those to questions outside may
        hold aliases that lead into it."""
        if self.pipeline is not None and self.pipeline.zones.have_changed():
            self._forget_messages()

    @property
    def now_s(self) -> float:
        """The time (Unix, s)."""
        now_s: float = self._clock.seconds()
        return now_s

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything."""
        return self.pipeline is None or not len(self.pipeline.admission)

    def begin_stop(self) -> None:
        """Resolve only what was accepted, from here on."""
        if self.pipeline is not None:
            self.pipeline.is_stopping = True
        if self._janitor is not None:
            self._janitor.stop()

    def give_up(self) -> None:
        """Answer SERVFAIL to all who wait, and keep what was learnt for the next worker."""
        if self.pipeline is not None:
            self.pipeline.questions.stop()
            if self.is_persistent:
                self.dump()

    def dump(self) -> int:
        """Write what the RRset cache holds into its file; return how many octets that were."""
        if self.pipeline is None or self._keeping is None:
            return 0
        if self._native_miss is not None:
            self._native_miss.feed_all()
        return self._keeping.dump(self.pipeline.resolver.cache, self._clock.seconds())

    def load(self) -> None:
        """Take up what the file of the RRset cache holds, a little at a time."""
        if self.pipeline is not None and self._keeping is not None:
            self._keeping.load(self.pipeline.resolver.cache)

    def _make(self, settings: ResolverSettings) -> None:
        answering, clock = self._answering, self._clock
        self.datagrams, self.streams = Datagrams(self._chance), Streams(clock)
        self.datagrams.start(clock)
        self._asks = asks = Asks(self.datagrams, self.streams, clock)
        counters, report = answering.counters, answering.report
        self.pipeline = Pipeline(
            answering,
            Admission(answering.block),
            Questions(asks, clock, counters, report, FAULT),
            PythonMessages(0),
            self._resolver(settings),
            Policy(),
            clock,
        )
        self._janitor = Janitor(self.pipeline, asks, counters, clock, report, self._also)
        self._janitor.start()
        if self.is_persistent:
            self.load()

    def _resolver(self, settings: ResolverSettings) -> Resolver:
        resolver = Resolver(settings, self._chance)
        if resolver.validator is not None and self._keeping is not None:
            resolver.validator.load_anchor_rows(self._keeping.anchors())
        return resolver

    def _use_policy(self, pipeline: Pipeline, section: Section) -> None:
        """Answer by the policy of *section* from here on."""

        def name_servers(name: WireName) -> tuple[NameServers, ...]:
            return find_name_servers(pipeline.resolver, name, self._clock.seconds())

        policy = make_policy(section, name_servers)
        self._tables = None
        if policy.zones and self._directory is not None:
            directory = policy_directory(self._directory)
            self._tables = PolicyTables(directory, policy.zones, self._forget_messages)
            self._tables.check()
        self._forget_messages()
        pipeline.policy = policy

    def _forget_messages(self) -> None:
        """Forget the replies that were made by other rules; what servers said stays."""
        if self.pipeline is not None:
            self.pipeline.policy.rules_changed()
            self.pipeline.messages.flush_all()

    def _use_messages(self, settings: ResolverSettings, is_new: bool) -> None:
        """Have replies kept where they are asked for: in the native core, if there is one."""
        core, size_octets_max = self._answering.native, settings.cache.message_cache_octets
        if core is not None:
            stale_s = settings.cache.stale_max_s
            messages: Messages = NativeMessageCache(core, self._clients, size_octets_max, stale_s)
            if is_new:
                messages.flush_all()
        elif (
            self.pipeline is None
            or is_new
            or not isinstance(self.pipeline.messages, PythonMessages)
        ):
            messages = PythonMessages(size_octets_max)
        else:
            messages = self.pipeline.messages
        if self.pipeline is not None:
            self.pipeline.messages = messages
            self._use_shortcut(self.pipeline, messages)

    def _use_shortcut(self, pipeline: Pipeline, messages: Messages) -> None:
        """Have the native core ask by itself, if there is one."""
        core = self._answering.native
        if core is None and self._native_miss is not None:
            self._native_miss.stop(self._clock)
            pipeline.shortcut = self._native_miss = None
        elif core is not None and isinstance(messages, NativeMessageCache):
            if self._native_miss is None:
                made_of = load_recursion()
                self._native_miss = NativeMiss(core, made_of, pipeline, self._answering)
                self._native_miss.start(self._clock)
            self._native_miss.messages = messages
            pipeline.shortcut = self._native_miss

    def _also(self, now_s: float) -> None:
        """What else is done with each sweep of the janitor."""
        if self._tables is not None:
            self._tables.check()
        self.look_at_zones()
        if self._native_miss is not None:
            self._native_miss.feed()
        self._listener.wait(self.waiting())
        pipeline = self.pipeline
        if pipeline is not None and self._answering.counters.numbers[_QUESTIONS]:
            # A node that nobody asks for anything asks nobody for anything.
            self._tend_anchors(pipeline, now_s)

    def _tend_anchors(self, pipeline: Pipeline, now_s: float) -> None:
        """Look at the trust anchors that are due, and keep what is known of them (RFC 5011)."""
        validator = pipeline.resolver.validator
        if validator is None:
            return
        if validator.has_changed_anchors and self._keeping is not None:
            self._keeping.dump_anchors(validator.anchor_rows())
        if self._tending is not None and self._tending.resolution is not None:
            return
        resolution = tend_anchors(pipeline.resolver, now_s)
        if resolution is not None:
            question = resolution.question
            self._tending = pipeline.questions.open(question, False, _ignore, is_shared=False)
            pipeline.questions.begin(self._tending, resolution)


def _ignore(_outcome: Outcome, _line: Line) -> None:
    """Nobody waits for it."""


def question_limits(section: LimitsSection) -> QuestionLimits:
    """Return the limits of questions."""
    return QuestionLimits(
        questions=section.questions,
        questions_per_client=section.questions_per_client,
        questions_per_known_client=section.questions_per_known_client,
        questions_per_name=section.questions_per_name,
        discard_s=section.discard_ms / 1000,
    )
