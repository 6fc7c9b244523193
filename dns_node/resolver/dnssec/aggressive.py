"""Answers out of proofs that were seen (RFC 8198): what lies in the gap of a secure NSEC or NSEC3
record does not exist, whoever asks.  A flood of names that do not exist then ends here.

Only records of SECURE answers are taken, each for as long as it may be kept, and no longer than
absence in its zone (RFC 9077).  NSEC3 records with opt-out prove nothing here.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from dns_node.resolver.budget import Budget, BudgetExceeded
from dns_node.resolver.dnssec import denial
from dns_node.resolver.dnssec.denial import Absence, Proof
from dns_node.resolver.dnssec.nsec3 import Nsec3Proofs, hash_name
from dns_node.resolver.dnssec.proofs import Proofs, collect
from dns_node.resolver.dnssec.records import ANY, CNAME, DS, RRSIG, SOA, Nsec, Nsec3
from dns_node.resolver.dnssec.verdict import RCODE_NOERROR, RCODE_NXDOMAIN, Synthesis
from dns_node.resolver.question import Held, Question
from dns_node.resolver.settings import Limits
from dns_node.zone.names import ancestors, canonical_key, is_subdomain, parent
from dns_node.zone.rrset import WireName

RECORDS_MAX: Final = 16_384
"""Records that are kept of all zones."""

RECORDS_OF_ZONE_MAX: Final = 4096

LABELS_HASHED_MAX: Final = 8
"""Names that lie deeper below an NSEC3 zone are not looked for: hashing costs more than asking."""

ITERATIONS_MAX: Final = 10

_OF_THE_NAME_ITSELF: Final = (25, DS)
"""Types (KEY and DS) for which no alias is made up."""


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """A record, its RRset, and when its time is over."""

    record: Nsec | Nsec3
    held: Held
    expires_s: float


class _Zone:
    """What is kept of one zone: its NSEC records by canonical order, or its NSEC3 records by hash.

    *salt* and *iterations* are those of the NSEC3 records."""

    __slots__ = ("iterations", "keys", "kept", "salt", "soa", "soa_expires_s", "wildcards")

    def __init__(self, soa: Held, soa_expires_s: float):
        self.soa, self.soa_expires_s = soa, soa_expires_s
        self.keys: list[tuple[bytes, ...]] = []
        self.kept: dict[tuple[bytes, ...], _Kept] = {}
        self.salt, self.iterations = b"", -1
        self.wildcards: dict[tuple[WireName, int], tuple[Held, float]] = {}

    @property
    def size(self) -> int:
        """What it counts for among all zones."""
        return 1 + len(self.keys) + len(self.wildcards)

    def put(self, key: tuple[bytes, ...], kept: _Kept) -> None:
        if key not in self.kept:
            insort(self.keys, key)
        self.kept[key] = kept

    def clear(self) -> None:
        self.keys.clear()
        self.kept.clear()
        self.wildcards.clear()

    def nearest(self, key: tuple[bytes, ...], *, goes_round: bool) -> _Kept | None:
        """Return the record at *key* or next before it, whose time may be over.  The last NSEC3
        *goes_round* to the first hash."""
        at = bisect_right(self.keys, key) - 1
        if at < 0 and not (goes_round and self.keys):
            return None
        return self.kept[self.keys[at]]


class Absences:
    """The proofs of all zones; the zone that was not used for longest goes first."""

    def __init__(self, limits: Limits, records_max: int = RECORDS_MAX):
        self._limits, self._records_max = limits, records_max
        self._zones: dict[WireName, _Zone] = {}
        self._records = 0

    def __len__(self) -> int:
        return self._records

    def learn(
        self,
        apex: WireName,
        authority: Iterable[Held],
        wildcards: Iterable[tuple[WireName, Held]],
        now_s: float,
    ) -> None:
        """Keep the proofs in *authority*, SECURE RRsets of the zone *apex* with its SOA, and the
        RRsets of *wildcards* that answers were made from."""
        authority = tuple(authority)
        zone = self._pop(apex)
        soa = next((held for held in authority if held.rrset.rrtype == SOA), None)
        if soa is not None:
            ttl_s = min(soa.rrset.ttl_s, int.from_bytes(soa.rrset.rdatas[0][-4:], "big"))
            if zone is None:
                zone = _Zone(soa, now_s + ttl_s)
            zone.soa, zone.soa_expires_s = soa, now_s + ttl_s
        if zone is None:
            # Without the SOA nobody can be told for how long it holds.
            return
        self._take(zone, collect(apex, authority), now_s)
        if soa is None:
            for wildcard, held in wildcards:
                zone.wildcards[wildcard, held.rrset.rrtype] = held, now_s + held.rrset.ttl_s
        if zone.size > RECORDS_OF_ZONE_MAX:
            zone.clear()
        self._zones[apex] = zone
        self._records += zone.size
        while self._records > self._records_max:
            self._pop(next(iter(self._zones)))

    def _pop(self, apex: WireName) -> _Zone | None:
        zone = self._zones.pop(apex, None)
        if zone is not None:
            self._records -= zone.size
        return zone

    def _take(self, zone: _Zone, proofs: Proofs, now_s: float) -> None:
        most_s = max(0.0, zone.soa_expires_s - now_s)
        records: tuple[Nsec | Nsec3, ...] = proofs.nsecs or proofs.nsec3s
        if proofs.nsecs and proofs.nsec3s:
            return
        for record, held in zip(records, proofs.held, strict=True):
            kept = _Kept(record, held, now_s + min(held.rrset.ttl_s, most_s))
            if isinstance(record, Nsec):
                if zone.iterations >= 0:
                    zone.clear()
                    zone.iterations = -1
                zone.put(canonical_key(record.owner), kept)
            elif record.iterations <= ITERATIONS_MAX and not record.is_opt_out:
                if (zone.salt, zone.iterations) != (record.salt, record.iterations):
                    zone.clear()
                    zone.salt, zone.iterations = record.salt, record.iterations
                zone.put((record.owner_hash,), kept)

    def synthesize(self, question: Question, now_s: float) -> Synthesis | None:
        """Return what the proofs say to *question*, None where they do not say."""
        qname, qtype = question.qname, question.qtype
        if not self._zones or qtype in (ANY, RRSIG):
            return None
        start = parent(qname) if qtype == DS and qname[0] else qname
        apex = next((name for name in ancestors(start) if name in self._zones), None)
        if apex is None:
            return None
        zone = self._zones[apex]
        if now_s >= zone.soa_expires_s:
            self._pop(apex)
            return None
        if zone.iterations < 0:
            found = self._by_nsec(apex, zone, qname, qtype, now_s)
        else:
            found = self._by_nsec3(apex, zone, qname, qtype, now_s)
        if found is not None:
            self._zones[apex] = self._zones.pop(apex)
        return found

    def _by_nsec(
        self, apex: WireName, zone: _Zone, qname: WireName, qtype: int, now_s: float
    ) -> Synthesis | None:
        nearest = zone.nearest(canonical_key(qname), goes_round=False)
        if nearest is None or not isinstance(nearest.record, Nsec):
            return None
        record, used = nearest.record, [nearest]
        if record.owner != qname and not is_subdomain(record.next_name, qname):
            if not denial.covers(record, qname, apex):
                return None
            wildcard = b"\1*" + denial.closest_encloser(record, qname)
            across = zone.nearest(canonical_key(wildcard), goes_round=False)
            if across is None or not isinstance(across.record, Nsec):
                return None
            if across is not nearest:
                used.append(across)
            if across.record.owner == wildcard:
                if across.record.has(qtype):
                    return _expanded(zone, wildcard, qname, qtype, [nearest], now_s)
                if across.record.has(CNAME) and qtype not in _OF_THE_NAME_ITSELF:
                    return _expanded(zone, wildcard, qname, CNAME, [nearest], now_s, is_alias=True)
        records = [kept.record for kept in used if isinstance(kept.record, Nsec)]
        proof = denial.prove_absence(qname, qtype, apex, records)
        return _negative(zone, proof, used, now_s)

    def _by_nsec3(
        self, apex: WireName, zone: _Zone, qname: WireName, qtype: int, now_s: float
    ) -> Synthesis | None:
        def find(name: WireName, *, is_match: bool) -> _Kept | None:
            key = (hash_name(name, zone.salt, zone.iterations),)
            kept = zone.nearest(key, goes_round=not is_match)
            return kept if kept is None or not is_match or zone.kept.get(key) is kept else None

        used: list[_Kept] = []
        next_closer: WireName | None = None
        for number, name in enumerate(_up_to(qname, apex)):
            if number > LABELS_HASHED_MAX:
                return None
            if (encloser := find(name, is_match=True)) is not None:
                used.append(encloser)
                break
            next_closer = name
        else:
            return None
        if next_closer is not None:
            wildcard = b"\1*" + parent(next_closer)
            for name in (next_closer, wildcard):
                kept = find(name, is_match=False)
                if kept is None:
                    return None
                if kept not in used:
                    used.append(kept)
        records = [kept.record for kept in used if isinstance(kept.record, Nsec3)]
        try:
            proof = Nsec3Proofs(apex, records, Budget(self._limits, now_s)).prove_absence(
                qname, qtype
            )
        except BudgetExceeded:
            return None
        return _negative(zone, proof, used, now_s)

    def flush(self, apex: WireName | None) -> None:
        """Forget the zones at and below *apex*, all with None; and the zone that *apex* is in,
        for what is proved there may be about names below *apex*."""
        for name in list(self._zones):
            if apex is None or is_subdomain(name, apex) or is_subdomain(apex, name):
                self._pop(name)

    def sweep(self, now_s: float, zones_max: int) -> int:
        """Forget the zones whose time is over among the next *zones_max*; return how many."""
        gone = 0
        for name in list(self._zones)[:zones_max]:
            if now_s >= self._zones[name].soa_expires_s:
                self._pop(name)
                gone += 1
        return gone


def _up_to(qname: WireName, apex: WireName) -> Iterator[WireName]:
    for name in ancestors(qname):
        yield name
        if name == apex:
            return


def _negative(
    zone: _Zone, proof: Proof | None, used: list[_Kept], now_s: float
) -> Synthesis | None:
    if proof is None or proof.is_opt_out:
        return None
    rcode = RCODE_NXDOMAIN if proof.absence is Absence.NAME else RCODE_NOERROR
    ends_s = min(zone.soa_expires_s, *(kept.expires_s for kept in used))
    ttl_s = int(ends_s - now_s)
    if ttl_s <= 0:
        return None
    held = (zone.soa, *(kept.held for kept in used))
    return Synthesis(rcode, (), tuple(_for(each, ttl_s) for each in held), ttl_s)


def _expanded(
    zone: _Zone,
    wildcard: WireName,
    qname: WireName,
    rrtype: int,
    used: list[_Kept],
    now_s: float,
    *,
    is_alias: bool = False,
) -> Synthesis | None:
    found = zone.wildcards.get((wildcard, rrtype))
    if found is None:
        return None
    held, expires_s = found
    ttl_s = int(min(expires_s, *(kept.expires_s for kept in used)) - now_s)
    if ttl_s <= 0:
        return None
    answer = _for(msgspec.structs.replace(held, owner=qname), ttl_s)
    target = held.rrset.rdatas[0] if is_alias else None
    proofs = tuple(_for(each.held, ttl_s) for each in used)
    return Synthesis(RCODE_NOERROR, (answer,), proofs, ttl_s, target)


def _for(held: Held, ttl_s: int) -> Held:
    rrset = msgspec.structs.replace(held.rrset, ttl_s=min(held.rrset.ttl_s, ttl_s))
    return msgspec.structs.replace(held, rrset=rrset)
