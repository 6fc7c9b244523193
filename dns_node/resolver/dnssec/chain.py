"""Chains of trust: from a trust anchor down to the keys of a zone (RFC 4035 section 5.2).

A zone is trusted by the DS records that the zone above it signed, and these by the trust in that
zone; so the way goes up, one zone at a time, until something is known, and every step is strictly
higher.  Where a zone above proves that there is no DS, what is below is insecure.
"""

from collections.abc import Generator, Iterable, Iterator

import msgspec

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.delegation import choose, matching_keys
from dns_node.resolver.dnssec.keys import ZoneKey
from dns_node.resolver.dnssec.knowledge import Knowledge
from dns_node.resolver.dnssec.proofs import Proofs, collect, signer_of, signer_of_proofs
from dns_node.resolver.dnssec.records import (
    CNAME,
    DNSKEY,
    DS,
    NSEC,
    NSEC3,
    BadRecord,
    Delegation,
    parse_ds,
    parse_signature,
)
from dns_node.resolver.dnssec.signature import Checked, check_rrset
from dns_node.resolver.dnssec.trust import (
    FAILURE_TTL_S_MAX,
    INSECURE_TTL_S_MAX,
    TTL_S_MAX,
    Trust,
)
from dns_node.resolver.dnssec.verdict import Claim, ErrorCode, Need
from dns_node.resolver.question import ExtendedError, Held, Question, Security
from dns_node.zone.names import ancestors, is_subdomain, name_text, parent
from dns_node.zone.rrset import WireName

RENEW_AFTER_S = 30.0
"""What is known of a zone is found out again before its time, where it does not fit what the zone
says (a key was replaced), but not more often than this."""

ATTEMPTS_MAX = 3
"""How often the DS and the keys of a zone are looked at when they are not good."""

NSECS_MAX = 8

NAMES_NOTED_MAX = 4
"""Names below a zone that are looked for in proofs that were not asked for."""


class _SignedDelegations(msgspec.Struct, frozen=True, gc=False):
    """The DS records of a zone, which the zone above has signed."""

    records: tuple[Delegation, ...]
    ttl_s: int


