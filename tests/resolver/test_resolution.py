"""Questions on their way through a world in memory."""

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
