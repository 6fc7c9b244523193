"""What `respond` answers from the zones: RFC 1034, 2308, 4592, 6604, 6672, 8482, 9471."""

import dns.flags
import pytest

from tests.answer.ask import TCP, ask, is_aa, is_tc, lines, rcode
from tests.answer.dict_view import view_of
from tests.answer.example_zones import EXAMPLE, HOSTED, OTHER, RFC4592

VIEW = view_of(example=EXAMPLE, other=OTHER, hosted_example=HOSTED)
SOA_LINE = "example. 300 SOA ns1.example. host.example. 7 3600 600 86400 300"


def test_a_positive_answer_is_authoritative_and_has_nothing_else():
    reply = ask(VIEW, "web.example.")
    assert (rcode(reply), is_aa(reply)) == ("NOERROR", True)
    assert lines(reply.answer) == ["web.example. 60 A 192.0.2.5"]
    assert not reply.authority and not reply.additional
    assert not reply.flags & (dns.flags.RA | dns.flags.AD | dns.flags.TC)


def test_nodata_has_the_soa_with_the_negative_ttl_of_rfc2308():
    reply = ask(VIEW, "web.example.", "AAAA")
    assert (rcode(reply), is_aa(reply), reply.answer) == ("NOERROR", True, [])
    assert lines(reply.authority) == [SOA_LINE]


def test_nxdomain_has_the_soa_with_the_negative_ttl_of_rfc2308():
    reply = ask(VIEW, "nosuch.example.")
    assert (rcode(reply), is_aa(reply), reply.answer) == ("NXDOMAIN", True, [])
    assert lines(reply.authority) == [SOA_LINE]


def test_rfc8020_an_empty_non_terminal_is_nodata():
    assert rcode(ask(VIEW, "deep.example.", "TXT")) == "NOERROR"
    assert rcode(ask(VIEW, "x.deep.example.", "TXT")) == "NXDOMAIN"


@pytest.mark.parametrize("qname", ["nosuch.invalid.", ".", "com.", "xexample."])
def test_a_name_outside_every_zone_is_refused_without_aa(qname):
    reply = ask(VIEW, qname)
    assert (rcode(reply), is_aa(reply)) == ("REFUSED", False)
    assert not reply.answer and not reply.authority and not reply.additional


def test_refused_says_why_to_a_client_with_edns():
    reply = ask(VIEW, "nosuch.invalid.", use_edns=0)
    assert [int(option.code) for option in reply.options] == [20]


def test_rfc4343_names_match_in_any_case_and_the_question_keeps_its_letters():
    reply = ask(VIEW, "wEB.eXample.")
    assert str(reply.question[0].name) == "wEB.eXample."
    assert lines(reply.answer) == ["wEB.eXample. 60 A 192.0.2.5"]


def test_a_cname_is_followed_within_the_zone():
    reply = ask(VIEW, "www.example.")
    assert lines(reply.answer) == [
        "web.example. 60 A 192.0.2.5",
        "www.example. 3600 CNAME web.example.",
    ]


def test_a_question_for_the_cname_itself_is_not_followed():
    assert lines(ask(VIEW, "www.example.", "CNAME").answer) == [
        "www.example. 3600 CNAME web.example."
    ]


def test_a_cname_is_followed_into_another_zone_of_ours():
    reply = ask(VIEW, "far.example.")
    assert "www.other. 3600 A 198.51.100.2" in lines(reply.answer)
    assert is_aa(reply)


def test_rfc6604_the_rcode_is_that_of_the_end_of_the_chain():
    reply = ask(VIEW, "farther.example.")
    assert (rcode(reply), is_aa(reply)) == ("NXDOMAIN", True)
    assert lines(reply.answer) == ["farther.example. 3600 CNAME nosuch.other."]
    assert lines(reply.authority) == ["other. 60 SOA ns1.other. host.other. 1 2 3 4 60"]


def test_a_chain_that_leaves_our_zones_ends_with_noerror():
    reply = ask(VIEW, "away.example.")
    assert (rcode(reply), is_aa(reply)) == ("NOERROR", True)
    assert lines(reply.answer) == ["away.example. 3600 CNAME www.elsewhere."]


