"""DS records: which of them count, and which keys they vouch for."""

from collections.abc import Iterable, Sequence

from dns_node.resolver.dnssec.keys import SHA1, Algorithms, ZoneKey
from dns_node.resolver.dnssec.records import Delegation
from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.zone.rrset import WireName


def choose(
    records: Iterable[Delegation], algorithms: Algorithms, records_max: int
) -> tuple[list[Delegation], ErrorCode]:
    """Return the DS records that are used, at most *records_max*; and, should there be none, why.

    Those with an algorithm or digest that is not known are as if they were not there: with no
    other the zone is insecure (RFC 4035 section 5.2); with another it has to be signed by that.
    SHA-1 does not count beside a better digest (RFC 4509 section 3).
    """
    known = [each for each in records if each.algorithm in algorithms.signing]
    chosen = [each for each in known if each.digest_type in algorithms.digests]
    if any(each.digest_type != SHA1 for each in chosen):
        chosen = [each for each in chosen if each.digest_type != SHA1]
    code = ErrorCode.UNSUPPORTED_DNSKEY_ALGORITHM
    if known:
        code = ErrorCode.UNSUPPORTED_DS_DIGEST
    return chosen[:records_max], code


def matching_keys(
    zone: WireName, keys: Sequence[ZoneKey], records: Iterable[Delegation], of_one_tag_max: int
) -> tuple[list[ZoneKey], ErrorCode]:
    """Return the keys of *zone* that *records* vouch for; and, should there be none, why.

    Of keys with the tag and algorithm of one DS at most *of_one_tag_max* are looked at.
    """
    found: list[ZoneKey] = []
    code = ErrorCode.DNSKEY_MISSING
    for record in records:
        alike = [k for k in keys if k.tag == record.tag and k.algorithm == record.algorithm]
        for key in alike[:of_one_tag_max]:
            if not key.matches(zone, record):
                continue
            if key.may_sign:
                if key not in found:
                    found.append(key)
            elif code is ErrorCode.DNSKEY_MISSING and not key.is_revoked:
                code = ErrorCode.NO_ZONE_KEY_BIT
    return found, code
