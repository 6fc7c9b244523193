"""What NSEC and NSEC3 records prove, against what the zone really holds."""

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dns_node.resolver.budget import Budget, BudgetExceeded
from dns_node.resolver.dnssec import denial
from dns_node.resolver.dnssec.denial import Absence, Proof
from dns_node.resolver.dnssec.nsec3 import Nsec3Proofs, is_too_costly
from dns_node.resolver.dnssec.proofs import collect
from dns_node.resolver.dnssec.records import NSEC, NSEC3, BadRecord, Nsec, has_type, parse_nsec3
from dns_node.resolver.question import Held
from dns_node.resolver.settings import Limits
from dns_node.zone.names import ancestors, is_subdomain, parse_name
from tests.resolver.signed_zone import SignedZone
from tests.resolver.signing import CNAME, DNAME, DS, NS, SOA, TXT, A, bitmap

LABEL = st.sampled_from(["a", "b", "c", "*", "z-"])
OWNER = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
RECORD = st.sampled_from(["A 192.0.2.1", "TXT x", "CNAME a", "DNAME t", "NS ns.z"])


@st.composite
def zones(draw, denial_kind: str):
    """A zone of a few names, some of them aliases or delegated."""
    lines = {}
    for owner in draw(st.lists(OWNER, min_size=0, max_size=6, unique=True)):
        lines[owner] = draw(RECORD)
    cuts = [owner for owner, record in lines.items() if record.startswith(("NS", "DNAME"))]
    kept = [
        f"{owner} {record}"
        for owner, record in lines.items()
        if not any(owner != cut and owner.endswith("." + cut) for cut in cuts)
        # A wildcard that is delegated or redirected means nothing (RFC 4592 section 4.2).
        and not (owner.startswith("*") and record.startswith(("NS", "DNAME")))
    ]
    return SignedZone(
        "zone.",
        "\n".join(kept),
        denial=denial_kind,
        has_signatures=False,
        is_opt_out=denial_kind == "nsec3" and draw(st.booleans()),
    )


def truth(zone: SignedZone, qname: bytes, qtype: int) -> str:
    """What the zone says: "data", "alias", "delegated", "type" (no data) or "name" (NXDOMAIN)."""
    cut = zone.cut_of(qname)
    if cut is not None and not (cut == qname and qtype == DS):
        return "delegated"
    if qname in zone.existing:
        return _of_node(zone, qname, qtype)
    encloser = next(name for name in ancestors(qname) if name in zone.existing)
    for name in ancestors(encloser):
        if DNAME in zone.nodes.get(name, {}):
            return "alias"
    wildcard = b"\1*" + encloser
    if wildcard in zone.existing:
        return _of_node(zone, wildcard, qtype)
    return "name"


def _of_node(zone: SignedZone, owner: bytes, qtype: int) -> str:
    node = zone.nodes.get(owner, {})
    if qtype in node:
        return "data"
    return "alias" if CNAME in node else "type"


def proofs_in(zone: SignedZone, kind: int):
    return [zone.held(owner, kind) for owner in sorted(zone.nodes) if kind in zone.nodes[owner]]


def prove(zone: SignedZone, held, qname: bytes, qtype: int) -> Proof | None:
    budget = Budget(Limits(nsec3_hashes_max=1000), 0.0)
    return collect(zone.zone_name, held).absence(qname, qtype, budget)


@pytest.mark.parametrize("kind", ["nsec", "nsec3"])
@given(data=st.data())
@settings(max_examples=250)
def test_no_choice_of_a_zones_own_proofs_denies_what_exists(kind, data):
    zone = data.draw(zones(kind))
    held = proofs_in(zone, NSEC if kind == "nsec" else NSEC3)
    chosen = data.draw(st.just(held) | st.lists(st.sampled_from(held), max_size=4)) if held else []
    qname = parse_name(data.draw(OWNER) + ".zone.")
    qtype = data.draw(st.sampled_from([A, TXT, DS, NS, CNAME, SOA]))
    said = truth(zone, qname, qtype)
    proof = prove(zone, chosen, qname, qtype)
    event(f"{said}: {proof.absence if proof else None}")
    if proof is None or proof.is_opt_out:
        return
    assert said == proof.absence.value


@pytest.mark.parametrize("kind", ["nsec", "nsec3"])
@given(data=st.data())
@settings(max_examples=250)
def test_what_a_server_sends_proves_what_the_zone_says(kind, data):
    zone = data.draw(zones(kind))
    qname = parse_name(data.draw(OWNER) + ".zone.")
    qtype = data.draw(st.sampled_from([A, TXT, DS]))
    said = truth(zone, qname, qtype)
    event(said)
    if said not in ("name", "type"):
        return
    proof = prove(zone, zone.claim(qname, qtype).authority, qname, qtype)
    assert proof is not None
    assert proof.absence.value == said or proof.is_opt_out