def test_a_chain_that_ends_below_a_cut_has_the_referral_and_keeps_aa():
    reply = ask(VIEW, "todeleg.example.")
    assert is_aa(reply)
    assert "child.example. 3600 NS ns.child.example." in lines(reply.authority)


def test_a_loop_of_cnames_is_answered_once():
    reply = ask(VIEW, "loop1.example.")
    assert rcode(reply) == "NOERROR"
    assert len(lines(reply.answer)) == 2


def test_eight_cnames_are_followed_and_no_more():
    assert len(ask(VIEW, "c1.example.").answer) == 9
    reply = ask(VIEW, "c0.example.")
    assert len(reply.answer) == 8
    assert rcode(reply) == "NOERROR"


def test_a_referral_has_no_aa_and_all_in_domain_glue():
    reply = ask(VIEW, "www.child.example.")
    assert (rcode(reply), is_aa(reply), reply.answer) == ("NOERROR", False, [])
    assert lines(reply.authority) == [
        "child.example. 3600 NS ns.child.example.",
        "child.example. 3600 NS ns.nowhere.",
        "child.example. 3600 NS ns.sister.example.",
    ]
    assert lines(reply.additional) == [
        "ns.child.example. 3600 A 192.0.2.10",
        "ns.child.example. 3600 AAAA 2001:db8::10",
        "ns.sister.example. 3600 A 192.0.2.11",
    ]


def test_glue_is_not_an_answer():
    assert not ask(VIEW, "ns.child.example.").answer
    assert not is_aa(ask(VIEW, "child.example.", "NS"))


def test_rfc9471_in_domain_glue_that_does_not_fit_sets_tc():
    text = "@ SOA . . 1 2 3 4 5\n" + "\n".join(
        f"cut NS ns{n}.cut.example.\nns{n}.cut AAAA 2001:db8::{n}" for n in range(1, 13)
    )
    view = view_of(example=text)
    assert is_tc(ask(view, "cut.example."))
    assert len(ask(view, "cut.example.", client=TCP).additional) == 12


def test_sibling_glue_that_does_not_fit_is_left_out_without_tc():
    text = "@ SOA . . 1 2 3 4 5\nsib NS ns.elsewhere.\n" + "\n".join(
        f"cut NS ns{n}.sib.example.\nns{n}.sib AAAA 2001:db8::{n}" for n in range(1, 13)
    )
    reply = ask(view_of(example=text), "cut.example.")
    assert not is_tc(reply)
    assert 0 < len(reply.additional) < 12


def test_ds_at_a_cut_is_answered_by_the_parent():
    reply = ask(VIEW, "secure.example.", "DS")
    assert (is_aa(reply), len(reply.answer)) == (True, 1)
    reply = ask(VIEW, "child.example.", "DS")
    assert (rcode(reply), is_aa(reply), reply.answer) == ("NOERROR", True, [])
    assert lines(reply.authority) == [SOA_LINE]


def test_ds_is_answered_by_the_parent_where_both_zones_are_ours():
    assert len(ask(VIEW, "hosted.example.", "DS").answer) == 1
    assert lines(ask(VIEW, "www.hosted.example.").answer) == [
        "www.hosted.example. 3600 A 192.0.2.40"
    ]
    assert is_aa(ask(VIEW, "hosted.example.", "NS"))


def test_ds_of_an_apex_without_a_parent_here_is_nodata_of_the_child():
    reply = ask(VIEW, "other.", "DS")
    assert (rcode(reply), is_aa(reply)) == ("NOERROR", True)
    assert lines(reply.authority) == ["other. 60 SOA ns1.other. host.other. 1 2 3 4 60"]


def test_ds_of_a_zone_to_which_the_parent_does_not_delegate_is_not_nxdomain():
    view = view_of(example="@ SOA . . 1 2 3 4 5", lost_example="@ SOA . . 1 2 3 4 5")
    assert rcode(ask(view, "lost.example.", "DS")) == "NOERROR"


def test_rfc6672_a_dname_comes_with_a_cname_of_its_ttl_and_is_followed():
    reply = ask(VIEW, "www.tree.example.")
    assert lines(reply.answer) == [
        "tree.example. 120 DNAME other.",
        "www.other. 3600 A 198.51.100.2",
        "www.tree.example. 120 CNAME www.other.",
    ]


