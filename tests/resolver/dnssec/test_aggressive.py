"""Answers from proofs that were seen (RFC 8198)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_node.resolver.dnssec.aggressive import RECORDS_OF_ZONE_MAX, Absences
from dns_node.resolver.question import Security
from dns_node.resolver.settings import Limits
from dns_node.zone.names import parse_name
from tests.resolver.dnssec.test_denial import OWNER, truth, zones
from tests.resolver.dnssec.world import World
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import DS, NOW_S, NS, TXT, A, question

LINES = """
alfa A 192.0.2.1
*.w A 192.0.2.2
victor A 192.0.2.3
a.b.c TXT x
d DNAME t
"""


@pytest.fixture(params=["nsec", "nsec3"])
def world(request) -> World:
    child, unsigned = SignedZone("sub.example.", "www A 192.0.2.1"), UnsignedZone("un.example.")
    example = SignedZone("example.", LINES, denial=request.param, children=(child, unsigned))
    return World(example, child, unsigned)


def synthesis(world: World, qname: str, qtype: str = "A"):
    return world.validator.synthesize(question(qname, qtype), world.now_s)


def test_a_name_in_a_gap_that_was_seen_does_not_exist(world):
    assert synthesis(world, "nx.example.") is None
    assert world.ask("nx.example.").rcode == 3
    found = synthesis(world, "nx.example.")
    assert found is not None and found.rcode == 3
    assert [held.security for held in found.authority] == [Security.SECURE] * len(found.authority)
    assert found.authority[0].rrset.rrtype == 6


def test_another_name_in_the_same_gap_does_not_exist_either():
    world = World(SignedZone("example.", "alfa A 192.0.2.1\nvictor A 192.0.2.3"))
    world.ask("golf.example.")
    assert synthesis(world, "hotel.example.").rcode == 3
    assert synthesis(world, "a.b.hotel.example.").rcode == 3
    assert synthesis(world, "alfa.example.", "TXT").rcode == 0
    assert synthesis(world, "alfa.example.") is None
    assert synthesis(world, "victor.example.") is None
    assert synthesis(world, "zulu.example.") is None
    assert synthesis(world, "hotel.other.") is None


def test_what_was_synthesized_stands_up_to_validation(world):
    for qname in ("nx.example.", "y.nx.example.", "b.c.example."):
        world.ask(qname)
        found = synthesis(world, qname)
        claim = world.said(question(qname, "A"))
        assert found is not None
        assert found.rcode == world.validate(claim).rcode


def test_a_type_that_a_name_does_not_have_is_known_from_its_record(world):
    world.ask("alfa.example.", "TXT")
    found = synthesis(world, "alfa.example.", "AAAA")
    assert found is not None and found.rcode == 0 and not found.answer
    assert synthesis(world, "alfa.example.", "A") is None


def test_nothing_is_said_about_what_is_delegated(world):
    world.ask("un.example.", "DS")
    world.ask("nx.example.")
    for qname in ("un.example.", "www.un.example.", "sub.example.", "www.sub.example."):
        assert synthesis(world, qname) is None
    assert synthesis(world, "un.example.", "DS").rcode == 0


def test_proofs_are_over_with_their_time(world):
    world.ask("nx.example.")
    found = synthesis(world, "nx.example.")
    assert found.ttl_s == 300
    world.now_s += 200.5
    found = synthesis(world, "nx.example.")
    assert found.ttl_s == 99
    assert all(held.rrset.ttl_s <= 99 for held in found.authority)
    world.now_s += 100
    assert synthesis(world, "nx.example.") is None
    assert world.validator.sweep(world.now_s, 100) >= 0


def test_a_wildcard_that_was_seen_answers_for_other_names():
    world = World(SignedZone("example.", "*.w A 192.0.2.2"))
    world.ask("nx.example.")
    world.ask("one.w.example.")
    found = synthesis(world, "two.w.example.")
    assert found.answer[0].owner == parse_name("two.w.example.")
    assert found.answer[0].security is Security.SECURE
    assert found.authority[0].rrset.rrtype == 47
    assert synthesis(world, "two.w.example.", "TXT").rcode == 0
    assert synthesis(world, "w.example.") is not None  # an empty non-terminal


def test_an_alias_of_a_wildcard_that_was_seen_is_one_for_other_names():
    world = World(SignedZone("example.", "*.w CNAME www\nwww A 192.0.2.2"))
    world.ask("nx.example.")
    world.ask("one.w.example.")
    found = synthesis(world, "two.w.example.", "TXT")
    [alias] = found.answer
    assert (alias.owner, alias.rrset.rrtype) == (parse_name("two.w.example."), 5)
    assert alias.security is Security.SECURE and found.authority[0].rrset.rrtype == 47
    assert found.target == parse_name("www.example.")
    assert synthesis(world, "two.w.example.", "CNAME").target is None
    assert synthesis(world, "two.w.example.", "DS") is None


def test_opt_out_proofs_and_insecure_answers_are_not_taken():
    example = SignedZone("example.", LINES, denial="nsec3", is_opt_out=True)
    world = World(example)
    assert world.security("nx.example.") is Security.INSECURE
    assert synthesis(world, "nx.example.") is None


def test_bogus_answers_are_not_taken():
    example = SignedZone("example.", LINES, expiration_s=NOW_S - 5)
    world = World(example)
    assert world.security("nx.example.") is Security.BOGUS
    assert synthesis(world, "nx.example.") is None


def test_a_negative_anchor_and_a_flush_end_it(world):
    world.ask("nx.example.")
    world.validator.negative_anchors.add(parse_name("example."))
    assert synthesis(world, "nx.example.") is None
    world.validator.negative_anchors.remove(parse_name("example."))
    assert synthesis(world, "nx.example.") is not None
    world.validator.flush(parse_name("other.example."))
    assert synthesis(world, "nx.example.") is None


def test_it_can_be_switched_off():
    world = World(SignedZone("example.", LINES), synthesizes=False)
    world.ask("nx.example.")
    assert synthesis(world, "nx.example.") is None


def test_what_is_kept_is_bounded():
    absences = Absences(Limits(), records_max=50)
    for number in range(40):
        zone = SignedZone(f"z{number}.", "b A 192.0.2.1", has_signatures=False)
        claim = zone.claim(f"nx.z{number}.", A)
        absences.learn(zone.zone_name, claim.authority, (), NOW_S)
        assert len(absences) <= 50
    assert absences.synthesize(question("nx.z39.", "A"), NOW_S) is not None
    assert absences.synthesize(question("nx.z0.", "A"), NOW_S) is None
    absences.flush(None)
    assert len(absences) == 0
    assert RECORDS_OF_ZONE_MAX < 10_000


@pytest.mark.parametrize("kind", ["nsec", "nsec3"])
@given(data=st.data())
@settings(max_examples=150)
def test_nothing_that_exists_is_ever_denied(kind, data):
    """Whatever was asked before, what is synthesized is what the zone says."""
    zone = data.draw(zones(kind))
    absences = Absences(Limits())
    asked = st.tuples(OWNER, st.sampled_from([A, TXT, DS, NS]))
    for owner, qtype in data.draw(st.lists(asked, min_size=1, max_size=5)):
        claim = zone.claim(f"{owner}.zone.", qtype)
        if truth(zone, claim.question.qname, qtype) in ("name", "type"):
            absences.learn(zone.zone_name, claim.authority, (), NOW_S)
    owner, qtype = data.draw(asked)
    qname = parse_name(f"{owner}.zone.")
    found = absences.synthesize(question(qname, qtype), NOW_S)
    if found is not None:
        said = truth(zone, qname, qtype)
        assert said == ("name" if found.rcode == 3 else "type")
