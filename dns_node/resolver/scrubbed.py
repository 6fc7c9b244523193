"""What a response says after `scrub`: one value for each case."""

from typing import Final

import msgspec

from dns_node.resolver.question import Held, Security
from dns_node.resolver.rank import Rank
from dns_node.zone.rrset import WireName

_DNAME: Final = 39


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The RRset that was asked for, or several for ANY, at the end of *aliases*: CNAMEs in their
    order, a DNAME before the CNAME that follows from it.  *proofs*: for an answer made from a
    wildcard."""

    aliases: tuple[Held, ...]
    target: WireName
    answer: tuple[Held, ...]
    proofs: tuple[Held, ...]
    rank: Rank
    believes_dname: bool = False

    @property
    def authority(self) -> tuple[Held, ...]:
        """What it says beside the answer."""
        return self.proofs

    def rank_of(self, held: Held) -> Rank:
        """Return the rank with which *held*, one of the answer, is kept."""
        return _rank_of(held, self.rank, self.believes_dname)


class Alias(msgspec.Struct, frozen=True, gc=False):
    """Aliases only: *target* has to be asked for next, maybe of other servers."""

    aliases: tuple[Held, ...]
    target: WireName
    proofs: tuple[Held, ...]
    rank: Rank
    believes_dname: bool = False

    @property
    def authority(self) -> tuple[Held, ...]:
        """What it says beside the aliases."""
        return self.proofs

    def rank_of(self, held: Held) -> Rank:
        """Return the rank with which *held*, one of the aliases, is kept."""
        return _rank_of(held, self.rank, self.believes_dname)


class Referral(msgspec.Struct, frozen=True, gc=False):
    """The servers of the zone *cut*, at or above the name that was asked.

    *name_servers* is its NS RRset, *glue* A and AAAA RRsets of their names; *authority* is its DS
    RRset, or the proofs that there is none.
    """

    cut: WireName
    name_servers: Held
    authority: tuple[Held, ...]
    glue: tuple[Held, ...]


class NoData(msgspec.Struct, frozen=True, gc=False):
    """*target*, at the end of *aliases*, has no RRset of the type that was asked for.  Without
    *soa* it may not be kept (RFC 2308 section 5), and *ttl_s* is 0."""

    aliases: tuple[Held, ...]
    target: WireName
    soa: Held | None
    proofs: tuple[Held, ...]
    rank: Rank
    ttl_s: int

    @property
    def authority(self) -> tuple[Held, ...]:
        """The SOA and the proofs."""
        return self.proofs if self.soa is None else (self.soa, *self.proofs)


class NxDomain(msgspec.Struct, frozen=True, gc=False):
    """*target*, at the end of *aliases*, does not exist, nor does any name below it (RFC 8020);
    the rest is as in `NoData`."""

    aliases: tuple[Held, ...]
    target: WireName
    soa: Held | None
    proofs: tuple[Held, ...]
    rank: Rank
    ttl_s: int

    @property
    def authority(self) -> tuple[Held, ...]:
        """The SOA and the proofs."""
        return self.proofs if self.soa is None else (self.soa, *self.proofs)


class TooLong(msgspec.Struct, frozen=True, gc=False):
    """The last of *aliases* is a DNAME that would make a name of more than 255 octets; the answer
    is YXDOMAIN (RFC 6672 section 2.2)."""

    aliases: tuple[Held, ...]
    proofs: tuple[Held, ...]
    rank: Rank

    @property
    def authority(self) -> tuple[Held, ...]:
        """What it says beside the aliases."""
        return self.proofs


class Failure(msgspec.Struct, frozen=True, gc=False):
    """The server says that it can't or won't answer."""

    rcode: int


class Lame(msgspec.Struct, frozen=True, gc=False):
    """The response helps with nothing; *reason* says why.  *serves_zone*: the server may be good
    for other names of the zone.  *is_resolver*: what it says would be an answer, if it came from a
    server of the zone: better than none."""

    reason: str
    serves_zone: bool = False
    is_resolver: bool = False


Scrubbed = Answer | Alias | Referral | NoData | NxDomain | TooLong | Failure | Lame


def _rank_of(held: Held, rank: Rank, believes_dname: bool) -> Rank:
    is_dname = held.rrset.rrtype == _DNAME
    if is_dname and not believes_dname and held.security is not Security.SECURE:
        return Rank.ADDITIONAL
    return rank
