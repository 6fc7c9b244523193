"""The resolver of one worker: its caches, and the resolutions that use them."""

from collections.abc import Callable

import msgspec

from dns_node.answer.sections import Sections
from dns_node.resolver.question import Question, Server
from dns_node.resolver.resolution import Resolution
from dns_node.resolver.settings import ResolverSettings
from dns_node.zone.rrset import WireName

Chance = Callable[[int], int]
"""``chance(bits)`` returns an unpredictable integer of so many bits (`secrets.randbits`)."""

LocalData = Callable[[Question], Sections | None]
"""What our own zones say to a question (`answer.lookup.look_up`, with DO), None outside them."""


class AskableServer(msgspec.Struct, frozen=True, gc=False):
    """A server that answered lately, how quickly, and how it is to be asked."""

    server: Server
    rtt_s: float
    has_edns: bool
    mixes_case: bool


class AskableCut(msgspec.Struct, frozen=True, gc=False):
    """A zone cut whose servers may be asked without more ado until *expires_s*: what they say
    needs no validation, and they are known to answer.  *servers*: the best one first."""

    apex: WireName
    servers: tuple[AskableServer, ...]
    expires_s: float


class Resolver:
    """What a worker needs to resolve: settings, caches, validator, what it knows of servers."""

    def __init__(self, settings: ResolverSettings, chance: Chance):
        self.settings = settings
        self.chance = chance

    def resolve(
        self,
        question: Question,
        now_s: float,
        *,
        is_cd: bool = False,
        wants_steps: bool = False,
        is_refresh: bool = False,
        local: LocalData | None = None,
    ) -> Resolution:
        """Return the resolution of *question*, not yet begun.

        *is_cd*: the client checks itself, nothing is validated (RFC 4035 section 3.2.2).
        *is_refresh*: what the cache holds for the question itself is not used (prefetch).
        *local*: our own zones, for the names that aliases and delegations lead to; the question
        itself is looked up there too.
        """
        raise NotImplementedError

    def askable_cut(self, qname: WireName, now_s: float) -> AskableCut | None:
        """Return the deepest known cut for *qname* if its servers may be asked by the shortcut."""
        raise NotImplementedError

    def note_shortcut(
        self, server: Server, *, answered: int, failed: int, rtt_s: float, now_s: float
    ) -> None:
        """Take note of what the shortcut saw of a server since the last note."""
        raise NotImplementedError
