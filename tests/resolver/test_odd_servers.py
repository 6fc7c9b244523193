"""Servers that are wrong about their zones, and what is made of them."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.resolver.test_resolution import small_world
from tests.resolver.world import Host, Zone, question


def as_resolver(query, reply):
    """Say what a resolver says that knows the zone from its cache."""
    reply.flags |= dns.flags.RA
    reply.flags &= ~dns.flags.AA
    return reply


def rrset(*words: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(words[0], 3600, "IN", words[1], " ".join(words[2:]))


def test_a_resolver_s_word_for_a_zone_counts_when_no_server_of_the_zone_is_left():
    world = small_world()
    world.hosts["192.0.2.4"].behave = world.hosts["192.0.2.5"].behave = as_resolver
    played = world.play(world.resolver("192.0.2.1"), question("www.zone.test."))
    assert played.addresses == ["203.0.113.2"]


def test_a_server_of_the_zone_counts_before_a_resolver():
    world = small_world()
    lying = Zone("zone.test.", "zone.test. NS ns1.zone.test.\nwww.zone.test. A 203.0.113.66\n")
    world.hosts["192.0.2.4"] = Host([lying], behave=as_resolver)
    for _ in range(8):
        played = world.play(world.resolver("192.0.2.1"), question("www.zone.test."))
        assert played.addresses == ["203.0.113.2"]


def test_a_referral_that_calls_itself_an_answer_is_a_referral():
    def boast(query, reply):
        reply.flags |= dns.flags.AA
        return reply

    world = small_world()
    world.hosts["192.0.2.1"].behave = boast
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert played.addresses == ["203.0.113.1"]


def test_glue_of_another_zone_finds_a_server_whose_own_zone_does_not_know_it():
    """The zone of the name server has lost its address; its parent still has it."""
    world = small_world()
    root = world.hosts["192.0.2.1"].zones[0]
    for line in ("one. NS ns.two.", "two. NS ns.two.", "ns.two. A 192.0.2.60"):
        root.add(line)
    one = Zone("one.", "one. NS ns.two.\nwww.one. A 203.0.113.60\n")
    world.hosts["192.0.2.60"] = Host([one, Zone("two.", "two. NS ns.two.\n")])
    played = world.play(world.resolver("192.0.2.1"), question("www.one."))
    assert played.addresses == ["203.0.113.60"]


def test_where_nobody_is_at_the_glue_the_zone_of_the_name_is_asked():
    world = small_world()
    root = world.hosts["192.0.2.1"].zones[0]
    root.add("moved. NS ns.example.")
    world.hosts["192.0.2.2"].zones[0].nodes.pop(dns.name.from_text("ns.example."))
    root.nodes.pop(dns.name.from_text("ns.example."))
    root.add("example. NS ns2.example.")
    root.add("ns2.example. A 192.0.2.2")
    root.add("ns.example. A 192.0.2.99")
    world.hosts["192.0.2.2"].zones[0].add("ns.example. A 192.0.2.61")
    moved = Zone("moved.", "moved. NS ns.example.\nwww.moved. A 203.0.113.61\n")
    world.hosts["192.0.2.61"] = Host([moved])
    played = world.play(world.resolver("192.0.2.1"), question("www.moved."))
    assert played.addresses == ["203.0.113.61"]


def test_a_referral_upward_or_to_the_zone_itself_is_lame():
    for target in (".", "example."):

        def refer(query, reply, target=target):
            reply = dns.message.make_response(query)
            reply.authority.append(rrset(target, "NS", "ns.example."))
            return reply

        world = small_world()
        world.hosts["192.0.2.2"].behave = refer
        played = world.play(world.resolver("192.0.2.1"), question("www.example."))
        assert played.rcode == "SERVFAIL"
        assert len(played.asked) <= 5


@pytest.mark.parametrize("address", ["127.0.0.2", "127.255.255.255", "0.0.0.0", "224.0.0.1"])
def test_nobody_makes_us_ask_this_host_or_many_at_once(address):
    world = small_world()
    root = world.hosts["192.0.2.1"].zones[0]
    for line in ("one. NS ns.one.", f"ns.one. A {address}", "two. NS host.example."):
        root.add(line)
    world.hosts["192.0.2.2"].zones[0].add(f"host.example. A {address}")
    world.hosts[address] = Host([Zone("one.", "one. NS ns.one.\nwww.one. A 203.0.113.60\n")])
    for asked in ("www.one.", "www.two."):
        played = world.play(world.resolver("192.0.2.1"), question(asked))
        assert played.rcode == "SERVFAIL"
        assert not any(text.startswith(address) for text in played.asked)


def test_where_the_root_is_at_this_host_all_servers_may_be():
    world = small_world()
    world.hosts["127.0.0.1"] = world.hosts["192.0.2.1"]
    root = world.hosts["127.0.0.1"].zones[0]
    for line in ("one. NS ns.one.", "ns.one. A 127.0.0.2"):
        root.add(line)
    world.hosts["127.0.0.2"] = Host([Zone("one.", "one. NS ns.one.\nwww.one. A 203.0.113.60\n")])
    played = world.play(world.resolver("127.0.0.1"), question("www.one."))
    assert played.addresses == ["203.0.113.60"]


def test_a_part_of_the_name_is_asked_with_the_next_type_where_the_first_one_fails():
    def fail(query, reply):
        if query.question[0].rdtype == dns.rdatatype.A and len(query.question[0].name) == 2:
            reply = dns.message.make_response(query)
            reply.set_rcode(dns.rcode.SERVFAIL)
        return reply

    world = small_world()
    world.hosts["192.0.2.1"].behave = fail
    resolver = world.resolver("192.0.2.1", minimised_types=(1, 2))
    played = world.play(resolver, question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert played.asked[-3:] == [
        "192.0.2.1 example. A", "192.0.2.1 example. NS", "192.0.2.2 www.example. A",
    ]  # fmt: skip


def test_a_server_that_knows_no_part_of_the_name_is_asked_for_the_whole():
    def ignore(query, reply):
        if len(query.question[0].name) == 3:
            reply = dns.message.make_response(query)
        return reply

    world = small_world()
    world.hosts["192.0.2.2"].zones[0].add("a.b.example. A 203.0.113.62")
    world.hosts["192.0.2.2"].behave = ignore
    played = world.play(world.resolver("192.0.2.1"), question("a.b.example."))
    assert played.addresses == ["203.0.113.62"]


def test_a_server_that_does_not_answer_to_parts_of_names_is_asked_for_the_whole():
    def drop(query, reply):
        return None if len(query.question[0].name) == 3 else reply

    world = small_world()
    world.hosts["192.0.2.2"].zones[0].add("a.b.example. A 203.0.113.62")
    world.hosts["192.0.2.2"].behave = drop
    played = world.play(world.resolver("192.0.2.1"), question("a.b.example."))
    assert played.addresses == ["203.0.113.62"]
    assert played.seconds < 2


@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN])
def test_a_resolver_that_contradicts_itself_is_of_no_use(rcode):
    def contradict(query, reply):
        reply = as_resolver(query, reply)
        reply.set_rcode(rcode)
        return reply

    world = small_world()
    world.hosts["192.0.2.4"].behave = world.hosts["192.0.2.5"].behave = contradict
    for asked in ("www.zone.test.", "nosuch.zone.test."):
        played = world.play(world.resolver("192.0.2.1"), question(asked))
        assert played.rcode in ("SERVFAIL", "NXDOMAIN")
        assert played.addresses == []


def test_records_that_were_not_asked_for_are_not_kept():
    def promote(query, reply):
        reply.answer.append(rrset("www.zone.test.", "A", "203.0.113.66"))
        reply.authority.append(rrset("test.", "NS", "ns.evil."))
        reply.additional.append(rrset("ns.other.example.", "A", "203.0.113.66"))
        return reply

    world = small_world()
    world.hosts["192.0.2.2"].behave = promote
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("www.example."))
    world.hosts["192.0.2.2"].behave = None
    assert world.play(resolver, question("www.zone.test.")).addresses == ["203.0.113.2"]


def test_rfc8020_a_denied_name_above_hides_nothing_that_lives_elsewhere():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    assert world.play(resolver, question("b.example.")).rcode == "NXDOMAIN"
    assert world.play(resolver, question("c.example.")).rcode == "NOERROR"


def test_an_alias_loop_over_two_zones_ends_in_servfail():
    world = small_world()
    world.hosts["192.0.2.2"].zones[0].add("loop.example. CNAME loop.zone.test.")
    world.hosts["192.0.2.4"].zones[0].add("loop.zone.test. CNAME loop.example.")
    played = world.play(world.resolver("192.0.2.1"), question("loop.example."))
    assert played.rcode == "SERVFAIL"
    assert len(played.asked) < 12


def test_ten_aliases_are_followed_and_no_more():
    world = small_world()
    for number in range(30):
        zone = world.hosts["192.0.2.2" if number % 2 else "192.0.2.4"].zones[0]
        names = ("zone.test", "example") if number % 2 == 0 else ("example", "zone.test")
        zone.add(f"n{number}.{names[0]}. CNAME n{number + 1}.{names[1]}.")
    world.hosts["192.0.2.4"].zones[0].add("n30.zone.test. A 203.0.113.99")
    resolver = world.resolver("192.0.2.1")
    assert world.play(resolver, question("n20.zone.test.")).addresses == ["203.0.113.99"]
    assert world.play(world.resolver("192.0.2.1"), question("n18.zone.test.")).rcode == "SERVFAIL"


def test_thirty_referrals_are_followed_for_one_question_and_no_more():
    for levels, rcode in ((28, "NOERROR"), (34, "SERVFAIL")):
        world = small_world()
        above, apex = world.hosts["192.0.2.1"].zones[0], ""
        for level in range(levels):
            apex = f"d{level}.{apex}"
            address = f"10.0.0.{level}"
            zone = Zone(apex, f"{apex} NS ns.{apex}\nns.{apex} A {address}\n")
            above.add(f"{apex} NS ns.{apex}")
            above.add(f"ns.{apex} A {address}")
            world.hosts[address] = Host([zone])
            above = zone
        above.add(f"www.{apex} A 203.0.113.30")
        resolver = world.resolver("192.0.2.1", minimises_qname=False)
        played = world.play(resolver, question(f"www.{apex}"))
        assert played.rcode == rcode
        told = [error.text for error in played.outcome.errors]
        assert any("referrals_max" in text for text in told) == (rcode == "SERVFAIL")


def test_a_server_that_does_not_know_ds_refers_to_the_child_and_means_that_there_is_none():
    def old(query, reply):
        if query.question[0].rdtype != dns.rdatatype.DS:
            return reply
        reply = dns.message.make_response(query)
        reply.authority.append(rrset("zone.test.", "NS", "ns1.zone.test."))
        return reply

    world = small_world()
    world.hosts["192.0.2.3"].behave = old
    played = world.play(world.resolver("192.0.2.1"), question("zone.test.", "DS"))
    assert played.rcode == "NOERROR"
    assert played.outcome.answer == ()
    assert not any(each.startswith(("192.0.2.4", "192.0.2.5")) for each in played.asked)


def test_a_delegation_is_believed_for_a_day_at_most():
    world = small_world()
    root = world.hosts["192.0.2.1"].zones[0]
    root.nodes.pop(dns.name.from_text("example."))
    root.add("example. 31536000 NS ns.example.")
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("www.example."))
    cut = resolver.delegations.find(question("example.").qname, world.now_s)
    assert cut.expires_s - world.now_s <= 86_400
