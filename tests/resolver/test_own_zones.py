"""Our own zones on the way of a question: they answer first, and their cuts and aliases lead on."""

from collections.abc import Callable

from dns_node.answer.sections import ADDITIONAL, ANSWER, AUTHORITY, Sections
from dns_node.resolver.question import Question, Security
from dns_node.zone.names import is_subdomain, parse_name
from dns_node.zone.rrset import RRset
from tests.resolver.test_resolution import small_world
from tests.resolver.world import Host, Zone, question

A, NS, CNAME, SOA = 1, 2, 5, 6
SOA_DATA = parse_name("ns.ours.") + parse_name("host.ours.") + bytes(20)


def zone_of_ours(question: Question) -> Sections | None:
    """What a zone ``ours.`` says: an address, an alias outward, and a cut with glue."""
    if not is_subdomain(question.qname, parse_name("ours.")):
        return None
    sections = Sections()
    if is_subdomain(question.qname, parse_name("cut.ours.")):
        sections.is_authoritative = False
        name_server = parse_name("ns.cut.ours.")
        sections.put(AUTHORITY, parse_name("cut.ours."), RRset(NS, 600, (name_server,)))
        sections.put(ADDITIONAL, name_server, RRset(A, 600, (bytes((192, 0, 2, 77)),)))
        return sections
    if question.qname == parse_name("www.ours."):
        sections.put(ANSWER, question.qname, RRset(A, 60, (bytes((10, 0, 0, 1)),)))
    elif question.qname == parse_name("out.ours."):
        target = parse_name("www.example.")
        sections.put(ANSWER, question.qname, RRset(CNAME, 60, (target,)))
    elif question.qname == parse_name("down.ours."):
        target = parse_name("www.cut.ours.")
        sections.put(ANSWER, question.qname, RRset(CNAME, 60, (target,)))
    else:
        sections.rcode = 3
        sections.put(AUTHORITY, parse_name("ours."), RRset(SOA, 60, (SOA_DATA,)))
    return sections


def ask(name: str, local: Callable[[Question], Sections | None] = zone_of_ours):
    world = small_world()
    world.hosts["192.0.2.2"].zones[0].add("inward.example. CNAME www.ours.")
    cut = Zone("cut.ours.", "cut.ours. NS ns.cut.ours.\nwww.cut.ours. A 203.0.113.77\n")
    world.hosts["192.0.2.77"] = Host([cut])
    return world.play(world.resolver("192.0.2.1"), question(name), local=local)


def test_what_our_zones_say_is_asked_of_nobody():
    played = ask("www.ours.")
    assert played.addresses == ["10.0.0.1"]
    assert played.asked == []
    assert ask("no.ours.").rcode == "NXDOMAIN"


def test_an_alias_out_of_our_zones_is_resolved_onward():
    played = ask("out.ours.")
    assert played.addresses == ["203.0.113.1"]
    assert [held.rrset.rrtype for held in played.outcome.answer] == [CNAME, A]


def test_an_alias_from_outside_into_our_zones_ends_there():
    assert ask("inward.example.").addresses == ["10.0.0.1"]


def test_rfc1034_4_3_2_below_a_cut_of_ours_its_servers_are_asked():
    played = ask("www.cut.ours.")
    assert played.addresses == ["203.0.113.77"]
    assert played.asked == ["192.0.2.77 www.cut.ours. A"]


def test_an_alias_of_ours_to_below_a_cut_of_ours_is_followed():
    assert ask("down.ours.").addresses == ["203.0.113.77"]


def test_what_is_below_a_cut_of_ours_is_kept_though_nobody_vouches_for_it():
    world = small_world()
    cut = Zone("cut.ours.", "cut.ours. NS ns.cut.ours.\nwww.cut.ours. A 203.0.113.77\n")
    world.hosts["192.0.2.77"] = Host([cut])
    anchor = (parse_name("."), 43, bytes.fromhex("4f660802") + bytes(32))
    resolver = world.resolver("192.0.2.1", validates=True, trust_anchors=(anchor,))
    played = world.play(resolver, question("www.cut.ours."), local=zone_of_ours)
    assert played.addresses == ["203.0.113.77"]
    assert played.outcome.security is Security.INSECURE
    again = world.play(resolver, question("www.cut.ours."), local=zone_of_ours)
    assert again.addresses == ["203.0.113.77"]
    assert again.asked == []
