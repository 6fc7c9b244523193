"""What may be believed of a response, and what it says.

A server is asked as one of the zone *cut*.  It is believed about names at and below *cut* only, and
there only in what the question needs: the alias chain from the name that was asked, its end, the
SOA and the proofs of what is absent, one zone cut on the way to the name with the DS and the glue
that belong to it.  Everything else is dropped, however true it may be (RFC 5452 section 6, RFC 2181
section 5.4.1).  A resolver that we forward to is believed about all names, and refers to nobody.

The case is a value: `Answer`, `Alias`, `Referral`, `NoData`, `NxDomain`, `TooLong`; `Failure` and
`Lame` say that this server is of no use for the question.
"""

from collections.abc import Iterable
from typing import Final

from dns_node.answer.query import NOERROR, NXDOMAIN, YXDOMAIN
from dns_node.resolver.message import AA, RA, Record, Response
from dns_node.resolver.question import Held, Question
from dns_node.resolver.rank import Rank
from dns_node.resolver.scrubbed import (
    Alias,
    Answer,
    Failure,
    Lame,
    NoData,
    NxDomain,
    Referral,
    Scrubbed,
    TooLong,
)
from dns_node.zone.names import ancestors, is_subdomain
from dns_node.zone.rrset import RRset, WireName

ALIASES_MAX: Final = 10
"""Aliases that are followed within one response."""

NAME_SERVERS_MAX: Final = 13
ADDRESSES_MAX: Final = 6
"""Addresses of one name server and one address family that are taken from glue."""

PROOFS_MAX: Final = 16
"""NSEC and NSEC3 RRsets that are kept of one response."""

_A, _NS, _CNAME, _SOA, _AAAA, _DNAME = 1, 2, 5, 6, 28, 39
_DS, _RRSIG, _NSEC, _NSEC3, _ANY = 43, 46, 47, 50, 255


def scrub(
    response: Response,
    question: Question,
    cut: WireName,
    *,
    is_forwarder: bool = False,
    is_spoof_proof: bool = False,
) -> Scrubbed:
    """Return what *response*, to *question*, by a server of the zone *cut* says.

    *is_spoof_proof*: it came by TCP or TLS, or with our cookie.  A DNAME, which would speak for
    many names, is kept for other questions only then, or when it is secure.  Never raises.
    """
    if response.rcode not in (NOERROR, NXDOMAIN, YXDOMAIN):
        return Failure(response.rcode)
    if response.question != question:
        return Lame("it has no question, or another one", serves_zone=True)
    if is_forwarder:
        cut = b"\0"
    return _Scrubbing(response, question, cut, is_forwarder, is_spoof_proof).result()


def negative_ttl_s(soa: RRset) -> int:
    """Return how long an absence may be kept (RFC 2308 section 5)."""
    return min(soa.ttl_s, int.from_bytes(soa.rdatas[0][-4:], "big"))


class _Group:
    """Records of one owner and type."""

    __slots__ = ("rdatas", "signatures", "ttl_s")

    def __init__(self, ttl_s: int) -> None:
        self.ttl_s = ttl_s
        self.rdatas: list[bytes] = []
        self.signatures: list[bytes] = []


_Groups = dict[tuple[WireName, int], _Group]


def _group(records: Iterable[Record], cut: WireName, qclass: int) -> _Groups:
    """Return the RRsets at and below *cut*; an RRset has the least TTL of its records and their
    signatures (RFC 2181 section 5.2)."""
    groups: _Groups = {}
    last: WireName | None = None
    for record in records:
        owner, rrtype, ttl_s = record.owner, record.rrtype, record.ttl_s
        if owner is not last:
            is_ours = is_subdomain(owner, cut)
            last = owner
        if not is_ours or record.rrclass != qclass or 128 <= rrtype <= 255 or not rrtype:
            continue
        if rrtype == _RRSIG:
            key = owner, record.rdata[0] << 8 | record.rdata[1]
        else:
            key = owner, rrtype
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(ttl_s)
        elif ttl_s < group.ttl_s:
            group.ttl_s = ttl_s
        if rrtype == _RRSIG:
            group.signatures.append(record.rdata)
        else:
            group.rdatas.append(record.rdata)
    return groups


