"""The native core answers what clients ask every day itself: else it would be right by punting."""

import dns.edns
import dns.message
import pytest

from dns_node.answer.respond import AnswerSettings, respond
from tests.answer.ask import SETTINGS, TCP, UDP
from tests.answer.dict_view import view_of
from tests.answer.example_zones import EXAMPLE, HOSTED, OTHER
from tests.answer.test_dnssec import VIEW as SIGNED
from tests.model.native import native, twin

pytestmark = pytest.mark.skipif(native is None, reason="the native core is not built")

VIEW = view_of(example=EXAMPLE, other=OTHER, hosted_example=HOSTED)
EVERYDAY = [
    ("web.example.", "A"), ("WeB.eXample.", "A"), ("web.example.", "AAAA"), ("www.example.", "A"),
    ("far.example.", "A"), ("away.example.", "A"), ("todeleg.example.", "A"), ("c0.example.", "A"),
    ("loop1.example.", "A"), ("example.", "SOA"), ("example.", "NS"), ("example.", "MX"),
    ("example.", "ANY"), ("nosuch.example.", "A"), ("x.nosuch.example.", "A"),
    ("deep.example.", "A"), ("x.wild.example.", "TXT"), ("x.wild.example.", "A"),
    ("x.walias.example.", "A"), ("x.child.example.", "A"), ("child.example.", "DS"),
    ("secure.example.", "DS"), ("x.secure.example.", "A"), ("hosted.example.", "DS"),
    ("www.hosted.example.", "A"), ("x.tree.example.", "A"), ("_sip._udp.example.", "SRV"),
    ("svc.example.", "HTTPS"), ("alias.example.", "HTTPS"), ("many.example.", "TXT"),
    ("new.example.", "TYPE65400"), ("nowhere.", "A"), (".", "NS"), ("example.", "AXFR"),
]  # fmt: skip
SIGNED_NAMES = ["example.", "ns.example.", "x.w.example.", "b.w.example.", "y.w.example.",
                "x.insecure.example.", "x.secure.example.", "nosuch.example."]  # fmt: skip
EDNS = [
    {}, {"use_edns": 0}, {"use_edns": 0, "payload": 512}, {"want_dnssec": True},
    {"use_edns": 0, "options": [dns.edns.GenericOption(3, b"")]},
    {"use_edns": 0, "options": [dns.edns.GenericOption(10, b"12345678")]},
    {"use_edns": 1},
]  # fmt: skip


def queries():
    """Yield a view and the octets of a query about it."""
    for options in EDNS:
        for name, qtype in EVERYDAY:
            yield VIEW, dns.message.make_query(name, qtype, **options).to_wire()
        for name in SIGNED_NAMES:
            for qtype in ("A", "MX", "DS", "NS", "DNSKEY", "RRSIG", "NSEC"):
                yield SIGNED, dns.message.make_query(name, qtype, **options).to_wire()
    for name in ("version.bind.", "id.server.", "hostname.bind.", "nosuch.bind."):
        yield VIEW, dns.message.make_query(name, "TXT", "CH").to_wire()


def test_everyday_queries_are_answered_natively_as_the_definition_answers_them():
    settings = [SETTINGS, AnswerSettings()]
    for view, octets in queries():
        for client in (UDP, TCP):
            for setting in settings:
                expected = respond(octets, view, client, 0.0, setting)
                assert twin(view).respond(octets, client, 0.0, setting) == expected.octets
