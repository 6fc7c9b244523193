"""Whatever is changed in what servers say: what is SECURE in the end is what the zones say."""

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dns_node.resolver.budget import BudgetExceeded
from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held, Question, Security
from dns_node.zone.names import is_subdomain, parse_name
from tests.resolver.dnssec.test_denial import truth
from tests.resolver.dnssec.world import World, tree
from tests.resolver.signing import DNSKEY, DS, TXT, A, question

QNAMES = [
    parse_name(f"{name}.example.")
    for name in ("www", "nx", "b.c", "x.w", "*.w", "alias", "www.sub", "nx.sub", "x.w.sub", "sub",
                 "www.un", "un", "www.d", "both")
]  # fmt: skip
UNSIGNED = parse_name("un.example.")
NEEDS = [
    question(name, rrtype)
    for name in (".", "example.", "sub.example.", "un.example.")
    for rrtype in (DS, DNSKEY)
]
TREES = {denial: tree(denial).zones for denial in ("nsec", "nsec3")}


def changed(data: st.DataObject, claim: Claim, others: list[Claim]) -> Claim:
    """The claim with one thing changed."""
    sections = [list(claim.answer), list(claim.authority)]
    held = [(section, at) for section in (0, 1) for at in range(len(sections[section]))]
    kind = data.draw(st.sampled_from(["octet", "owner", "drop", "mix", "rcode", "replay", "twice"]))
    if kind == "rcode":
        return msgspec.structs.replace(claim, rcode=data.draw(st.sampled_from([0, 3])))
    if kind == "replay":
        other = data.draw(st.sampled_from(others))
        return msgspec.structs.replace(other, question=claim.question, zone=claim.zone)
    if kind == "mix":
        other = data.draw(st.sampled_from(others))
        sections[1] += other.authority + other.answer
    elif held:
        section, at = data.draw(st.sampled_from(held))
        one = sections[section][at]
        if kind == "drop":
            del sections[section][at]
        elif kind == "twice":
            sections[section].insert(at, one)
        elif kind == "owner":
            sections[section][at] = Held(data.draw(st.sampled_from(QNAMES)), one.rrset)
        else:
            sections[section][at] = flipped(data, one)
    return msgspec.structs.replace(claim, answer=tuple(sections[0]), authority=tuple(sections[1]))


def flipped(data: st.DataObject, held: Held) -> Held:
    """The RRset with one octet of one of its records or signatures changed."""
    field = data.draw(st.sampled_from(["rdatas", "signatures"]))
    octets = list(getattr(held.rrset, field))
    if not octets or held.rrset.rrtype in (5, 39):
        return held  # names are in form when they get here
    at = data.draw(st.integers(0, len(octets) - 1))
    one = bytearray(octets[at])
    one[data.draw(st.integers(0, len(one) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    octets[at] = bytes(one)
    rrset = msgspec.structs.replace(held.rrset, **{field: tuple(sorted(octets))})
    return Held(held.owner, rrset)


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
@given(data=st.data())
@settings(max_examples=300)
def test_no_lie_becomes_secure(denial, data):
    zones = TREES[denial]
    world = World(*zones)
    qtype = data.draw(st.sampled_from([A, TXT, DS]))
    asked = Question(data.draw(st.sampled_from(QNAMES)), qtype)
    others = [world.said(Question(qname, A)) for qname in QNAMES]
    claim = world.said(asked)
    for _ in range(data.draw(st.integers(0, 2))):
        claim = changed(data, claim, others)
    for need in data.draw(st.lists(st.sampled_from(NEEDS), max_size=2)):
        world.lies[need] = changed(data, world.said(need), others)
    try:
        verdict = world.validate(claim)
    except BudgetExceeded:
        event("over budget")
        return
    event(verdict.security.name)
    for held in verdict.answer:
        if held.security is Security.SECURE:
            assert_is_true(world, held)
    if verdict.security is Security.SECURE and not claim.is_open:
        assert_is_answer(world, asked, verdict)
    # What is foreign in an answer was scrubbed away before; here it is of its own zone.
    names = [asked.qname, *(held.owner for held in claim.answer)]
    if not any(is_subdomain(name, UNSIGNED) for name in names):
        assert verdict.security in (Security.SECURE, Security.BOGUS)


def assert_is_true(world: World, held: Held) -> None:
    """The RRset is what the zone holds at the name, or makes there."""
    asked = Question(held.owner, held.rrset.rrtype)
    said = world.zone_of(asked).claim(asked.qname, asked.qtype)
    found = [each for each in said.answer if each.owner == held.owner]
    assert held.rrset.rdatas in [each.rrset.rdatas for each in found]


def assert_is_answer(world: World, asked: Question, verdict) -> None:
    """What is denied does not exist."""
    name = asked.qname
    for held in verdict.answer:
        if held.owner == name and held.rrset.rrtype == asked.qtype:
            return
        if held.owner == name and held.rrset.rrtype == 5:
            name = held.rrset.rdatas[0]
    said = truth(world.zone_of(Question(name, asked.qtype)), name, asked.qtype)
    # NXDOMAIN is no part of what is signed: of a name that exists it is not said.
    assert said == "name" or (said == "type" and verdict.rcode == 0)
