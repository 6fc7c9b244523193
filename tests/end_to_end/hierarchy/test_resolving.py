"""Resolving over a real hierarchy, from the root: by our own client, dig, delv, drill and kdig."""

import re
import shutil
from collections.abc import Iterator

import dns.flags
import pytest

from dns_node.control.replies import UNKNOWN

from ..waiting import eventually
from . import expected
from .expected import Expected
from .hierarchy import Hierarchy
from .nodes import ResolvingNode
from .resolvers import ask, seen


@pytest.fixture(scope="module")
def node(
    hierarchy: Hierarchy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ResolvingNode]:  # fmt: skip
    """A node with two workers that resolves from the root of the hierarchy."""
    started = ResolvingNode(hierarchy, tmp_path_factory.mktemp("resolving"), workers=2)
    yield started
    started.stop()


@pytest.mark.parametrize("question", expected.ALL, ids=str)
def test_every_name_of_the_hierarchy_is_resolved_as_others_resolve_it(
    hierarchy: Hierarchy, node: ResolvingNode, question: Expected
) -> None:
    reply = ask(hierarchy, node.port, question)
    assert seen(question, reply) == question
    assert reply.flags & dns.flags.RA and not reply.flags & dns.flags.AA
    again = ask(hierarchy, node.port, question, is_tcp=True)
    assert seen(question, again) == question


@pytest.mark.parametrize("question", expected.BOGUS, ids=str)
def test_what_is_bogus_never_leaks_but_to_who_checks_for_himself(
    hierarchy: Hierarchy, node: ResolvingNode, question: Expected
) -> None:
    reply = ask(hierarchy, node.port, question)
    assert not reply.answer and not reply.authority
    assert not reply.flags & dns.flags.AD
    unchecked = ask(hierarchy, node.port, question, is_cd=True)
    assert seen(question, unchecked).rcode != "SERVFAIL"
    assert not unchecked.flags & dns.flags.AD


@pytest.mark.parametrize(
    ("name", "code"),
    [("www.expired.north.", 7), ("www.future.north.", 8), ("www.badsig.north.", 6),
     ("www.missing.north.", 9), ("nothing.nodenial.north.", 12), ("www.nobody.south.", 22)],
)  # fmt: skip
def test_a_failure_says_why(
    hierarchy: Hierarchy, node: ResolvingNode, name: str, code: int
) -> None:  # fmt: skip
    reply = ask(hierarchy, node.port, Expected(name))
    assert [int(option.code) for option in reply.options if option.otype == 15] == [code]


