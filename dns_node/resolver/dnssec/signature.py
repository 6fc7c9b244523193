"""The check of one RRset's signatures (RFC 4035 section 5.3), within the limits against KeyTrap.

Only signatures that could be good are tried: those of the zone, in their time, with a key of the
zone that has their tag and algorithm.  Of these a few, with a few keys each; a few failures end it
(`Limits.signatures_per_rrset_max`, `keys_of_one_tag_max`, `failures_per_rrset_max`,
`checks_per_rrset_max`), whatever the rest may be.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from dns_node.resolver.budget import Budget
from dns_node.resolver.dnssec.keys import ZoneKey
from dns_node.resolver.dnssec.records import DNSKEY, BadRecord, Signature, parse_signature
from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.question import IN, Held, Security
from dns_node.zone.names import is_subdomain, is_wildcard, labels
from dns_node.zone.rrset import RRset, WireName

_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1


class Checked(msgspec.Struct, frozen=True, gc=False):
    """What came of a check.  *held* is the RRset as it may be used, None when no signature is
    good; *error* then says why.

    *wildcard*: the RRset was made from the wildcard of that name (RFC 4035 section 5.3.4).
    *lacks_key*: there was a signature of a key that the zone does not have.
    """

    held: Held | None
    wildcard: WireName | None = None
    error: ErrorCode = ErrorCode.BOGUS
    lacks_key: bool = False
    signer_tag: int = 0


_parse = lru_cache(maxsize=1024)(parse_signature)


def parse_signatures(held: Held) -> list[Signature]:
    """Return the signatures of *held* that are in form and cover its type."""
    found = []
    for rdata in held.rrset.signatures:
        try:
            signature = _parse(rdata)
        except BadRecord:
            continue
        if signature.covered == held.rrset.rrtype:
            found.append(signature)
    return found


def check_rrset(
    held: Held, zone: WireName, keys: Sequence[ZoneKey], budget: Budget, now_s: float
) -> Checked:
    """Check *held* with *keys*, which are those of *zone* that count.

    Raises BudgetExceeded when the question may make no more checks.
    """
    limits = budget.limits
    owner_labels = _label_count(held.owner)
    signatures = parse_signatures(held)
    possible, error, lacks_key = _possible(signatures, held, zone, keys, owner_labels, now_s)
    checks = failures = 0
    for signature, candidates in possible[: limits.signatures_per_rrset_max]:
        data = signed_data(signature, held, owner_labels)
        for key in candidates[: limits.keys_of_one_tag_max]:
            if checks >= limits.checks_per_rrset_max or failures >= limits.failures_per_rrset_max:
                return Checked(None, error=ErrorCode.BOGUS)
            is_good = key.remembers(signature.signature, data)
            if not is_good:
                budget.draw_check()
                checks += 1
                is_good = key.checks(signature.signature, data)
            if is_good:
                wildcard = None
                if signature.labels < owner_labels:
                    wildcard = wildcard_owner(held.owner, signature.labels)
                kept = [
                    signature,
                    *_of_another_key(signature, possible, held, owner_labels, budget),
                ]
                return Checked(_secured(held, kept, now_s), wildcard, signer_tag=key.tag)
            failures += 1
    return Checked(None, error=error, lacks_key=lacks_key and not possible)


def _of_another_key(
    good: Signature,
    possible: list[tuple[Signature, list[ZoneKey]]],
    held: Held,
    owner_labels: int,
    budget: Budget,
) -> list[Signature]:
    """Return a second signature, by another key, if there is one.

    A client that validates may need it: it may know another algorithm, or its DS is for another of
    the keys that sign the keys of a zone.  Of these it is checked; else who needs it does that.
    """
    for signature, candidates in possible:
        is_other = (signature.algorithm, signature.tag) != (good.algorithm, good.tag)
        if not is_other or signature.labels != good.labels:
            continue
        if held.rrset.rrtype != DNSKEY:
            return [signature]
        data = signed_data(signature, held, owner_labels)
        budget.draw_check()
        return [signature] if candidates[0].checks(signature.signature, data) else []
    return []


def _possible(
    signatures: Iterable[Signature],
    held: Held,
    zone: WireName,
    keys: Sequence[ZoneKey],
    owner_labels: int,
    now_s: float,
) -> tuple[list[tuple[Signature, list[ZoneKey]]], ErrorCode, bool]:
    """Return the signatures that could be good with the keys to try, what is to be said when none
    is, and whether one is of a key that is not there."""
    possible = []
    error, lacks_key = ErrorCode.RRSIGS_MISSING, False
    zone_labels = len(labels(zone))
    is_inside = is_subdomain(held.owner, zone)
    for signature in signatures:
        # Fewer labels than the zone has would make a wildcard above it (RFC 4035 section 5.3.1).
        is_fit = zone_labels <= signature.labels <= owner_labels
        if signature.signer != zone or not is_inside or not is_fit:
            if error is ErrorCode.RRSIGS_MISSING:
                error = ErrorCode.BOGUS
            continue
        wrong_time = _wrong_time(signature, now_s)
        if wrong_time is not None:
            error = wrong_time
            continue
        candidates = [
            key for key in keys if key.tag == signature.tag and key.algorithm == signature.algorithm
        ]
        if candidates:
            possible.append((signature, candidates))
        else:
            lacks_key = True
            if error in (ErrorCode.RRSIGS_MISSING, ErrorCode.BOGUS):
                error = ErrorCode.DNSKEY_MISSING
    if possible:
        error = ErrorCode.BOGUS
        possible.sort(key=lambda each: each[0].algorithm)
    return possible, error, lacks_key


def _wrong_time(signature: Signature, now_s: float) -> ErrorCode | None:
    """Say what is wrong with the time of *signature*; it wraps around (RFC 4034 section 3.1.5)."""
    now = int(now_s) & _MASK
    if (signature.expiration - signature.inception) & _MASK >= _HALF:
        return ErrorCode.SIGNATURE_EXPIRED_BEFORE_VALID
    if (signature.expiration - now) & _MASK >= _HALF:
        return ErrorCode.SIGNATURE_EXPIRED
    if (now - signature.inception) & _MASK >= _HALF:
        return ErrorCode.SIGNATURE_NOT_YET_VALID
    return None


def signed_data(signature: Signature, held: Held, owner_labels: int) -> bytes:
    """Return the octets that *signature* is over (RFC 4034 section 3.1.8.1)."""
    owner = held.owner
    if signature.labels < owner_labels:
        owner = wildcard_owner(owner, signature.labels)
    fixed = held.rrset.rrtype << 48 | IN << 32 | signature.original_ttl_s
    start = owner + fixed.to_bytes(8, "big")
    parts = [signature.head]
    for rdata in held.rrset.rdatas:
        parts += (start, len(rdata).to_bytes(2, "big"), rdata)
    return b"".join(parts)


def wildcard_owner(owner: WireName, label_count: int) -> WireName:
    """Return the wildcard whose closest encloser is the last *label_count* labels of *owner*."""
    at = 0
    for _ in range(len(labels(owner)) - label_count):
        at += owner[at] + 1
    return b"\1*" + owner[at:]


def _label_count(owner: WireName) -> int:
    """Return the number of labels, without the root's and an asterisk (RFC 4034 section 3.1.3)."""
    return len(labels(owner)) - is_wildcard(owner)


def _secured(held: Held, signatures: list[Signature], now_s: float) -> Held:
    rrset = held.rrset
    left_s = min((signature.expiration - int(now_s)) & _MASK for signature in signatures)
    ttl_s = min(rrset.ttl_s, signatures[0].original_ttl_s, left_s)
    rdatas = tuple(sorted(signature.rdata for signature in signatures))
    return Held(held.owner, RRset(rrset.rrtype, ttl_s, rrset.rdatas, rdatas), Security.SECURE)
