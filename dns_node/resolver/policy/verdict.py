"""What policy says of a question: the values that it and its callers share."""

from typing import Final

import msgspec

from dns_node.answer.query import SERVFAIL
from dns_node.answer.respond import Client
from dns_node.resolver.question import Outcome, Question, Security
from dns_node.zone.rrset import WireName


class Request(msgspec.Struct, frozen=True, gc=False):
    """A question, and who asks it how.  *client* is None where nobody in particular asks: when a
    kept answer is refreshed."""

    question: Question
    client: Client | None = None
    is_do: bool = False
    is_cd: bool = False


class Resolve(msgspec.Struct, frozen=True, gc=False):
    """*question* is to be resolved (or found in the cache) before policy can go on."""

    question: Question


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The client gets *outcome*.

    Others that ask the same may get it too, and it may be kept, unless *is_shared* is false: then
    it depends on who asks.  *rule* names the policy rule that was followed, '' for none.
    """

    outcome: Outcome
    is_shared: bool = True
    rule: str = ""


class Dropped(msgspec.Struct, frozen=True, gc=False):
    """Nothing is sent, by *rule*."""

    rule: str


class Truncated(msgspec.Struct, frozen=True, gc=False):
    """An empty reply with TC is sent, by *rule*: the client is to come back over TCP.  It is never
    kept."""

    rule: str


Verdict = Answered | Dropped | Truncated


class NameServers(msgspec.Struct, frozen=True, gc=False):
    """The servers of one zone cut as far as they are known: their names, their addresses, and which
    of the names have no known address."""

    cut: WireName
    names: frozenset[WireName]
    addresses: frozenset[bytes]
    without_address: tuple[WireName, ...] = ()


_BOGUS: Final = frozenset(range(6, 13))
"""The info codes of RFC 8914 that tell of failed validation."""


def is_bogus(outcome: Outcome) -> bool:
    """Say whether there is no answer because validation failed: no rule makes one of it."""
    return outcome.security is Security.BOGUS or (
        outcome.rcode == SERVFAIL and any(error.code in _BOGUS for error in outcome.errors)
    )
