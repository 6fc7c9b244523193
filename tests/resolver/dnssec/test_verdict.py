"""The verdict on what servers say: secure, insecure or bogus, and the error that says why."""

import msgspec
import pytest

from dns_node.resolver.dnssec.verdict import Claim, ErrorCode
from dns_node.resolver.question import Held, Security
from dns_node.zone.rrset import RRset
from tests.resolver.dnssec.forgeries import unsigned
from tests.resolver.dnssec.world import World, tree
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import DAY_S, NOW_S, A, question


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode"),
    [
        ("www.example.", "A", 0),
        ("www.example.", "TXT", 0),
        ("nx.example.", "A", 3),
        ("deep.nx.example.", "A", 3),
        ("b.c.example.", "A", 0),
        ("x.w.example.", "A", 0),
        ("y.x.w.example.", "A", 0),
        ("x.w.example.", "TXT", 0),
        ("*.w.example.", "A", 0),
        ("alias.example.", "A", 0),
        ("wild.example.", "A", 0),
        ("www.d.example.", "A", 0),
        ("nx.d.example.", "A", 3),
        ("d.example.", "DNAME", 0),
        ("d.example.", "A", 0),
        ("example.", "SOA", 0),
        ("example.", "DNSKEY", 0),
        ("example.", "DS", 0),
        ("sub.example.", "DS", 0),
        ("www.sub.example.", "A", 0),
        ("nx.sub.example.", "A", 3),
        ("nx.w.sub.example.", "A", 0),
        (".", "NS", 0),
        ("nx.", "A", 3),
        (".", "DS", 0),
        ("un.example.", "DS", 0),
    ],
)
def test_what_a_signed_zone_says_is_secure(world, qname, qtype, rcode):
    verdict = world.ask(qname, qtype)
    assert verdict.security is Security.SECURE, verdict
    assert verdict.rcode == rcode
    assert not verdict.errors
    assert all(held.security is Security.SECURE for held in verdict.answer + verdict.authority)


@pytest.mark.parametrize("qname", ["www.un.example.", "nx.un.example.", "un.example."])
def test_what_is_below_an_insecure_delegation_is_insecure(world, qname):
    verdict = world.ask(qname)
    assert verdict.security is Security.INSECURE
    assert not verdict.errors


@pytest.mark.parametrize(
    ("qname", "code"),
    [
        ("www.example.", ErrorCode.RRSIGS_MISSING),
        ("alias.example.", ErrorCode.RRSIGS_MISSING),
        ("nx.example.", ErrorCode.RRSIGS_MISSING),
        ("www.sub.example.", ErrorCode.RRSIGS_MISSING),
    ],
)
def test_signatures_that_were_taken_away_make_bogus(world, qname, code):
    verdict = world.validate(unsigned(world.said(question(qname, "A"))))
    assert verdict.security is Security.BOGUS
    assert [error.code for error in verdict.errors] == [code]
    assert not verdict.answer and not verdict.authority


def test_a_changed_record_makes_bogus(world):
    claim = world.said(question("www.example.", "A"))
    held = claim.answer[0]
    rrset = msgspec.structs.replace(held.rrset, rdatas=(b"\x06\x06\x06\x06",))
    claim = msgspec.structs.replace(claim, answer=(msgspec.structs.replace(held, rrset=rrset),))
    verdict = world.validate(claim)
    assert verdict.security is Security.BOGUS
    assert verdict.errors[0].code == ErrorCode.BOGUS


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ((NOW_S - 9 * DAY_S, NOW_S - 1), ErrorCode.SIGNATURE_EXPIRED),
        ((NOW_S + 60, NOW_S + DAY_S), ErrorCode.SIGNATURE_NOT_YET_VALID),
        ((NOW_S + DAY_S, NOW_S - DAY_S), ErrorCode.SIGNATURE_EXPIRED_BEFORE_VALID),
    ],
)
def test_signatures_count_in_their_time_only(times, code):
    child = SignedZone("example.", "www A 192.0.2.1", inception_s=times[0], expiration_s=times[1])
    verdict = World(SignedZone(".", children=(child,)), child).ask("www.example.")
    assert verdict.security is Security.BOGUS
    assert verdict.errors[0].code == code


def test_a_ttl_is_no_longer_than_its_signature_lasts():
    child = SignedZone("example.", "www A 192.0.2.1", expiration_s=NOW_S + 90)
    verdict = World(SignedZone(".", children=(child,)), child).ask("www.example.")
    assert verdict.security is Security.SECURE
    assert verdict.answer[0].rrset.ttl_s == 90


def test_a_secure_rrset_of_another_name_is_no_answer():
    example = SignedZone("example.", "www A 192.0.2.1\nother A 192.0.2.2")
    world = World(example)
    other = example.held("other.example.", A)
    claim = Claim(question("www.example.", "A"), 0, (other,), (), example.zone_name)
    assert world.validate(claim).security is Security.BOGUS


def test_signatures_that_are_asked_for_themselves_are_not_signed():
    world = tree()
    held = world.zones[1].held("www.example.", 1)
    rrset = RRset(46, 3600, held.rrset.signatures)
    asked = question("www.example.", "RRSIG")
    claim = Claim(asked, 0, (Held(held.owner, rrset),), (), b"\7example\0")
    assert world.validate(claim).security is Security.INSECURE


def test_a_question_for_any_type_is_as_secure_as_all_that_came():
    world = tree()
    zone = world.zones[1]
    asked = question("both.example.", "ANY")
    answer = tuple(zone.held("both.example.", rrtype) for rrtype in (1, 28, 47))
    claim = Claim(asked, 0, answer, (), zone.zone_name)
    assert world.validate(claim).security is Security.SECURE
    bare = unsigned(msgspec.structs.replace(claim, answer=answer[:1])).answer
    claim = msgspec.structs.replace(claim, answer=(*bare, *answer[1:]))
    assert world.validate(claim).security is Security.BOGUS


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_the_error_says_what_is_wrong_with_a_proof(denial):
    world = tree(denial)
    example = world.zones[1]
    claim = world.said(question("nx.example.", "A"))
    soa, *proofs = claim.authority

    def code(authority) -> int:
        verdict = world.validate(msgspec.structs.replace(claim, authority=tuple(authority)))
        assert verdict.security is Security.BOGUS
        return verdict.errors[0].code

    assert code([soa]) == ErrorCode.NSEC_MISSING
    assert code([soa, proofs[0]]) == ErrorCode.BOGUS
    assert code([]) == ErrorCode.RRSIGS_MISSING
    old = SignedZone(
        "example.", example.lines, denial=denial, children=example.children,
        expiration_s=NOW_S - 1,
    )  # fmt: skip
    assert code([soa, *old.claim("nx.example.", 1).authority[1:]]) == ErrorCode.SIGNATURE_EXPIRED
