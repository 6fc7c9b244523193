"""The check of one RRset, alone."""

import dns.name
import dns.rrset
import msgspec
import pytest

from dns_node.resolver.budget import Budget, BudgetExceeded
from dns_node.resolver.dnssec.keys import RSA_BITS_MAX, ZoneKey
from dns_node.resolver.dnssec.records import DNSKEY, BadRecord, key_tag, parse_signature
from dns_node.resolver.dnssec.signature import check_rrset
from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.question import Held, Security
from dns_node.resolver.settings import Limits
from dns_node.zone.names import parse_name
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import DAY_S, NOW_S, TXT, A, key, sign

ZONE = SignedZone("example.", "www A 192.0.2.1\nwww A 192.0.2.2\nwww TXT x\n*.w A 192.0.2.3")
APEX = ZONE.zone_name
PAIR = ZONE.zsks[0]
KEYS = [ZoneKey(PAIR.dnskey.to_wire())]
WWW = ZONE.held("www.example.", A)


def check(held: Held, keys=KEYS, zone: bytes = APEX, budget: Budget | None = None):
    return check_rrset(held, zone, keys, budget or Budget(Limits(), NOW_S), NOW_S)


def with_signatures(held: Held, *signatures: bytes) -> Held:
    return msgspec.structs.replace(
        held, rrset=msgspec.structs.replace(held.rrset, signatures=signatures)
    )


