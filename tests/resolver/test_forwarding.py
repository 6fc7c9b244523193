"""Questions that resolvers are asked, one after the other or several at once."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from dns_node.resolver.question import Server, Transport
from dns_node.resolver.settings import Mode, Route
from dns_node.zone.names import parse_name
from tests.resolver.test_resolution import small_world
from tests.resolver.world import Host, World, Zone, question

UPSTREAMS = ("198.51.100.1", "198.51.100.2", "198.51.100.3")
WORLD = """
www.example. A 203.0.113.1
alias.example. CNAME www.example.
www.corp. A 10.0.0.1
"""


def a_resolver_host(**options) -> Host:
    def recursive(query, reply):
        assert query.flags & dns.flags.RD
        reply.flags |= dns.flags.RA
        reply.flags &= ~dns.flags.AA
        return reply

    host = Host([Zone(".", WORLD + ". NS a.root.\n")], **options)
    host.behave = recursive
    return host


def forwarded_world() -> World:
    world = small_world()
    for address in UPSTREAMS:
        world.hosts[address] = a_resolver_host()
    return world


def forwarder(world: World, mode: Mode = Mode.FORWARDING, **settings):
    servers = tuple(Server(address) for address in UPSTREAMS)
    return world.resolver("192.0.2.1", mode=mode, upstreams=servers, **settings)


def refuse(query, reply):
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.SERVFAIL)
    return reply


def test_a_forwarder_answers_all_of_a_chain_at_once():
    world = forwarded_world()
    played = world.play(forwarder(world), question("alias.example."))
    assert played.addresses == ["203.0.113.1"]
    assert len(played.asked) == 1


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NODATA"])
def test_what_a_forwarder_denies_is_kept(rcode):
    world = forwarded_world()
    resolver = forwarder(world)
    asked = question("no.example." if rcode == "NXDOMAIN" else "www.example.", "TXT")
    played = world.play(resolver, asked)
    assert played.rcode == ("NXDOMAIN" if rcode == "NXDOMAIN" else "NOERROR")
    assert world.play(resolver, asked).asked == []


def test_when_all_forwarders_are_dead_the_root_is_asked_within_the_same_budget():
    world = forwarded_world()
    resolver = forwarder(world)
    for address in UPSTREAMS:
        world.hosts[address].is_dead = True
    played = world.play(resolver, question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert played.seconds <= resolver.settings.limits.time_max_s
    assert "192.0.2.2 www.example. A" in played.asked


def test_without_fallback_dead_forwarders_give_servfail():
    world = forwarded_world()
    resolver = forwarder(world, falls_back=False)
    for address in UPSTREAMS:
        world.hosts[address].is_dead = True
    played = world.play(resolver, question("www.example."))
    assert played.rcode == "SERVFAIL"
    assert {each.split()[0] for each in played.asked} == set(UPSTREAMS)


def test_of_several_asked_at_once_the_first_good_answer_counts():
    world = forwarded_world()
    slow, fast, failing = UPSTREAMS
    world.hosts[slow].delay_s = 0.3
    world.hosts[fast].delay_s = 0.02
    world.hosts[failing].behave = refuse
    resolver = forwarder(world, Mode.PARALLEL)
    played = world.play(resolver, question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert played.seconds == pytest.approx(0.02)
    assert sorted(each.split()[0] for each in played.asked) == sorted(UPSTREAMS)


def test_in_parallel_the_next_one_is_asked_for_each_that_fails():
    world = forwarded_world()
    resolver = forwarder(world, Mode.PARALLEL, in_parallel=2)
    for address in UPSTREAMS:
        world.hosts[address].behave = refuse
    good = UPSTREAMS[1]
    world.hosts[good] = a_resolver_host(delay_s=0.1)
    played = world.play(resolver, question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert played.seconds <= 0.2


def test_in_parallel_all_dead_leads_to_the_root():
    world = forwarded_world()
    for address in UPSTREAMS:
        world.hosts[address].is_dead = True
    played = world.play(forwarder(world, Mode.PARALLEL), question("www.example."))
    assert played.addresses == ["203.0.113.1"]
    assert "192.0.2.2 www.example. A" in played.asked


def test_an_rcode_that_is_no_success_counts_when_nobody_has_a_better_one():
    world = forwarded_world()
    resolver = forwarder(world, Mode.PARALLEL, success_rcodes=(0,), falls_back=False)
    world.hosts[UPSTREAMS[2]].zones[0].add("no.example. A 203.0.113.5")
    world.hosts[UPSTREAMS[2]].delay_s = 0.2
    assert world.play(resolver, question("no.example.")).addresses == ["203.0.113.5"]
    assert world.play(resolver, question("nothing.example.")).rcode == "NXDOMAIN"


def test_a_suffix_has_forwarders_of_its_own_over_tls():
    world = forwarded_world()
    inner = Server("198.51.100.3", 853, "dns.corp")
    route = Route(parse_name("corp."), (inner,), is_tls=True)
    resolver = world.resolver("192.0.2.1", routes=(route,))
    played = world.play(resolver, question("www.corp."))
    assert played.addresses == ["10.0.0.1"]
    assert [(ask.server, ask.transport) for ask in played.asks] == [(inner, Transport.TLS)]
    assert world.play(resolver, question("www.example.")).addresses == ["203.0.113.1"]


def test_a_stub_s_servers_are_asked_as_authorities_and_their_delegations_followed():
    world = small_world()
    route = Route(parse_name("test."), (Server("192.0.2.3"),), is_stub=True)
    resolver = world.resolver("192.0.2.1", routes=(route,))
    played = world.play(resolver, question("www.zone.test."))
    assert played.addresses == ["203.0.113.2"]
    assert played.asked[0] == "192.0.2.3 zone.test. A"
    assert not any(dns.message.from_wire(ask.query).flags & dns.flags.RD for ask in played.asks)