@pytest.mark.parametrize("kind", ["nsec", "nsec3"])
@given(data=st.data())
@settings(max_examples=150)
def test_a_wildcard_is_permitted_only_where_it_is_the_closest(kind, data):
    zone = data.draw(zones(kind))
    held = proofs_in(zone, NSEC if kind == "nsec" else NSEC3)
    qname = parse_name(data.draw(OWNER) + ".zone.")
    wildcard = b"\1*" + data.draw(st.sampled_from(list(ancestors(qname))[1:]))
    if not is_subdomain(wildcard[2:], zone.zone_name):
        return
    chosen = data.draw(st.just(held) | st.lists(st.sampled_from(held), max_size=3)) if held else []
    budget = Budget(Limits(nsec3_hashes_max=1000), 0.0)
    proof = collect(zone.zone_name, chosen).wildcard(qname, wildcard, budget)
    event(f"{proof is not None}")
    if proof is None or proof.is_opt_out:
        return
    assert qname not in zone.existing
    # The wildcard is signed, so it exists; no name between it and the query's does.
    between = [n for n in ancestors(qname) if n != wildcard[2:] and is_subdomain(n, wildcard[2:])]
    assert not any(name in zone.existing for name in between)


def nsec(owner: str, next_name: str, *types: int) -> Nsec:
    return Nsec(parse_name(owner), parse_name(next_name), bitmap(types))


ZONE = parse_name("example.")


def absence(qname: str, qtype: int, *records: Nsec) -> Absence | None:
    proof = denial.prove_absence(parse_name(qname), qtype, ZONE, records)
    return proof.absence if proof else None


def test_the_last_nsec_of_a_zone_goes_across_all_names_behind_it():
    last = nsec("ns.example.", "example.", A)
    first = nsec("example.", "a.example.", SOA, NS)
    assert absence("x.example.", A, last, first) is Absence.NAME
    assert absence("b.example.", A, last, first) is None


def test_an_nsec_whose_next_name_is_outside_the_zone_proves_nothing():
    """CVE-2026-13321: a gap that reaches out of the zone denies names of other zones."""
    record = nsec("a.example.", "z.other.", A)
    assert absence("b.example.", A, record) is None
    assert absence("a.example.", TXT, record) is None


def test_an_nsec_that_goes_backwards_proves_nothing():
    record = nsec("m.example.", "c.example.", A)
    assert absence("z.example.", A, record, nsec("example.", "a.example.", SOA, NS)) is None


def test_rfc6840_4_1_a_delegation_does_not_deny_what_is_below_it():
    cut = nsec("sub.example.", "x.example.", NS, 46, NSEC)
    apex = nsec("example.", "sub.example.", SOA, NS)
    assert absence("www.sub.example.", A, cut, apex) is None
    assert absence("sub.example.", A, cut) is None
    assert absence("sub.example.", DS, cut) is Absence.TYPE


def test_rfc6840_4_1_a_dname_does_not_deny_what_is_below_it():
    redirected = nsec("d.example.", "x.example.", DNAME, 46, NSEC)
    assert absence("www.d.example.", A, redirected, nsec("example.", "d.example.", SOA)) is None


def test_the_childs_apex_record_says_nothing_of_its_ds():
    child = nsec("example.", "a.example.", SOA, NS, 46, NSEC, 48)
    assert absence("example.", DS, child) is None
    assert absence("example.", TXT, child) is Absence.TYPE


def test_an_empty_non_terminal_is_not_answered_from_a_wildcard():
    record = nsec("a.example.", "x.b.example.", A)
    wildcard = parse_name("*.example.")
    assert not denial.permits_wildcard(parse_name("b.example."), wildcard, ZONE, [record])
    assert denial.permits_wildcard(parse_name("aa.example."), wildcard, ZONE, [record])


def test_rfc5155_8_3_below_a_delegation_there_is_no_closest_encloser():
    """Every record of the zone above together denies nothing in the zone below."""
    zone = SignedZone("zone.", "sub NS ns.sub\nred DNAME t\na A 192.0.2.1", denial="nsec3",
                      has_signatures=False)  # fmt: skip
    everything = proofs_in(zone, NSEC3)
    for number in range(40):
        for owner in ("sub", "red"):
            qname = parse_name(f"x{number}.{owner}.zone.")
            assert prove(zone, everything, qname, A) is None


