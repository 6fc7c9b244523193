"""What a response says after `scrub`: one value for each case."""

from typing import Final

import msgspec

from dns_node.resolver.question import Held, Security
from dns_node.resolver.rank import Rank
from dns_node.zone.rrset import WireName

_DNAME: Final = 39


class _Aliased(msgspec.Struct, frozen=True, gc=False):
    """What a chain of *aliases* leads to: CNAMEs in their order, a DNAME before the CNAME that
    follows from it.  *proofs*: for an answer made from a wildcard."""

    aliases: tuple[Held, ...]
    target: WireName
    proofs: tuple[Held, ...]
    rank: Rank
    believes_dname: bool = False

    @property
    def authority(self) -> tuple[Held, ...]:
        """What it says beside the answer."""
        return self.proofs

    def rank_of(self, held: Held) -> Rank:
        """Return the rank with which *held*, one of the answer or of the aliases, is kept."""
        is_dname = held.rrset.rrtype == _DNAME
        if is_dname and not self.believes_dname and held.security is not Security.SECURE:
            return Rank.ADDITIONAL
        return self.rank


class Answer(_Aliased, frozen=True, gc=False, kw_only=True):
    """The RRset that was asked for, or several for ANY, at the end of the aliases."""

    answer: tuple[Held, ...]


class Alias(_Aliased, frozen=True, gc=False):
    """Aliases only: *target* has to be asked for next, maybe of other servers."""


class Referral(msgspec.Struct, frozen=True, gc=False):
    """The servers of the zone *cut*, at or above the name that was asked.

    *name_servers* is its NS RRset, *glue* A and AAAA RRsets of their names; *authority* is its DS
    RRset, or the proofs that there is none.
    """

    cut: WireName
    name_servers: Held
    authority: tuple[Held, ...]
    glue: tuple[Held, ...]


class _Denial(msgspec.Struct, frozen=True, gc=False):
    """An absence.  Without *soa* it may not be kept (RFC 2308 section 5), and *ttl_s* is 0."""

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


class NoData(_Denial, frozen=True, gc=False):
    """*target*, at the end of *aliases*, has no RRset of the type that was asked for."""


class NxDomain(_Denial, frozen=True, gc=False):
    """*target*, at the end of *aliases*, does not exist, nor does any name below it (RFC 8020)."""


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

