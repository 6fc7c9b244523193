"""Answers from a zone that is signed with NSEC: RFC 4035 section 3.1."""

import pytest

from tests.answer.ask import ask, lines, rcode
from tests.answer.dict_view import view_of


def signed(text):
    """Return *text* with a made-up RRSIG beside every RRset that a signer would sign."""
    seen, result = set(), []
    for line in text.strip().splitlines():
        result.append(line)
        owner, rrtype = line.split()[:2]
        is_glue = owner.startswith("ns.") and owner != "ns"
        is_cut_ns = rrtype == "NS" and owner != "@"
        if (owner, rrtype) in seen or is_glue or is_cut_ns:
            continue
        seen.add((owner, rrtype))
        result.append(
            f"{owner} RRSIG {rrtype} 13 2 3600 20300101000000 20200101000000 1 example. AAAA"
        )
    return "\n".join(result)


VIEW = view_of(
    example=signed("""
@ SOA ns.example. host.example. 1 2 3 4 300
@ NS ns.example.
@ NSEC ns.example. NS SOA RRSIG NSEC
ns A 192.0.2.1
ns NSEC *.w.example. A RRSIG NSEC
*.w TXT "w"
*.w NSEC b.w.example. TXT RRSIG NSEC
b.w A 192.0.2.2
b.w NSEC x.y.w.example. A RRSIG NSEC
x.y.w A 192.0.2.3
x.y.w NSEC insecure.example. A RRSIG NSEC
insecure NS ns.insecure.example.
insecure NSEC secure.example. NS RRSIG NSEC
ns.insecure A 192.0.2.4
secure NS ns.example.
secure DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
secure NSEC tree.example. NS DS RRSIG NSEC
tree DNAME elsewhere.
tree NSEC example. DNAME RRSIG NSEC
""")
)


def dnssec(qname, qtype="A"):
    return ask(VIEW, qname, qtype, use_edns=0, want_dnssec=True, payload=1232)


def types(section):
    found = [line.split(" ")[:4] for line in lines(section)]
    return sorted(
        f"{owner} RRSIG/{word}" if rrtype == "RRSIG" else f"{owner} {rrtype}"
        for owner, _, rrtype, word in found
    )


def both(*rrsets):
    return sorted([*rrsets, *(name.replace(" ", " RRSIG/") for name in rrsets)])


def test_without_do_there_is_nothing_of_dnssec():
    for qname in ("b.w.example.", "nosuch.example.", "x.insecure.example.", "z.w.example."):
        reply = ask(VIEW, qname, use_edns=0)
        found = types([*reply.answer, *reply.authority])
        assert not any("NSEC" in line or "RRSIG" in line for line in found)


def test_with_do_the_rrsigs_stand_beside_their_rrset():
    assert types(dnssec("b.w.example.").answer) == both("b.w.example. A")


def test_nodata_has_the_nsec_of_the_name():
    reply = dnssec("b.w.example.", "TXT")
    assert types(reply.authority) == both("example. SOA", "b.w.example. NSEC")
    ttls = {int(line.split()[1]) for line in lines(reply.authority) if "SOA" in line.split()[2:4]}
    assert ttls == {300}


def test_an_empty_non_terminal_has_the_nsec_across_it():
    reply = dnssec("y.w.example.", "A")
    assert rcode(reply) == "NOERROR"
    assert types(reply.authority) == both("example. SOA", "b.w.example. NSEC")


def test_nxdomain_has_the_nsecs_across_the_name_and_across_the_wildcard():
    reply = dnssec("nosuch.example.")
    assert rcode(reply) == "NXDOMAIN"
    assert types(reply.authority) == both("example. SOA", "example. NSEC", "insecure.example. NSEC")


def test_one_nsec_that_proves_both_is_there_once():
    reply = dnssec("a.example.")
    assert types(reply.authority) == both("example. SOA", "example. NSEC")


def test_a_wildcard_answer_has_the_nsec_across_the_name():
    reply = dnssec("z.w.example.", "TXT")
    assert types(reply.answer) == both("z.w.example. TXT")
    assert types(reply.authority) == both("x.y.w.example. NSEC")


def test_wildcard_nodata_has_the_nsec_of_the_wildcard_and_across_the_name():
    reply = dnssec("z.w.example.", "MX")
    assert types(reply.authority) == both(
        "example. SOA", "*.w.example. NSEC", "x.y.w.example. NSEC"
    )


def test_a_referral_to_a_signed_zone_has_its_ds():
    reply = dnssec("www.secure.example.")
    assert types(reply.authority) == sorted(["secure.example. NS", *both("secure.example. DS")])


def test_a_referral_to_an_unsigned_zone_has_the_nsec_without_ds():
    reply = dnssec("www.insecure.example.")
    assert types(reply.authority) == sorted(
        ["insecure.example. NS", *both("insecure.example. NSEC")]
    )
    assert types(reply.additional) == ["ns.insecure.example. A"]


def test_no_ds_at_an_unsigned_cut_is_proved_by_its_nsec():
    reply = dnssec("insecure.example.", "DS")
    assert types(reply.authority) == both("example. SOA", "insecure.example. NSEC")


def test_glue_between_two_names_does_not_hide_the_nsec_of_the_cut():
    reply = dnssec("j.example.")
    assert rcode(reply) == "NXDOMAIN"
    assert "insecure.example. NSEC" in types(reply.authority)


def test_a_synthesized_cname_is_not_signed_and_its_dname_is():
    reply = dnssec("x.tree.example.")
    assert types(reply.answer) == sorted(["x.tree.example. CNAME", *both("tree.example. DNAME")])


@pytest.mark.parametrize("qtype", ["RRSIG", "ANY", "NSEC"])
def test_the_types_of_dnssec_can_be_asked_for(qtype):
    reply = dnssec("b.w.example.", qtype)
    assert rcode(reply) == "NOERROR"
    assert reply.answer
