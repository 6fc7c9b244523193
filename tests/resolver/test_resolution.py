"""Questions on their way through a world in memory."""

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from dns_node.resolver.chain import STALE_ANSWER
from dns_node.resolver.cut import NO_REACHABLE_AUTHORITY
from dns_node.resolver.question import Transport
from tests.resolver.world import Host, World, Zone, question

ROOT = """
. NS a.root.
a.root. A 192.0.2.1
example. NS ns.example.
ns.example. A 192.0.2.2
test. NS ns.other.example.
"""
EXAMPLE = """
example. NS ns.example.
ns.example. A 192.0.2.2
www.example. A 203.0.113.1
alias.example. CNAME www.zone.test.
ns.other.example. A 192.0.2.3
a.b.c.example. A 203.0.113.7
"""
TEST = """
test. NS ns.other.example.
zone.test. NS ns1.zone.test.
zone.test. NS ns2.zone.test.
ns1.zone.test. A 192.0.2.4
ns2.zone.test. A 192.0.2.5
"""
ZONE = """
zone.test. NS ns1.zone.test.
www.zone.test. A 203.0.113.2
*.wild.zone.test. A 203.0.113.3
sub.zone.test. DNAME example.
"""


def small_world() -> World:
    zone = Zone("zone.test.", ZONE)
    return World(
        {
            "192.0.2.1": Host([Zone(".", ROOT)]),
            "192.0.2.2": Host([Zone("example.", EXAMPLE)]),
            "192.0.2.3": Host([Zone("test.", TEST)]),
            "192.0.2.4": Host([zone]),
            "192.0.2.5": Host([zone]),
        }
    )


def test_a_name_is_found_from_the_root_down():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    played = world.play(resolver, question("www.example."))
    assert played.rcode == "NOERROR"
    assert played.addresses == ["203.0.113.1"]
    assert played.asked == [
        "192.0.2.1 . NS",
        "192.0.2.1 example. A",
        "192.0.2.2 www.example. A",
    ]
    again = world.play(resolver, question("www.example."))
    assert again.addresses == ["203.0.113.1"]
    assert again.asked == []


def test_an_alias_leads_through_a_delegation_without_glue():
    world = small_world()
    played = world.play(world.resolver("192.0.2.1"), question("alias.example."))
    assert played.rcode == "NOERROR"
    assert played.addresses == ["203.0.113.2"]


def test_a_dname_leads_to_another_zone():
    world = small_world()
    played = world.play(world.resolver("192.0.2.1"), question("www.sub.zone.test."))
    assert played.addresses == ["203.0.113.1"]


def test_rfc8020_nothing_is_asked_below_what_does_not_exist():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    assert world.play(resolver, question("no.example.")).rcode == "NXDOMAIN"
    below = world.play(resolver, question("a.no.example."))
    assert below.rcode == "NXDOMAIN"
    assert below.asked == []


def test_a_server_that_is_dead_is_passed_over():
    world = small_world()
    world.hosts["192.0.2.4"].is_dead = True
    played = world.play(world.resolver("192.0.2.1"), question("www.zone.test."))
    assert played.addresses == ["203.0.113.2"]
    assert played.seconds < 1


def test_a_lame_server_is_passed_over_and_remembered():
    world = small_world()
    world.hosts["192.0.2.4"].zones = []
    resolver = world.resolver("192.0.2.1")
    for number in range(8):
        played = world.play(resolver, question(f"{number}.wild.zone.test."))
        assert played.addresses == ["203.0.113.3"]
    assert sum(each.startswith("192.0.2.4") for each in asked_of(world)) <= 2


def test_when_no_server_answers_the_failure_is_remembered():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("www.zone.test."))
    for host in ("192.0.2.4", "192.0.2.5"):
        world.hosts[host].is_dead = True
    played = world.play(resolver, question("x.wild.zone.test."))
    assert played.rcode == "SERVFAIL"
    assert NO_REACHABLE_AUTHORITY in played.codes
    assert played.seconds <= resolver.settings.limits.time_max_s
    again = world.play(resolver, question("x.wild.zone.test."))
    assert again.rcode == "SERVFAIL"
    assert again.asked == []
    # Nor is the zone asked for other names for a while.
    for number in range(4):
        world.play(resolver, question(f"y{number}.wild.zone.test."))
    world.now_s += 2
    assert world.play(resolver, question("z.wild.zone.test.")).asked == []
    for host in ("192.0.2.4", "192.0.2.5"):
        world.hosts[host].is_dead = False
    world.now_s += 60
    assert world.play(resolver, question("x.wild.zone.test.")).rcode == "NOERROR"
    assert resolver.delegations.find(question("zone.test.").qname, world.now_s).failures == 0


def test_rfc8767_what_was_known_before_is_told_when_nobody_answers():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    world.play(resolver, question("alias.example."))
    for host in world.hosts.values():
        host.is_dead = True
    world.now_s += 5000
    played = world.play(resolver, question("alias.example."))
    assert played.addresses == ["203.0.113.2"]
    assert played.outcome.is_stale
    assert played.codes[0] == STALE_ANSWER
    assert 1.7 < played.seconds < 1.9
    assert played.outcome.ttl_s == 30
    # Within the next 30 seconds nobody is asked, and the answer comes at once.
    again = world.play(resolver, question("alias.example."))
    assert again.outcome.is_stale
    assert again.seconds == 0
    world.now_s += 20
    assert world.play(resolver, question("alias.example.")).asked == []
    for host in world.hosts.values():
        host.is_dead = False
    world.now_s += 60
    fresh = world.play(resolver, question("alias.example."))
    assert fresh.addresses == ["203.0.113.2"]
    assert not fresh.outcome.is_stale