def test_many_iterations_of_nsec3_are_insecure_and_that_is_said(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    question = Expected("nothing.iterations.south.", rcode="NXDOMAIN")
    reply = ask(hierarchy, node.port, question)
    assert seen(question, reply) == question
    assert 27 in [int(option.code) for option in reply.options if option.otype == 15]


@pytest.mark.parametrize("name", ["www.signed.north.", "www.plain.south."])
def test_the_liar_changes_nothing_but_its_own_names(
    hierarchy: Hierarchy, node: ResolvingNode, name: str
) -> None:
    lie = ask(hierarchy, node.port, Expected("www.liar.south."))
    assert [str(rrset[0]) for rrset in lie.answer] == ["192.0.2.54"]
    values = {"www.signed.north.": "192.0.2.11", "www.plain.south.": "192.0.2.40"}
    reply = ask(hierarchy, node.port, Expected(name))
    assert seen(Expected(name), reply).values == (values[name],)


def test_dig_sees_a_truncated_reply_and_gets_the_rest_over_tcp(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    words = ("dig", "@127.0.0.1", "-p", str(node.port), "big.signed.north", "TXT", "+dnssec")
    cut = hierarchy.run(*words, "+ignore")
    assert re.search(r"flags: qr tc rd ra", cut), cut
    whole = hierarchy.run(*words)
    assert ";; Truncated, retrying in TCP mode." in whole
    assert re.search(r"flags: qr rd ra ad;", whole), whole
    assert whole.count("abcdefghij") == 20 * 12


def test_delv_validates_what_we_hand_on(hierarchy: Hierarchy, node: ResolvingNode) -> None:
    if not shutil.which("delv"):
        pytest.skip("delv is not installed")
    words = ("delv", "-a", str(hierarchy.delv_anchor_file()), "@127.0.0.1", "-p", str(node.port))
    assert "; fully validated" in hierarchy.run(*words, "www.signed.north", "A")
    assert "; fully validated" in hierarchy.run(*words, "x.wild.signed.north", "A")
    assert "; negative response, fully validated" in hierarchy.run(*words, "no.nsec3.north", "A")
    assert "; unsigned answer" in hierarchy.run(*words, "www.plain.south", "A")
    assert "resolution failed" in hierarchy.run(*words, "www.badsig.north", "A")


def test_drill_chases_signatures_up_to_the_root(hierarchy: Hierarchy, node: ResolvingNode) -> None:
    if not shutil.which("drill"):
        pytest.skip("drill is not installed")
    words = ("drill", "-S", "-k", str(hierarchy.anchor_file()), "-p", str(node.port))
    said = hierarchy.run(*words, "@127.0.0.1", "www.signed.north", "A")
    assert "DNSSEC Trust tree" in said, said
    assert re.search(r"Existence is denied|;; Chase successful", said), said
    bogus = hierarchy.run(*words, "@127.0.0.1", "www.badsig.north", "A")
    assert ";; Chase successful" not in bogus


def test_kdig_sees_signatures_with_do_and_none_without(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    if not shutil.which("kdig"):
        pytest.skip("kdig is not installed")
    words = ("kdig", "@127.0.0.1", "-p", str(node.port), "www.knot.north", "A")
    signed = hierarchy.run(*words, "+dnssec")
    assert re.search(r"Flags: qr rd ra ad;", signed), signed
    assert re.search(r"^www\.knot\.north\.\s+\d+\s+IN\s+RRSIG\s+A 15 ", signed, re.MULTILINE)
    plain = hierarchy.run(*words)
    assert "RRSIG" not in plain and "192.0.2.23" in plain


def why(node: ResolvingNode, name: str) -> str:
    """Return what WHY says; a worker that has just started may not be heard yet."""
    answer = eventually(
        lambda: (said := node.say(0, "WHY", name, "A")).status != UNKNOWN and said, 10, "a worker"
    )
    assert answer.status == 0, answer
    return answer.out


def test_why_tells_the_way_down_the_servers_and_the_chain_of_trust(node: ResolvingNode) -> None:
    why(node, "www.north.")
    node.done(0, "FLUSH", "all")
    said = why(node, "www.sub.signed.north.")
    for part in ("north.", "signed.north.", "sub.signed.north."):
        assert f"referred to {part} (" in said
        assert re.search(rf"^ .* {re.escape(part)} is secure", said, re.MULTILINE), said
    assert re.search(r"ask \S+#53 \(udp\) for", said)
    assert re.search(r"cost: \d+ of 50 queries", said)
    assert "answer: NOERROR, secure" in said
    assert "is in the cache" in why(node, "www.sub.signed.north."), "by one of the workers"


def test_why_tells_what_is_wrong_with_a_bogus_name(node: ResolvingNode) -> None:
    said = why(node, "www.badsig.north.")
    assert "bogus: www.badsig.north." in said
    assert "answer: SERVFAIL, bogus" in said
    assert "extended error 6" in said


def test_who_is_not_allowed_gets_no_recursion_and_no_cache_contents(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    question = Expected("www.signed.north.")
    assert ask(hierarchy, node.port, question).answer
    assert hierarchy.namespace
    hierarchy.namespace.add("192.0.2.200")
    words = ("dig", "-b", "192.0.2.200", "@127.0.0.1", "-p", str(node.port))
    said = hierarchy.run(*words, "www.signed.north", "A")
    assert "status: REFUSED" in said and "192.0.2.11" not in said
    assert not re.search(r"flags:[^;]* ra", said), said
