"""What is to be resolved for a client, and for whom: RFC 1034 section 4.3.2 with recursion."""

import dns.flags
import dns.message
import pytest

from dns_node.answer.access import Networks
from dns_node.answer.respond import AnswerSettings, Client, Recurse, Reply, respond
from dns_node.answer.sections import ANSWER, AUTHORITY
from tests.answer.dict_view import view_of, wire
from tests.answer.example_zones import EXAMPLE, HOSTED, OTHER
from tests.model.native import twin

VIEW = view_of(**{"example": EXAMPLE, "other": OTHER, "hosted.example": HOSTED})
INSIDE, OUTSIDE = Client("192.0.2.53", 4000), Client("198.51.100.53", 4000)
SETTINGS = AnswerSettings(recursion=Networks(["192.0.2.0/24"]))


def ask(qname, qtype="A", client=INSIDE, flags=dns.flags.RD, settings=SETTINGS, view=VIEW):
    octets = dns.message.make_query(qname, qtype, flags=flags, want_dnssec=True).to_wire()
    found = respond(octets, view, client, 0.0, settings)
    core = twin(view)
    if core is not None:
        native = core.respond(octets, client, 0.0, settings)
        assert native is False if isinstance(found, Recurse) else native in (found.octets, False)
    return found


def onward(*arguments, **options):
    """Return (what is to be resolved, owners of the answer so far)."""
    found = ask(*arguments, **options)
    assert isinstance(found, Recurse), found
    assert not found.local.entries[AUTHORITY]
    return found.name, [entry.owner for entry in found.local.entries[ANSWER]]


def header(*arguments, **options):
    reply = ask(*arguments, **options)
    assert isinstance(reply, Reply), reply
    return dns.message.from_wire(reply.octets)


def test_what_lies_outside_our_zones_is_resolved():
    assert onward("www.elsewhere.") == (wire("www.elsewhere."), [])


def test_what_lies_below_a_cut_is_resolved_and_not_referred_to():
    assert onward("x.child.example.") == (wire("x.child.example."), [])
    assert onward("child.example.", "NS") == (wire("child.example."), [])


@pytest.mark.parametrize(
    ("qname", "target", "owners"),
    [
        ("away.example.", "www.elsewhere.", ["away.example."]),
        ("todeleg.example.", "x.child.example.", ["todeleg.example."]),
    ],
)
def test_an_alias_that_leads_out_of_our_zones_is_followed_by_resolving(qname, target, owners):
    assert onward(qname) == (wire(target), [wire(owner) for owner in owners])


def test_rfc4035_3_1_4_1_the_ds_of_a_zone_of_ours_is_asked_of_its_parent():
    assert onward("other.", "DS") == (wire("other."), [])
    # Here the parent is ours too.
    assert header("hosted.example.", "DS").answer


def test_what_our_zones_answer_is_answered_by_them_and_ra_is_told():
    for qname in ("web.example.", "far.example.", "nosuch.example.", "ent.example."):
        reply = header(qname)
        assert reply.flags & dns.flags.AA and reply.flags & dns.flags.RA, qname


def test_without_rd_there_is_a_referral_and_nothing_is_resolved():
    reply = header("x.child.example.", flags=0)
    assert reply.authority and not reply.answer and reply.flags & dns.flags.RA
    assert header("www.elsewhere.", flags=0).rcode() == 5


def test_who_may_not_have_questions_resolved_gets_referrals_and_hears_no_ra():
    reply = header("x.child.example.", client=OUTSIDE)
    assert reply.authority and not reply.flags & dns.flags.RA
    reply = header("www.elsewhere.", client=OUTSIDE)
    assert reply.rcode() == 5 and not reply.flags & dns.flags.RA


def test_who_may_not_ask_at_all_has_nothing_resolved():
    closed = AnswerSettings(query=Networks(["203.0.113.1"]), recursion=Networks(["any"]))
    assert header("www.elsewhere.", settings=closed).rcode() == 5


def test_by_default_nothing_is_resolved_for_anyone():
    assert header("www.elsewhere.", settings=AnswerSettings()).rcode() == 5


def test_before_there_is_a_store_nothing_is_resolved():
    # What is ours is not known yet: it must not be looked for elsewhere.
    assert header("www.example.", view=None).rcode() == 5


@pytest.mark.parametrize("qtype", ["AXFR", "TKEY", "OPT", "MAILB"])
def test_a_type_without_data_is_not_resolved(qtype):
    assert header("www.elsewhere.", qtype).rcode() in (1, 4, 5)


def test_another_class_is_not_resolved():
    octets = dns.message.make_query("www.elsewhere.", "TXT", "CH").to_wire()
    assert isinstance(respond(octets, VIEW, INSIDE, 0.0, SETTINGS), Reply)