def test_rfc9276_51_iterations_are_too_many_however_many_hashes_there_are_left():
    limits = Limits(nsec3_hashes_max=10_000)
    for iterations, expected in ((50, False), (51, True)):
        zone = SignedZone("zone.", denial="nsec3", iterations=iterations, has_signatures=False)
        proofs = collect(zone.zone_name, proofs_in(zone, NSEC3))
        assert is_too_costly(proofs.nsec3s, parse_name("x.zone."), zone.zone_name, limits) is (
            expected
        )


def test_proofs_that_are_not_alone_or_not_below_the_apex_are_left_out():
    zone = SignedZone("zone.", "a A 192.0.2.1", denial="nsec3", has_signatures=False)
    held = proofs_in(zone, NSEC3)[0]
    assert len(collect(zone.zone_name, [held]).nsec3s) == 1
    deeper = Held(held.owner[:33] + b"\3sub" + held.owner[33:], held.rrset)
    double = Held(held.owner, msgspec.structs.replace(held.rrset, rdatas=held.rrset.rdatas * 2))
    above = Held(b"\0", held.rrset)
    assert not collect(zone.zone_name, [deeper, double, above]).held


def test_rfc9824_nxname_says_that_the_name_does_not_exist():
    record = nsec("nx.example.", "\\000.nx.example.", 46, NSEC, 128)
    assert absence("nx.example.", A, record) is Absence.NAME


def test_any_is_denied_only_by_a_name_without_types():
    assert absence("a.example.", 255, nsec("a.example.", "b.example.", A, 46, NSEC)) is None
    assert absence("a.example.", 255, nsec("a.example.", "b.example.", 46, NSEC)) is Absence.TYPE


def test_nsec3_hashes_are_drawn_from_the_budget():
    zone = SignedZone("zone.", "a A 192.0.2.1", denial="nsec3", iterations=10, has_signatures=False)
    budget = Budget(Limits(nsec3_hashes_max=32), 0.0)
    proofs = collect(zone.zone_name, zone.claim("nx.zone.", A).authority)
    checks = Nsec3Proofs(zone.zone_name, proofs.nsec3s, budget)
    with pytest.raises(BudgetExceeded):
        checks.prove_absence(parse_name("nx.zone."), A)
    assert budget.hashes <= 32


def test_nsec3_with_many_iterations_is_not_looked_at():
    for iterations, expected in ((0, False), (36, False), (50, True), (51, True)):
        zone = SignedZone(
            "zone.", "a A 192.0.2.1", denial="nsec3", iterations=iterations, has_signatures=False
        )
        budget = Budget(Limits(), 0.0)
        qname = parse_name("very.nx.zone.")
        proof = collect(zone.zone_name, zone.claim(qname, A).authority).absence(qname, A, budget)
        assert proof is not None
        assert proof.is_too_costly is expected
        assert proof.is_opt_out is expected
        assert budget.hashes <= 150
        if expected:
            assert budget.hashes == 0


def test_nsec3_of_other_parameters_than_the_first_are_ignored():
    one = SignedZone("zone.", "a A 192.0.2.1", denial="nsec3", has_signatures=False)
    two = SignedZone("zone.", "a A 192.0.2.1", denial="nsec3", salt=b"x", has_signatures=False)
    qname = parse_name("nx.zone.")
    mixed = one.claim(qname, A).authority[:2] + two.claim(qname, A).authority[1:]
    assert prove(one, mixed, qname, A) is None


@pytest.mark.parametrize(
    "rdata",
    [
        b"\2\0\0\0\0\x14" + bytes(20),  # an unknown hash algorithm
        b"\1\2\0\0\0\x14" + bytes(20),  # an unknown flag
        b"\1\0\0\0\0\x13" + bytes(19),  # a hash of another size
        b"\1\0\0\0\xff\x14" + bytes(20),  # a salt that is cut short
        b"\1\0\0\0\0\x14" + bytes(20) + b"\0\0",  # a bit map without octets
    ],
)
def test_an_nsec3_out_of_form_is_none(rdata):
    with pytest.raises(BadRecord):
        parse_nsec3(b"\x20" + b"0" * 32 + b"\4zone\0", rdata)


@given(st.sets(st.integers(0, 0xFFFF), max_size=12), st.integers(0, 0xFFFF))
def test_a_bit_map_holds_the_types_that_were_put_in(types, other):
    octets = bitmap(types)
    assert all(has_type(octets, rrtype) for rrtype in types)
    assert has_type(octets, other) == (other in types)
