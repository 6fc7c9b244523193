"""Zones below trust anchors, below negative ones (RFC 7646), on islands and outside."""

from dns_node.resolver.dnssec.verdict import ErrorCode
from dns_node.resolver.question import Security
from tests.resolver.dnssec.world import World, tree
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import NOW_S


def test_negative_trust_anchors_make_insecure_with_the_error_that_says_so():
    world = tree(negative_anchors=(b"\3sub\7example\0",))
    verdict = world.ask("www.sub.example.")
    assert verdict.security is Security.INSECURE
    assert [error.code for error in verdict.errors] == [ErrorCode.NEGATIVE_TRUST_ANCHOR]
    assert world.security("www.example.") is Security.SECURE
    world.validator.negative_anchors.remove(b"\3sub\7example\0")
    assert world.security("www.sub.example.") is Security.SECURE


def test_a_negative_anchor_that_is_added_later_holds_at_once_and_ends():
    world = tree()
    assert world.security("www.sub.example.") is Security.SECURE
    world.validator.negative_anchors.add(b"\3sub\7example\0", NOW_S + 100)
    assert world.security("www.sub.example.") is Security.INSECURE
    world.now_s += 100
    assert world.security("www.sub.example.") is Security.SECURE


def test_rfc7646_an_anchor_below_a_negative_one_holds():
    child = SignedZone("sub.example.", "www A 192.0.2.1")
    example = SignedZone("example.", "www A 192.0.2.1", children=(child,))
    anchors = example.anchors() + child.anchors()
    negative = (b"\7example\0",)
    world = World(example, child, trust_anchors=anchors, negative_anchors=negative)
    assert world.security("www.sub.example.") is Security.SECURE
    assert world.security("www.example.") is Security.INSECURE


def test_an_island_of_security_below_an_unsigned_zone_is_secure_by_its_own_anchor():
    island = SignedZone("island.un.example.", "www A 192.0.2.8")
    parent = UnsignedZone("un.example.", children=())
    example = SignedZone("example.", children=(parent,))
    root = SignedZone(".", children=(example,))
    anchors = root.anchors() + island.anchors()
    world = World(root, example, parent, island, trust_anchors=anchors)
    assert world.security("www.island.un.example.") is Security.SECURE
    assert world.security("www.un.example.") is Security.INSECURE


def test_outside_all_anchors_everything_is_insecure():
    child = SignedZone("example.", "www A 192.0.2.1")
    other = SignedZone("other.", "www A 192.0.2.1")
    world = World(child, other)
    assert world.security("www.other.") is Security.INSECURE
    assert world.security("www.example.") is Security.SECURE


def test_without_validation_nothing_is_asked_and_all_is_indeterminate():
    world = tree(validates=False)
    assert world.security("www.example.") is Security.INDETERMINATE
    assert world.asked == []