class Chain:
    """The chains of trust that one validation needs."""

    def __init__(self, knowledge: Knowledge, budget: Budget, now_s: float):
        self.knowledge, self.budget, self.now_s = knowledge, budget, now_s
        self.steps: list[str] = []
        # What has a TTL of 0 is known for this validation all the same.
        self._found: dict[WireName, Trust] = {}
        # The zone whose last answers were bad; other servers may have better ones.
        self._doubted: WireName | None = None

    # What is known of a zone.

    def trust_in(
        self, zone: WireName, *, above: Trust | None = None, is_claimed: bool = False
    ) -> Generator[Need, Claim | None, Trust]:
        """Find out what is known of *zone*.

        *above* is the trust in the zone that reaches down to right above it, where that is known.
        *is_claimed*: a server or a signature says that there is such a zone.
        """
        anchor = self.knowledge.anchors.closest(zone)
        if anchor is None:
            return Trust(zone, Security.INSECURE, self.now_s, self.now_s)
        negative = self.knowledge.negative_anchors.closest(zone, self.now_s)
        if negative is not None and len(negative) >= len(anchor):
            code, text = ErrorCode.NEGATIVE_TRUST_ANCHOR, f"at {name_text(negative)}"
            error = ExtendedError(code, text)
            return Trust(zone, Security.INSECURE, self.now_s, self.now_s, error=error)
        known = self.known(zone)
        if known is not None:
            is_doubtful = is_claimed and not known.is_cut
            if not is_doubtful or self.now_s - known.made_s < RENEW_AFTER_S:
                return known
        return (yield from self._find_out(zone, anchor, above, is_fresh=known is not None))

    def known(self, zone: WireName) -> Trust | None:
        """Return what was found out of *zone* before."""
        return self._found.get(zone) or self.knowledge.trusts.find(zone, self.now_s)

    def note_delegation(self, name: WireName, proofs: Proofs) -> bool:
        """Return whether *proofs* show an insecure delegation at or above *name*, and keep it."""
        names = list(_between(proofs.zone, name))[:NAMES_NOTED_MAX]
        rounds = max((record.iterations + 1 for record in proofs.nsec3s), default=0)
        cost = rounds * len(names) * (len(names) + 3)
        if not proofs.held or cost > self.budget.limits.nsec3_hashes_max - self.budget.hashes:
            # It would be good to know, but is not needed: the rest of the question goes first.
            return False
        for below in names:
            known = self.known(below)
            if known is not None and known.is_cut:
                return False
            proof = proofs.absence(below, DS, self.budget)
            if proof is not None and proof.is_insecure_cut:
                ttl_s = min(held.rrset.ttl_s for held in proofs.held)
                self._keep(self._insecure(below, ttl_s))
                return True
        return False

    def renew(self, trust: Trust) -> Generator[Need, Claim | None, Trust]:
        """Find out anew what there is to know of a zone, if the last time was not just now."""
        anchor = self.knowledge.anchors.closest(trust.zone)
        if anchor is None or self.now_s - trust.made_s < RENEW_AFTER_S:
            return trust
        return (yield from self._find_out(trust.zone, anchor, None, is_fresh=True))

    def look_at_anchor(self, zone: WireName) -> Generator[Need, Claim | None, None]:
        """Ask for the keys of *zone*, which has a trust anchor, and take note of them."""
        yield from self._find_out(zone, zone, None, is_fresh=True)

    def enclosing(
        self, name: WireName, hint: WireName | None
    ) -> Generator[Need, Claim | None, Trust]:
        """Find out what is known of the zone that holds *name*, where no signature names it.

        *hint* is a zone at or above it.  From there every name down to *name* may be a zone cut:
        only the proof of an insecure one makes it right that nothing is signed.
        """
        start = self.knowledge.anchors.closest(name)
        if start is None:
            return Trust(name, Security.INSECURE, self.now_s, self.now_s)
        if hint is not None and is_subdomain(name, hint) and is_subdomain(hint, start):
            start = hint
        current = yield from self.trust_in(start, is_claimed=True)
        for below in _between(start, name):
            if current.security is not Security.SECURE:
                break
            found = yield from self.trust_in(below, above=current)
            if found.is_cut:
                current = found
        return current

    def check(self, held: Held, trust: Trust) -> Generator[Need, Claim | None, Checked]:
        """Check the signatures of *held* with the keys of a SECURE zone."""
        if held.security is Security.SECURE:
            return Checked(held)
        checked = check_rrset(held, trust.zone, trust.keys, self.budget, self.now_s)
        if checked.held is None and checked.lacks_key:
            renewed = yield from self.renew(trust)
            if renewed is not trust and renewed.security is Security.SECURE:
                checked = check_rrset(held, trust.zone, renewed.keys, self.budget, self.now_s)
        return checked

    def check_proofs(
        self, authority: Iterable[Held], trust: Trust
    ) -> Generator[Need, Claim | None, Proofs]:
        """Check the NSEC and NSEC3 RRsets of *authority* that *trust*'s zone signed."""
        left = {NSEC: NSECS_MAX, NSEC3: self.budget.limits.nsec3_per_answer_max}
        good, failures = [], 0
        error: ErrorCode | None = None
        for held in authority:
            rrtype = held.rrset.rrtype
            if not left.get(rrtype) or signer_of(held, preferred=trust.zone) != trust.zone:
                continue
            left[rrtype] -= 1
            checked = yield from self.check(held, trust)
            # A record that was made from a wildcard is not at the place that it speaks of.
            if checked.held is not None and checked.wildcard is None:
                good.append(checked.held)
                continue
            failures, error = failures + 1, checked.error
            if failures >= self.budget.limits.failures_per_rrset_max:
                break
        return collect(trust.zone, good, error)

    # How it is found out.

    def _find_out(
        self, zone: WireName, anchor: WireName, above: Trust | None, *, is_fresh: bool
    ) -> Generator[Need, Claim | None, Trust]:
        trust: Trust | None = None
        found: Trust | _SignedDelegations | None = None
        # What is at hand; then keys that a server gives; then its DS and keys that others give.
        for attempt in range(ATTEMPTS_MAX):
            self._doubted = None
            asks = is_fresh or attempt > 0
            if not isinstance(found, _SignedDelegations) or attempt == ATTEMPTS_MAX - 1:
                found = yield from self._vouching(zone, anchor, above, asks)
            if isinstance(found, Trust):
                made = found
            else:
                made = yield from self._keys(zone, found, zone == anchor, asks)
            is_bad = self._doubted == zone
            if is_bad or trust is None or made.security is not Security.BOGUS:
                trust = made
            if not is_bad:
                break
        assert trust is not None
        self._doubted = None
        self._keep(trust)
        return trust

    def _keep(self, trust: Trust) -> None:
        error = trust.error
        if error is None or error.code != ErrorCode.NEGATIVE_TRUST_ANCHOR:
            self._found[trust.zone] = trust
            self.knowledge.trusts.put(trust)
        text = f": {error.text}" if error is not None else ""
        how = trust.security.name.lower() if trust.is_cut else "no zone"
        self.steps.append(f"{name_text(trust.zone)} is {how}{text}")

    def _vouching(
        self, zone: WireName, anchor: WireName, above: Trust | None, is_fresh: bool
    ) -> Generator[Need, Claim | None, Trust | _SignedDelegations]:
        """Find what vouches for the keys of *zone*: its anchors or its DS records; or what there
        is to know without."""
        if zone == anchor:
            records = self.knowledge.anchors.delegations(zone)
            return _SignedDelegations(records, TTL_S_MAX)
        return (yield from self._delegations(zone, above, is_fresh))

    def _delegations(
        self, zone: WireName, above: Trust | None, is_fresh: bool
    ) -> Generator[Need, Claim | None, Trust | _SignedDelegations]:
        """Find the DS records of *zone*, or what there is to know without any."""
        asked = Question(zone, DS)
        claim = yield Need(asked, is_fresh)
        if claim is not None and (claim := claim.at(self.now_s)) is None:
            claim = yield Need(asked, True)
        if claim is None:
            text = "no server says whether it has a DS"
            return self._bogus(zone, ErrorCode.BOGUS, text, is_unanswered=True)
        for held in claim.answer:
            if held.owner == zone and held.rrset.rrtype in (DS, CNAME):
                signer = signer_of(held, is_of_parent=held.rrset.rrtype == DS)
                trust = yield from self._signing(zone, signer, claim.zone, above)
                if trust.security is not Security.SECURE:
                    return self._inherited(zone, trust)
                return (yield from self._delegations_held(zone, held, signer, trust))
        signer = signer_of_proofs(claim.authority, zone, is_of_parent=True)
        trust = yield from self._signing(zone, signer, claim.zone, above)
        if trust.security is not Security.SECURE:
            return self._inherited(zone, trust)
        if signer is None:
            return self._bogus(zone, ErrorCode.RRSIGS_MISSING, "nothing proves that it has no DS")
        return (yield from self._no_delegations(zone, claim, trust))

    def _signing(
        self, zone: WireName, signer: WireName | None, hint: WireName | None, above: Trust | None
    ) -> Generator[Need, Claim | None, Trust]:
        """Find the trust in the zone that speaks of *zone*'s DS: its *signer*, or what encloses."""
        if signer is not None and signer != zone:
            return (yield from self.trust_in(signer, is_claimed=True))
        if above is not None:
            return above
        return (yield from self.enclosing(parent(zone), hint))

    def _delegations_held(
        self, zone: WireName, held: Held, signer: WireName | None, trust: Trust
    ) -> Generator[Need, Claim | None, Trust | _SignedDelegations]:
        if signer is None:
            return self._bogus(zone, ErrorCode.RRSIGS_MISSING, "its DS is not signed")
        checked = yield from self.check(held, trust)
        is_alias = held.rrset.rrtype == CNAME
        if checked.held is None or (checked.wildcard is not None and not is_alias):
            return self._bogus(zone, checked.error, "the signature of its DS is not good")
        if is_alias:
            return self._no_cut(zone, checked.held.rrset.ttl_s)
        records = []
        for rdata in checked.held.rrset.rdatas:
            try:
                records.append(parse_ds(rdata))
            except BadRecord:
                continue
        return _SignedDelegations(tuple(records), checked.held.rrset.ttl_s)

    def _no_delegations(
        self, zone: WireName, claim: Claim, trust: Trust
    ) -> Generator[Need, Claim | None, Trust]:
        proofs = yield from self.check_proofs(claim.authority, trust)
        proof = proofs.absence(zone, DS, self.budget)
        if proof is None:
            code = proofs.error or ErrorCode.NSEC_MISSING
            return self._bogus(zone, code, "nothing proves that it has no DS")
        ttl_s = min(held.rrset.ttl_s for held in proofs.held)
        if proof.is_too_costly:
            error = ExtendedError(ErrorCode.UNSUPPORTED_NSEC3_ITERATIONS, name_text(trust.zone))
            return self._insecure(zone, ttl_s, error)
        if proof.is_insecure_cut:
            return self._insecure(zone, ttl_s)
        return self._no_cut(zone, ttl_s)

    def _keys(
        self, zone: WireName, delegations: _SignedDelegations, is_anchor: bool, is_fresh: bool
    ) -> Generator[Need, Claim | None, Trust]:
        """Find the keys of *zone*, which its DS records (or its anchors) vouch for."""
        limits, algorithms = self.budget.limits, self.knowledge.algorithms
        chosen, code = choose(delegations.records, algorithms, limits.ds_max)
        if not chosen:
            return self._insecure(zone, delegations.ttl_s, ExtendedError(code, name_text(zone)))
        claim = yield Need(Question(zone, DNSKEY), is_fresh)
        if claim is None:
            text = "no server gives its DNSKEY"
            return self._bogus(zone, ErrorCode.DNSKEY_MISSING, text, is_unanswered=True)
        held = next((e for e in claim.answer if e.owner == zone and e.rrset.rrtype == DNSKEY), None)
        if held is None:
            return self._bogus(zone, ErrorCode.DNSKEY_MISSING, "it has no DNSKEY")
        keys = [ZoneKey(rdata) for rdata in held.rrset.rdatas]
        entries, code = matching_keys(zone, keys, chosen, limits.keys_of_one_tag_max)
        if not entries:
            return self._bogus(zone, code, "none of its keys is the one that its DS names")
        if held.security is Security.SECURE:
            checked = Checked(held)
        else:
            checked = check_rrset(held, zone, entries, self.budget, self.now_s)
        if checked.held is None:
            return self._bogus(zone, checked.error, "the signature of its DNSKEY is not good")
        if is_anchor and held.security is not Security.SECURE:
            self._observe(zone, held, keys, checked.held)
        usable = tuple(k for k in keys if k.may_sign and k.algorithm in algorithms.signing)
        ttl_s = min(delegations.ttl_s, checked.held.rrset.ttl_s, TTL_S_MAX)
        return Trust(zone, Security.SECURE, self.now_s + ttl_s, self.now_s, usable)

    def _observe(self, zone: WireName, held: Held, keys: list[ZoneKey], checked: Held) -> None:
        """Follow the changes of a trust anchor (RFC 5011)."""
        revoked = [
            key
            for key in keys
            if key.is_revoked
            and self.knowledge.anchors.is_anchor(zone, key)
            and check_rrset(held, zone, [key], self.budget, self.now_s).held is not None
        ]
        signature = parse_signature(checked.rrset.signatures[0])
        left_s = (signature.expiration - int(self.now_s)) & 0xFFFFFFFF
        ttl_s = signature.original_ttl_s
        has_changed = self.knowledge.anchors.observe(zone, keys, revoked, ttl_s, left_s, self.now_s)
        self.knowledge.anchors_changed |= has_changed

    # What came of it.

    def _insecure(self, zone: WireName, ttl_s: float, error: ExtendedError | None = None) -> Trust:
        expires_s = self.now_s + min(ttl_s, INSECURE_TTL_S_MAX)
        return Trust(zone, Security.INSECURE, expires_s, self.now_s, error=error)

    def _inherited(self, zone: WireName, above: Trust) -> Trust:
        expires_s = above.expires_s
        if above.security is Security.BOGUS:
            expires_s = min(expires_s, self.now_s + self._failure_ttl_s())
        return msgspec.structs.replace(above, zone=zone, is_cut=True, expires_s=expires_s)

    def _no_cut(self, zone: WireName, ttl_s: float) -> Trust:
        expires_s = self.now_s + min(ttl_s, INSECURE_TTL_S_MAX)
        error = ExtendedError(ErrorCode.BOGUS, f"{name_text(zone)} is no zone of its own")
        return Trust(zone, Security.BOGUS, expires_s, self.now_s, error=error, is_cut=False)

    def _bogus(
        self, zone: WireName, code: ErrorCode, text: str, *, is_unanswered: bool = False
    ) -> Trust:
        self._doubted = None if is_unanswered else zone
        expires_s = self.now_s + self._failure_ttl_s()
        error = ExtendedError(code, f"{name_text(zone)}: {text}")
        return Trust(zone, Security.BOGUS, expires_s, self.now_s, error=error)

    def _failure_ttl_s(self) -> float:
        return min(max(1.0, self.knowledge.failure_ttl_s), FAILURE_TTL_S_MAX)


def _between(apex: WireName, name: WireName) -> Iterator[WireName]:
    """Yield the names below *apex* down to *name*, the highest first."""
    below = []
    for each in ancestors(name):
        if each == apex:
            break
        below.append(each)
    return reversed(below)
