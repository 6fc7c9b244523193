"""Which cuts the shortcut may ask."""

from dns_node.resolver.question import Server
from dns_node.resolver.settings import Route
from dns_node.zone.names import parse_name
from tests.resolver.test_resolution import small_world
from tests.resolver.world import question

WWW = parse_name("www.example.")
DS = (43, bytes.fromhex("4f660802") + bytes(32))


def test_a_cut_whose_server_answered_may_be_asked_until_its_referral_is_over():
    world = small_world()
    resolver = world.resolver("192.0.2.1")
    assert resolver.askable_cut(WWW, world.now_s) is None
    world.play(resolver, question("www.example."))
    cut = resolver.askable_cut(WWW, world.now_s)
    assert cut.apex == parse_name("example.")
    assert [each.server.address for each in cut.servers] == ["192.0.2.2"]
    assert 3590 < cut.expires_s - world.now_s <= 3600
    resolver.note_shortcut(
        Server("192.0.2.2"), answered=5, failed=0, rtt_s=0.1, near_misses=0, now_s=world.now_s
    )
    resolver.note_shortcut(
        Server("192.0.2.2"), answered=0, failed=1, rtt_s=0, near_misses=0, now_s=world.now_s
    )
    assert resolver.askable_cut(WWW, world.now_s) is None


def test_a_cut_that_has_to_be_validated_may_not_be_asked():
    world = small_world()
    anchors = ((parse_name("example."), *DS),)
    resolver = world.resolver("192.0.2.1", validates=True, trust_anchors=anchors)
    world.play(resolver, question("www.example."))
    assert resolver.askable_cut(WWW, world.now_s) is None


def test_an_island_of_trust_below_a_cut_keeps_the_shortcut_away():
    world = small_world()
    anchors = ((parse_name("c.example."), *DS),)
    resolver = world.resolver("192.0.2.1", validates=True, trust_anchors=anchors)
    world.play(resolver, question("www.example."))
    assert resolver.askable_cut(WWW, world.now_s) is None
    elsewhere = ((parse_name("c.test."), *DS),)
    resolver = world.resolver("192.0.2.1", validates=True, trust_anchors=elsewhere)
    world.play(resolver, question("www.example."))
    assert resolver.askable_cut(WWW, world.now_s) is not None


def test_a_forwarder_may_be_asked_as_such_and_one_over_tls_may_not():
    for is_tls in (False, True):
        world = small_world()
        route = Route(parse_name("example."), (Server("192.0.2.2"),), is_tls=is_tls)
        resolver = world.resolver("192.0.2.1", routes=(route,))
        world.play(resolver, question("www.example."))
        cut = resolver.askable_cut(WWW, world.now_s)
        assert (cut is None) if is_tls else cut.is_forward