def test_rfc6672_the_owner_of_a_dname_is_not_redirected():
    assert rcode(ask(VIEW, "tree.example.")) == "NOERROR"
    assert not ask(VIEW, "tree.example.").answer
    assert len(ask(VIEW, "tree.example.", "DNAME").answer) == 1


def test_rfc6672_a_name_that_grows_too_long_is_yxdomain():
    label = "x" * 60
    view = view_of(e=f"@ SOA . . 1 2 3 4 5\nd DNAME {label}.{label}.{label}.")
    reply = ask(view, f"{label}.{label}.d.e.")
    assert (rcode(reply), is_aa(reply), len(reply.answer)) == ("YXDOMAIN", True, 1)


def test_a_dname_that_points_below_itself_ends():
    reply = ask(view_of(e="@ SOA . . 1 2 3 4 5\nd DNAME x.d.e."), "www.d.e.")
    assert rcode(reply) == "NOERROR"
    assert len([line for line in lines(reply.answer) if " CNAME " in line]) == 8


def test_a_wildcard_is_synthesized_at_the_name_that_was_asked():
    assert lines(ask(VIEW, "x.y.wild.example.", "TXT").answer) == [
        'x.y.wild.example. 3600 TXT "wild"'
    ]
    assert rcode(ask(VIEW, "x.a.wild.example.", "TXT")) == "NXDOMAIN"


def test_a_wildcard_cname_is_followed():
    assert "web.example. 60 A 192.0.2.5" in lines(ask(VIEW, "x.walias.example.").answer)
    assert rcode(ask(VIEW, "x.gone.example.")) == "NXDOMAIN"


def test_rfc4592_the_example_zone_answers_as_its_table_says():
    view = view_of(example=RFC4592)
    assert lines(ask(view, "host3.example.", "MX").answer) == [
        "host3.example. 3600 MX 10 host1.example."
    ]
    assert lines(ask(view, "host3.example.", "MX").additional) == [
        "host1.example. 3600 A 192.0.2.1"
    ]
    for qname, qtype in (("host3", "A"), ("host1", "MX"), ("sub.*", "MX")):
        reply = ask(view, qname + ".example.", qtype)
        assert (rcode(reply), reply.answer) == ("NOERROR", [])
    for qname in ("_telnet._tcp.host1", "ghost.*"):
        assert rcode(ask(view, qname + ".example.", "SRV")) == "NXDOMAIN"
    assert not is_aa(ask(view, "host.subdel.example."))


def test_rfc8482_any_gives_one_rrset():
    reply = ask(VIEW, "example.", "ANY", TCP)
    assert lines(reply.answer) == ["example. 3600 A 192.0.2.1"]
    assert lines(ask(VIEW, "www.example.", "ANY").answer) == [
        "www.example. 3600 CNAME web.example."
    ]
    assert rcode(ask(VIEW, "deep.example.", "ANY")) == "NOERROR"


def test_mx_and_srv_bring_the_addresses_of_their_hosts():
    for qname, qtype in (("example.", "MX"), ("_sip._udp.example.", "SRV")):
        assert lines(ask(VIEW, qname, qtype).additional) == ["mail.example. 3600 A 192.0.2.4"]


def test_ns_brings_the_addresses_of_the_name_servers():
    assert len(ask(VIEW, "example.", "NS").additional) == 3


def test_rfc9460_https_brings_addresses_and_the_record_behind_an_alias():
    assert lines(ask(VIEW, "svc.example.", "HTTPS").additional) == [
        "svc.example. 3600 A 192.0.2.30"
    ]
    found = lines(ask(VIEW, "alias.example.", "HTTPS").additional)
    assert len(found) == 2
    assert any(" HTTPS 1 . " in line for line in found)


def test_an_answer_that_does_not_fit_is_truncated_and_whole_over_tcp():
    reply = ask(VIEW, "many.example.", "TXT")
    assert is_tc(reply) and is_aa(reply) and not reply.answer
    assert len(ask(VIEW, "many.example.", "TXT", TCP).answer[0]) == 6


def test_rfc3597_names_in_the_rdata_of_new_types_are_not_compressed():
    reply = ask(VIEW, "new.example.", "TYPE65400")
    assert reply.answer[0][0].to_wire() == bytes.fromhex("0377777703636f6d00")