def test_a_truncated_reply_is_asked_for_again_over_tcp():
    world = small_world()
    world.hosts["192.0.2.2"].size_max = 30
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert [ask.transport for ask in played.asks if ask.server.address == "192.0.2.2"] == [
        Transport.UDP,
        Transport.TCP,
    ]


def test_rfc6891_a_server_without_edns_is_asked_without():
    def no_edns(query, reply):
        if query.edns < 0:
            return reply
        reply = dns.message.make_response(query)
        reply.use_edns(-1)
        reply.set_rcode(dns.rcode.FORMERR)
        return reply

    world = small_world()
    world.hosts["192.0.2.2"].behave = no_edns
    resolver = world.resolver("192.0.2.1")
    assert world.play(resolver, question("www.example.")).addresses == ["203.0.113.1"]
    played = world.play(resolver, question("a.b.c.example."))
    assert played.addresses == ["203.0.113.7"]
    assert all(dns.message.from_wire(ask.query).edns < 0 for ask in played.asks)


def test_rfc5452_letters_that_are_not_echoed_lead_to_tcp():
    def lower(query, reply):
        octets = reply.to_wire()
        end = octets.index(b"\0", 12)
        return octets[:12] + octets[12:end].lower() + octets[end:]

    world = small_world()
    world.hosts["192.0.2.2"].behave = lower
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert played.asks[-1].transport is Transport.TCP


def test_a_server_that_changes_letters_and_knows_no_tcp_is_asked_without_mixed_case():
    def lower(query, reply):
        octets = reply.to_wire()
        end = octets.index(b"\0", 12)
        return octets[:12] + octets[12:end].lower() + octets[end:]

    world = small_world()
    world.hosts["192.0.2.2"].behave = lower
    world.hosts["192.0.2.2"].has_tcp = False
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert played.addresses == ["203.0.113.1"]


def test_rfc9156_no_server_hears_more_than_it_has_to():
    world = small_world()
    played = world.play(world.resolver("192.0.2.1"), question("a.b.c.example.", "TXT"))
    assert played.rcode == "NOERROR"
    assert played.asked[1:] == [
        "192.0.2.1 example. A",
        "192.0.2.2 c.example. A",
        "192.0.2.2 b.c.example. A",
        "192.0.2.2 a.b.c.example. TXT",
    ]


def test_rfc9156_a_long_name_costs_ten_steps_at_most():
    world = small_world()
    labels = ".".join("a" * 40)
    world.hosts["192.0.2.2"].zones[0].add(f"{labels}.example. A 203.0.113.9")
    played = world.play(world.resolver("192.0.2.1"), question(f"{labels}.example."))
    assert played.addresses == ["203.0.113.9"]
    assert len(played.asked) <= 12


def test_rfc9156_a_server_that_denies_empty_non_terminals_is_believed_about_names_alone():
    def deny(query, reply):
        if not reply.answer:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    world = small_world()
    world.hosts["192.0.2.2"].behave = deny
    played = world.play(world.resolver("192.0.2.1"), question("a.b.c.example."))
    assert played.addresses == ["203.0.113.7"]


def test_two_zones_that_name_their_servers_in_each_other_end_in_servfail():
    root = ROOT + "one. NS ns.two.\ntwo. NS ns.one.\n"
    world = small_world()
    world.hosts["192.0.2.1"].zones = [Zone(".", root)]
    played = world.play(world.resolver("192.0.2.1"), question("www.one."))
    assert played.rcode == "SERVFAIL"
    assert len(played.asked) <= 8
    again = world.play(world.resolver("192.0.2.1"), question("other.one."))
    assert again.rcode == "SERVFAIL"


def test_delegations_that_need_delegations_are_followed_to_a_depth_of_seven():
    for levels, rcode in ((6, "NOERROR"), (9, "SERVFAIL")):
        world = small_world()
        root = world.hosts["192.0.2.1"].zones[0]
        for level in range(levels):
            root.add(f"zone{level}. NS ns.zone{level + 1}.")
            zone = Zone(f"zone{level}.", f"zone{level}. NS ns.zone{level + 1}.")
            zone.add(f"ns.zone{level}. A 192.0.2.{100 + level}")
            zone.add(f"www.zone{level}. A 203.0.113.8")
            world.hosts[f"192.0.2.{101 + level}"] = Host([zone])
        root.add(f"zone{levels}. NS ns.zone{levels}.")
        root.add(f"ns.zone{levels}. A 192.0.2.{100 + levels}")
        last = Zone(f"zone{levels}.", f"ns.zone{levels}. A 192.0.2.{100 + levels}")
        world.hosts[f"192.0.2.{100 + levels}"].zones.append(last)
        played = world.play(world.resolver("192.0.2.1"), question("www.zone0."), wants_steps=True)
        assert played.rcode == rcode
        told = " ".join(step.text for step in played.resolution.steps)
        assert ("too many delegations need delegations" in told) == (rcode == "SERVFAIL")


def test_rfc9609_a_root_that_does_not_say_where_its_servers_are_is_found_by_the_hints():
    world = small_world()
    world.hosts["192.0.2.1"].zones[0].nodes[dns.name.root].pop(dns.rdatatype.NS)
    world.hosts["192.0.2.1"].zones[0].add(". NS z.elsewhere.")
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert played.addresses == ["203.0.113.1"]


def test_rfc9609_two_root_servers_are_asked_who_they_are_then_the_hints_have_to_do():
    world = small_world()
    world.hosts["192.0.2.1"].behave = lambda query, reply: (
        None if query.question[0].rdtype == dns.rdatatype.NS else reply
    )
    played = world.play(world.resolver("192.0.2.1"), question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert sum(each.endswith(" . NS") for each in played.asked) == 2
    assert played.seconds < 2


def asked_of(world: World) -> list[str]:
    return [ask.server.address for ask in world.log]
