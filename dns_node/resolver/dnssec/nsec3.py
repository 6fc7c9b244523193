"""What NSEC3 records prove (RFC 5155 section 8), within bounds for what they cost.

The cost of a hash is its rounds of SHA-1; they are drawn from the question's budget.  Zones with
more iterations than `Limits.nsec3_iterations_max`, or with so many that the proof for one name
would use up the budget of a question, are not validated but insecure (RFC 9276 section 3.2).
"""

import hashlib
from collections.abc import Iterable, Sequence

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.denial import Absence, Proof, allows_absence
from dns_node.resolver.dnssec.records import DNAME, DS, NS, SOA, Nsec3
from dns_node.resolver.settings import Limits
from dns_node.zone.names import ancestors, is_subdomain, labels, parent
from dns_node.zone.rrset import WireName


def hash_name(name: WireName, salt: bytes, iterations: int) -> bytes:
    """Return the hash of *name* (RFC 5155 section 5)."""
    digest = hashlib.sha1(name + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = hashlib.sha1(digest + salt, usedforsecurity=False).digest()
    return digest


def is_too_costly(
    records: Iterable[Nsec3], qname: WireName, zone: WireName, limits: Limits
) -> bool:
    """Return whether a proof about *qname* by *records* is beyond what is validated."""
    iterations = max((record.iterations for record in records), default=0)
    if iterations > limits.nsec3_iterations_max:
        return True
    names = len(labels(qname)) - len(labels(zone)) + 2
    return iterations > 0 and names * (iterations + 1) > limits.nsec3_hashes_max


def covers(record: Nsec3, digest: bytes) -> bool:
    """Return whether *record* goes across *digest*; the last one of a zone goes around."""
    if record.owner_hash < record.next_hash:
        return record.owner_hash < digest < record.next_hash
    return digest > record.owner_hash or digest < record.next_hash


class Nsec3Proofs:
    """The NSEC3 records of one zone in one answer; their signatures were checked.

    Only those with the parameters of the first count (RFC 5155 section 8.2).  The methods raise
    BudgetExceeded where the budget has no hashes left.
    """

    def __init__(self, zone: WireName, records: Sequence[Nsec3], budget: Budget):
        self._zone, self._budget = zone, budget
        self._salt, self._iterations = records[0].salt, records[0].iterations
        self._records = [
            record
            for record in records
            if record.salt == self._salt and record.iterations == self._iterations
        ]
        self._hashes: dict[WireName, bytes] = {}

    def prove_absence(self, qname: WireName, qtype: int) -> Proof | None:
        """Return what is proved about *qname* and *qtype*, None for nothing."""
        found = self._closest_encloser(qname)
        if found is None:
            return None
        encloser, record = found
        if encloser == qname:
            if not allows_absence(record, qname, qtype):
                return None
            return Proof(Absence.TYPE, encloser=qname, is_cut=record.has(NS))
        next_closer = self._covering(_next_closer(qname, encloser))
        if next_closer is None:
            return None
        if qtype == DS and next_closer.is_opt_out:
            # An unsigned delegation may be here or above (RFC 5155 section 8.6).
            return Proof(Absence.TYPE, is_opt_out=True, encloser=encloser, is_cut=True)
        wildcard = b"\1*" + encloser
        if len(wildcard) > 255:
            return None
        at_wildcard = self._matching(wildcard)
        if at_wildcard is not None:
            if allows_absence(at_wildcard, wildcard, qtype):
                return Proof(Absence.TYPE, next_closer.is_opt_out, encloser)
            return None
        across = self._covering(wildcard)
        if across is not None:
            return Proof(Absence.NAME, next_closer.is_opt_out, encloser)
        if next_closer.is_opt_out:
            # An empty non-terminal above unsigned delegations only has no record of its own.
            return Proof(Absence.TYPE, is_opt_out=True, encloser=encloser)
        return None

    def permits_wildcard(self, qname: WireName, wildcard: WireName) -> Proof | None:
        """Return the proof that *qname* may be answered from *wildcard* (RFC 5155 section 8.8)."""
        encloser = wildcard[2:]
        if qname == encloser or not is_subdomain(qname, encloser):
            return None
        covering = self._covering(_next_closer(qname, encloser))
        if covering is None:
            return None
        return Proof(Absence.NAME, covering.is_opt_out, encloser)

    def _closest_encloser(self, qname: WireName) -> tuple[WireName, Nsec3] | None:
        if not is_subdomain(qname, self._zone):
            return None
        for name in ancestors(qname):
            record = self._matching(name)
            if record is not None:
                # Below a delegation or a DNAME the zone has nothing to say (section 8.3).
                is_hiding = record.has(DNAME) or (record.has(NS) and not record.has(SOA))
                return None if is_hiding and name != qname else (name, record)
            if name == self._zone:
                break
        return None

    def _matching(self, name: WireName) -> Nsec3 | None:
        digest = self._hash(name)
        return next((each for each in self._records if each.owner_hash == digest), None)

    def _covering(self, name: WireName) -> Nsec3 | None:
        digest = self._hash(name)
        return next((each for each in self._records if covers(each, digest)), None)

    def _hash(self, name: WireName) -> bytes:
        digest = self._hashes.get(name)
        if digest is None:
            self._budget.draw_hashes(self._iterations + 1)
            digest = self._hashes[name] = hash_name(name, self._salt, self._iterations)
        return digest


def _next_closer(qname: WireName, encloser: WireName) -> WireName:
    """Return the name one label longer than *encloser* on the way to *qname*."""
    return next(name for name in ancestors(qname) if parent(name) == encloser)