def _adopt_signatures(groups: _Groups, records: Iterable[Record]) -> None:
    """Give RRsets without signatures those that stand among *records*, in another section: what
    they are worth is for who checks them to say."""
    adopting: set[tuple[WireName, int]] = set()
    for record in records:
        if record.rrtype == _RRSIG:
            key = record.owner, record.rdata[0] << 8 | record.rdata[1]
            group = groups.get(key)
            if group is not None and (key in adopting or not group.signatures):
                adopting.add(key)
                group.signatures.append(record.rdata)
                group.ttl_s = min(group.ttl_s, record.ttl_s)


def _held(owner: WireName, rrtype: int, group: _Group) -> Held:
    return Held(owner, RRset(rrtype, group.ttl_s, _sorted(group.rdatas), _sorted(group.signatures)))


def _sorted(rdatas: list[bytes]) -> tuple[bytes, ...]:
    if len(rdatas) < 2:
        return tuple(rdatas)
    return tuple(sorted(set(rdatas)))


class _Scrubbing:
    """One response on its way to a `Scrubbed`."""

    __slots__ = (
        "aliases", "authority", "believes_dname", "cut", "groups", "is_forwarder", "question",
        "response",
    )  # fmt: skip

    def __init__(
        self,
        response: Response,
        question: Question,
        cut: WireName,
        is_forwarder: bool,
        is_spoof_proof: bool,
    ):
        self.response, self.question, self.cut = response, question, cut
        self.is_forwarder, self.believes_dname = is_forwarder, is_spoof_proof
        self.groups = _group(response.answer, cut, question.qclass)
        _adopt_signatures(self.groups, response.additional)
        self.authority: _Groups = {}
        self.aliases: list[Held] = []

    def result(self) -> Scrubbed:
        """Return what the response says."""
        response = self.response
        target = self._follow_aliases()
        if isinstance(target, Lame | TooLong):
            return target
        found = self._find(target) if is_subdomain(target, self.cut) else ()
        if found or self.aliases:
            if not response.flags & AA and response.flags & RA and not self.is_forwarder:
                return Lame("it answers as a resolver, not for the zone", is_resolver=bool(found))
            if response.rcode == YXDOMAIN:
                return Failure(YXDOMAIN)
        if found:
            is_of_dname = self.aliases and self.question.qtype in (_CNAME, _ANY)
            if response.rcode == NXDOMAIN and not is_of_dname:
                # After a DNAME servers go on whatever was asked for (RFC 6672 section 3.2).
                return Lame("NXDOMAIN stands beside an answer", serves_zone=True)
            proofs = self._proofs() if any(held.rrset.signatures for held in found) else ()
            aliases, rank = tuple(self.aliases), self._rank(len(self.aliases) + 1)
            return Answer(aliases, target, proofs, rank, self.believes_dname, answer=found)
        return self._negative(target)

    def _rank(self, owners: int) -> Rank:
        # AA speaks of the first owner name only (RFC 1035 section 4.1.1).
        if self.is_forwarder or not self.response.flags & AA or owners > 1:
            return Rank.ANSWER
        return Rank.AUTHORITATIVE

    def _find(self, name: WireName) -> tuple[Held, ...]:
        """Return what the answer section holds of the type that was asked for at *name*."""
        qtype = self.question.qtype
        if qtype == _ANY:
            return tuple(
                _held(owner, rrtype, group)
                for (owner, rrtype), group in self.groups.items()
                if owner == name and group.rdatas
            )
        if qtype == _RRSIG:
            groups = [group for (owner, _), group in self.groups.items() if owner == name]
            signatures = [rdata for group in groups for rdata in group.signatures]
            if not signatures:
                return ()
            ttl_s = min(group.ttl_s for group in groups)
            return (Held(name, RRset(_RRSIG, ttl_s, _sorted(signatures))),)
        group = self.groups.get((name, qtype))
        return (_held(name, qtype, group),) if group is not None and group.rdatas else ()

    def _follow_aliases(self) -> WireName | TooLong | Lame:
        """Go through the aliases from the name that was asked; return where they end."""
        groups, qtype = self.groups, self.question.qtype
        name = self.question.qname
        asks_for_aliases = qtype in (_CNAME, _ANY)
        if not groups or ((name, qtype) in groups and not asks_for_aliases):
            return name
        has_dname = any(rrtype == _DNAME for _, rrtype in groups)
        if asks_for_aliases and not (has_dname and self._dname_above(name)):
            return name
        seen = {name}
        for _ in range(ALIASES_MAX):
            if has_dname and (dname := self._dname_above(name)) is not None:
                self.aliases.append(dname)
                target = _substitute(name, dname.owner, dname.rrset.rdatas[0])
                if target is None:
                    return TooLong(
                        tuple(self.aliases), self._proofs(), self._rank(len(self.aliases))
                    )
                if asks_for_aliases:
                    # The CNAME that the DNAME makes is what was asked for.
                    made = groups[name, _CNAME] = _Group(dname.rrset.ttl_s)
                    made.rdatas.append(target)
                    return name
                cname = RRset(_CNAME, dname.rrset.ttl_s, (target,))
                self.aliases.append(Held(name, cname))
            elif (group := groups.get((name, _CNAME))) is not None and group.rdatas:
                held = _held(name, _CNAME, group)
                if len(held.rrset.rdatas) > 1:
                    return Lame("a name has several CNAMEs", serves_zone=True)
                self.aliases.append(held)
                target = held.rrset.rdatas[0]
            else:
                break
            name = target
            if name in seen:
                return Lame("its aliases go in a circle", serves_zone=True)
            seen.add(name)
            if not is_subdomain(name, self.cut) or (name, qtype) in groups:
                break
        return name

    def _dname_above(self, name: WireName) -> Held | None:
        """Return the DNAME of the nearest ancestor of *name* that has one."""
        for ancestor in ancestors(name):
            group = self.groups.get((ancestor, _DNAME))
            if group is not None and len(set(group.rdatas)) == 1 and ancestor != name:
                return _held(ancestor, _DNAME, group)
        return None

    def _negative(self, target: WireName) -> Scrubbed:
        """Return what a response without the RRset that was asked for says."""
        response, question = self.response, self.question
        if self.aliases and (
            not is_subdomain(target, self.cut) or len(self.aliases) >= ALIASES_MAX
        ):
            return self._alias(target)
        self.authority = _group(response.authority, self.cut, question.qclass)
        _adopt_signatures(self.authority, response.additional)
        soa = self._soa(target)
        if soa is None and not self.aliases and response.rcode == NOERROR:
            if (referral := self._referral()) is not None:
                return referral
            # What is signed speaks for the zone, even without AA and SOA.
            speaks = response.flags & AA or self._proofs()
            if not self.is_forwarder and (not speaks or self._refers_upwards()):
                is_empty = not any(record.rrtype in (_NS, _SOA) for record in response.authority)
                return Lame(
                    "it refers to nobody below the zone, and does not speak for it",
                    # With AA it is one of the zone's that does not know the type (RFC 4074).
                    serves_zone=bool(response.flags & AA),
                    is_resolver=is_empty,
                )
        if soa is None and self.aliases:
            return self._alias(target)
        if soa is None and any(record.rrtype == _SOA for record in response.authority):
            return Lame("its SOA is of another zone")
        if response.rcode == YXDOMAIN:
            return Failure(YXDOMAIN)
        if not response.flags & AA and response.flags & RA and not self.is_forwarder:
            is_full = soa is not None
            return Lame("it answers as a resolver, not for the zone", is_resolver=is_full)
        is_ranked = bool(response.flags & AA) and not self.is_forwarder and not self.aliases
        rank = Rank.AUTHORITY if is_ranked else Rank.ANSWER
        ttl_s = 0 if soa is None else negative_ttl_s(soa.rrset)
        kind = NxDomain if response.rcode == NXDOMAIN else NoData
        return kind(tuple(self.aliases), target, soa, self._proofs(), rank, ttl_s)

    def _refers_upwards(self) -> bool:
        """Say whether the authority section names the servers of a zone above ours."""
        cut = self.cut
        return any(
            record.rrtype == _NS and record.owner != cut and is_subdomain(cut, record.owner)
            for record in self.response.authority
        )

    def _alias(self, target: WireName) -> Alias:
        return Alias(
            tuple(self.aliases),
            target,
            self._proofs(),
            self._rank(len(self.aliases)),
            self.believes_dname,
        )

    def _soa(self, target: WireName) -> Held | None:
        """Return the SOA of the nearest zone that *target* can be in."""
        found: Held | None = None
        for (owner, rrtype), group in self.authority.items():
            if rrtype != _SOA or len(set(group.rdatas)) != 1 or not is_subdomain(target, owner):
                continue
            if found is None or len(owner) > len(found.owner):
                found = _held(owner, _SOA, group)
        return found

    def _proofs(self) -> tuple[Held, ...]:
        """Return the signed NSEC and NSEC3 RRsets of the authority section."""
        if not any(record.rrtype in (_NSEC, _NSEC3) for record in self.response.authority):
            return ()
        if not self.authority:
            self.authority = _group(self.response.authority, self.cut, self.question.qclass)
        proofs = [
            _held(owner, rrtype, group)
            for (owner, rrtype), group in self.authority.items()
            if rrtype in (_NSEC, _NSEC3) and group.rdatas and group.signatures
        ]
        return tuple(proofs[:PROOFS_MAX])

    def _referral(self) -> Referral | None:
        """Return the zone cut strictly below ours and at or above the name that was asked."""
        if self.is_forwarder:
            return None
        cut: WireName | None = None
        for (owner, rrtype), group in self.authority.items():
            if rrtype != _NS or not group.rdatas or owner == self.cut:
                continue
            if is_subdomain(self.question.qname, owner) and (cut is None or len(owner) < len(cut)):
                # Of several the highest: what is below is not this server's to say.
                cut = owner
        if cut is None:
            return None
        group = self.authority[cut, _NS]
        names = set(group.rdatas) - {b"\0"}
        if not names:
            return None
        glue = self._glue(names)
        with_glue = {held.owner for held in glue}
        kept = sorted(names, key=lambda name: (name not in with_glue, name))[:NAME_SERVERS_MAX]
        glue = tuple(held for held in glue if held.owner in kept)
        name_servers = Held(cut, RRset(_NS, group.ttl_s, tuple(sorted(kept))))
        ds = self.authority.get((cut, _DS))
        if ds is not None and ds.rdatas:
            return Referral(cut, name_servers, (_held(cut, _DS, ds),), glue)
        return Referral(cut, name_servers, self._proofs(), glue)

    def _glue(self, names: set[WireName]) -> tuple[Held, ...]:
        """Return the addresses of *names* that are at or below our own zone."""
        records = [
            record
            for record in self.response.additional
            if record.rrtype in (_A, _AAAA) and record.owner in names and may_ask(record.rdata)
        ]
        groups = _group(records, self.cut, self.question.qclass)
        found = []
        for (owner, rrtype), group in groups.items():
            del group.rdatas[ADDRESSES_MAX:]
            found.append(_held(owner, rrtype, group))
        return tuple(found)


def may_ask(address: bytes) -> bool:
    """Say whether *address* can be one host's: not unspecified, multicast or broadcast."""
    if len(address) == 4:
        return 0 < address[0] < 224
    return address[0] != 0xFF and any(address)


def _substitute(name: WireName, owner: WireName, target: WireName) -> WireName | None:
    """Return *name* with the suffix *owner* replaced by *target*; None when it gets too long."""
    made = name[: len(name) - len(owner)] + target
    return made if len(made) <= 255 else None
