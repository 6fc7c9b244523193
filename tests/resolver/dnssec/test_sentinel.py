"""Names that ask which root keys are trusted (RFC 8509)."""

import pytest

from dns_node.resolver.dnssec.anchors import Anchors
from dns_node.resolver.dnssec.records import DS
from dns_node.resolver.dnssec.sentinel import contradicts
from dns_node.resolver.question import Security
from tests.resolver.dnssec.hosts import world_of
from tests.resolver.signed_zone import SignedZone, UnsignedZone
from tests.resolver.signing import question


@pytest.fixture(scope="module")
def tree():
    """A signed root with a signed zone and one that is not; every name that is asked for is there
    by wildcard."""
    un = UnsignedZone("un.example.", "* A 192.0.2.102")
    example = SignedZone("example.", "* A 192.0.2.101", children=(un,))
    root = SignedZone(".", children=(example,))
    return root, world_of(root, example, un)[0]


def asks(tree, qname, qtype="A", **options):
    root, world = tree
    resolver = world.resolver("192.0.2.1", validates=True, trust_anchors=root.anchors())
    outcomes = [world.play(resolver, question(qname, qtype), **options).outcome for _ in range(2)]
    assert outcomes[0].rcode == outcomes[1].rcode, "cold, and out of the cache"
    return outcomes[0]


def tag_of(tree):
    [(_, _, rdata), *_] = tree[0].anchors()
    return int.from_bytes(rdata[:2], "big")


def test_the_names_tell_who_trusts_a_key(tree):
    tag = tag_of(tree)
    other = (tag + 1) % 65536
    for kind, asked, rcode in (
        ("is", tag, 0),
        ("not", tag, 2),
        ("is", other, 2),
        ("not", other, 0),
    ):
        outcome = asks(tree, f"root-key-sentinel-{kind}-ta-{asked:05}.example.")
        assert outcome.rcode == rcode, (kind, asked)
        assert bool(outcome.answer) is (rcode == 0)
        assert (outcome.security is Security.SECURE) is (rcode == 0)


def test_what_is_not_validated_or_not_secure_tells_nothing(tree):
    name = f"root-key-sentinel-not-ta-{tag_of(tree):05}"
    assert asks(tree, f"{name}.example.", is_cd=True).rcode == 0
    assert asks(tree, f"{name}.un.example.").rcode == 0
    assert asks(tree, f"{name}.example.", "TXT").rcode == 0


@pytest.mark.parametrize(
    "label",
    ["root-key-sentinel-is-ta-1", "root-key-sentinel-is-ta-000001", "root-key-sentinel-is-ta-0000x"]
    + [
        "root-key-sentinel-is-ta-00001x",
        "xroot-key-sentinel-is-ta-00001",
        "root-key-sentinel-is-ta",
    ]
    + ["a.root-key-sentinel-is-ta-00001", "root-key-sentinel-at-ta-00001"],
)
def test_other_names_are_as_any(label):
    assert not contradicts(Anchors(()), question(f"{label}.example.", "A"))


def test_only_keys_of_the_root_count():
    rdata = (1).to_bytes(2, "big") + b"\x08\x02" + bytes(32)
    named = question("root-key-sentinel-is-ta-00001.example.", "AAAA")
    assert contradicts(Anchors(()), named)
    assert contradicts(Anchors([(question("example.", "A").qname, DS, rdata)]), named)
    assert not contradicts(Anchors([(b"\0", DS, rdata)]), named)