def rrset_of(owner: str, ttl_s: int, *addresses: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(dns.name.from_text(owner), ttl_s, "IN", "A", *addresses)


def test_a_good_signature_makes_secure_and_only_it_is_kept():
    noise = WWW.rrset.signatures[0][:-1] + b"!"
    checked = check(with_signatures(WWW, WWW.rrset.signatures[0], noise))
    assert checked.held.security is Security.SECURE
    assert checked.held.rrset.signatures == WWW.rrset.signatures
    assert checked.wildcard is None
    assert checked.signer_tag == PAIR.tag


def test_keys_keep_a_good_signature_of_a_second_key_for_who_knows_only_that_one():
    """A zone may sign its keys with the KSK and the ZSK; a DS is for one of them."""
    ksk, zsk = ZONE.ksks[0], ZONE.zsks[0]
    records = dns.rrset.from_rdata("example.", 3600, ksk.dnskey, zsk.dnskey)
    held = ZONE.held("example.", DNSKEY)
    both = [sign(records, by, "example.") for by in (zsk, ksk)]
    keys = [ZoneKey(pair.dnskey.to_wire()) for pair in (zsk, ksk)]
    checked = check(with_signatures(held, *both), keys).held
    assert set(checked.rrset.signatures) == set(both)
    forged = sign(dns.rrset.from_rdata("example.", 3600, zsk.dnskey), ksk, "example.")
    checked = check(with_signatures(held, both[0], forged), keys).held
    assert checked.rrset.signatures == (both[0],)


def test_a_signature_of_another_algorithm_is_kept_for_those_who_know_no_other():
    zone = SignedZone(
        "example.", "www A 192.0.2.1", algorithms=(8, 13, 15), expiration_s=NOW_S + 50
    )
    keys = [ZoneKey(pair.dnskey.to_wire()) for pair in zone.zsks]
    budget = Budget(Limits(), NOW_S)
    held = check(zone.held("www.example.", A), keys, budget=budget).held
    assert sorted(signature[2] for signature in held.rrset.signatures) == [8, 13]
    assert held.rrset.ttl_s == 50
    assert budget.checks == 1


def test_an_rrset_from_a_wildcard_names_the_wildcard():
    moved = ZONE.held("*.w.example.", A, "a.b.w.example.")
    assert check(moved).wildcard == parse_name("*.w.example.")
    assert check(ZONE.held("*.w.example.", A)).wildcard is None


def test_the_ttl_is_no_longer_than_the_one_that_was_signed():
    longer = msgspec.structs.replace(WWW, rrset=msgspec.structs.replace(WWW.rrset, ttl_s=90_000))
    assert check(longer).held.rrset.ttl_s == 3600


def test_one_signature_does_not_cover_another_type():
    other = ZONE.held("www.example.", TXT).rrset.signatures[0]
    budget = Budget(Limits(), NOW_S)
    checked = check(with_signatures(WWW, other), budget=budget)
    assert checked.held is None and checked.error is ErrorCode.RRSIGS_MISSING
    assert budget.checks == 0


@pytest.mark.parametrize("signer", ["www.example.", ".", "other."])
def test_signatures_of_another_signer_are_not_tried(signer):
    signature = sign(rrset_of("www.example.", 3600, "192.0.2.1", "192.0.2.2"), PAIR, signer)
    budget = Budget(Limits(), NOW_S)
    assert check(with_signatures(WWW, signature), budget=budget).held is None
    assert budget.checks == 0


def test_a_name_outside_the_zone_is_not_tried():
    signature = sign(rrset_of("www.other.", 3600, "192.0.2.1"), PAIR, "example.")
    outside = Held(parse_name("www.other."), msgspec.structs.replace(
        WWW.rrset, rdatas=WWW.rrset.rdatas[:1], signatures=(signature,)
    ))  # fmt: skip
    budget = Budget(Limits(), NOW_S)
    assert check(outside, budget=budget).held is None
    assert budget.checks == 0


@pytest.mark.parametrize("labels", [0, 3, 255])
def test_label_counts_that_can_not_be_are_not_tried(labels):
    signature = bytearray(WWW.rrset.signatures[0])
    signature[3] = labels
    budget = Budget(Limits(), NOW_S)
    assert check(with_signatures(WWW, bytes(signature)), budget=budget).held is None
    assert budget.checks == 0


def test_the_tag_and_the_algorithm_have_to_be_those_of_the_key():
    for at, value in ((2, 8), (16, WWW.rrset.signatures[0][16] ^ 1)):
        signature = bytearray(WWW.rrset.signatures[0])
        signature[at] = value
        budget = Budget(Limits(), NOW_S)
        checked = check(with_signatures(WWW, bytes(signature)), budget=budget)
        assert checked.held is None and checked.lacks_key
        assert checked.error is ErrorCode.DNSKEY_MISSING
        assert budget.checks == 0


def test_of_many_signatures_two_are_tried():
    bad = [WWW.rrset.signatures[0][:-1] + bytes((number,)) for number in range(9)]
    budget = Budget(Limits(failures_per_rrset_max=100), NOW_S)
    assert check(with_signatures(WWW, *bad), budget=budget).held is None
    assert budget.checks == 2


def test_of_many_keys_with_one_tag_two_are_tried_and_two_failures_end_it():
    bad = [WWW.rrset.signatures[0][:-1] + bytes((number,)) for number in range(9)]
    for limits, expected in (
        (Limits(failures_per_rrset_max=100), 4),
        (Limits(), 2),
        (Limits(failures_per_rrset_max=100, checks_per_rrset_max=3), 3),
    ):
        budget = Budget(limits, NOW_S)
        assert check(with_signatures(WWW, *bad), KEYS * 9, budget=budget).held is None
        assert budget.checks == expected


def test_checks_are_drawn_from_the_budget_of_the_question():
    budget = Budget(Limits(checks_max=1), NOW_S)
    check(WWW, [ZoneKey(KEYS[0].rdata)], budget=budget)
    with pytest.raises(BudgetExceeded, match="checks_max"):
        check(WWW, [ZoneKey(KEYS[0].rdata)], budget=budget)


def test_a_good_signature_that_was_checked_lately_costs_nothing_and_still_has_its_time():
    keys, budget = [ZoneKey(KEYS[0].rdata)], Budget(Limits(checks_max=1), NOW_S)
    for _ in range(3):
        assert check(WWW, keys, budget=budget).held is not None
    late = NOW_S + 30 * DAY_S
    assert check_rrset(WWW, APEX, keys, budget, late).error is ErrorCode.SIGNATURE_EXPIRED
    other = msgspec.structs.replace(
        WWW, rrset=msgspec.structs.replace(WWW.rrset, rdatas=WWW.rrset.rdatas[:1])
    )
    with pytest.raises(BudgetExceeded):
        check(other, keys, budget=budget)
    for number in range(100):
        rrset = rrset_of("www.example.", 3600, f"192.0.2.{number}")
        made = Held(WWW.owner, msgspec.structs.replace(
            WWW.rrset, rdatas=(bytes((192, 0, 2, number)),),
            signatures=(sign(rrset, PAIR, "example."),),
        ))  # fmt: skip
        assert check(made, keys).held is not None
    with pytest.raises(BudgetExceeded):  # it was forgotten
        check(WWW, keys, budget=budget)


def test_times_wrap_around_in_2106():
    """RFC 4034 section 3.1.5: the fields are serial numbers."""
    after = 2**32 + 1000
    signature = sign(
        rrset_of("www.example.", 3600, "192.0.2.1", "192.0.2.2"),
        PAIR, "example.", after % 2**32 - 900, after % 2**32 + DAY_S,
    )  # fmt: skip
    held = with_signatures(WWW, signature)
    assert check_rrset(held, APEX, KEYS, Budget(Limits(), after), after).held is not None
    early = Budget(Limits(), after)
    assert check_rrset(held, APEX, KEYS, early, after - 1000).error is (
        ErrorCode.SIGNATURE_NOT_YET_VALID
    )
    assert check_rrset(held, APEX, KEYS, early, after + 2 * DAY_S).error is (
        ErrorCode.SIGNATURE_EXPIRED
    )


@pytest.mark.parametrize("size", [0, 1, 17, 18, 19, 30])
def test_a_signature_that_is_cut_short_is_none(size):
    whole = WWW.rrset.signatures[0]
    with pytest.raises(BadRecord):
        parse_signature(whole[:18] + b"\x3f" * (size - 18) if size > 18 else whole[:size])
    assert check(with_signatures(WWW, whole[:size])).held is None


@pytest.mark.parametrize(
    "rdata",
    [
        b"",
        b"\1\0\3",
        b"\1\0\3\x0d",
        b"\1\0\3\x0d" + bytes(64),  # no point of the curve
        b"\1\0\3\x0d" + bytes(63),
        b"\1\0\3\x0e" + bytes(96),
        b"\1\0\3\x0f" + bytes(31),
        b"\1\0\3\x10" + bytes(56),
        b"\1\0\3\x08",
        b"\1\0\3\x08\0",
        b"\1\0\3\x08\3\1\0\1",  # no modulus
        b"\1\0\3\x08\0\xff\xff\1",
        b"\1\0\3\x08\3\1\0\1" + b"\xff" * (RSA_BITS_MAX // 8 + 1),  # too long
        b"\1\0\3\x08\x08" + b"\xff" * 8 + b"\xff" * 128,  # a slow exponent
        b"\1\0\3\xfd" + bytes(32),  # a private algorithm
        b"\1\0\3\3\x08" + bytes(20 + 3 * 128),  # DSA without a group
        b"\1\0\3\3\x09" + bytes(20 + 3 * 136),
        b"\1\0\3\3\x08" + bytes(20),
    ],
)
def test_octets_that_are_no_key_check_nothing(rdata):
    assert not ZoneKey(rdata).is_usable
    assert not ZoneKey(rdata).checks(bytes(64), b"data")


@pytest.mark.parametrize("algorithm", [7, 8, 10, 13, 14, 15, 16])
def test_the_key_tag_is_that_of_rfc4034_appendix_b(algorithm):
    pair = key(algorithm)
    assert key_tag(pair.dnskey.to_wire()) == pair.tag


@pytest.mark.parametrize("algorithm", [3, 8, 13, 14, 15, 16])
def test_a_signature_of_another_size_is_not_good(algorithm):
    pair = key(algorithm)
    rrset = rrset_of("www.example.", 3600, "192.0.2.1", "192.0.2.2")
    signature = sign(rrset, pair, "example.")
    keys = [ZoneKey(pair.dnskey.to_wire())]
    assert check(with_signatures(WWW, signature), keys).held is not None
    for other in (signature[:-1], signature + b"\0", signature[:27]):
        assert check(with_signatures(WWW, other), keys).held is None
