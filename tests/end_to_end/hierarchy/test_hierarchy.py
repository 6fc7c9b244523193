"""The hierarchy is what it is said to be: another validating resolver and its tools say so."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import pytest

from . import expected, plan
from .expected import Expected
from .hierarchy import Hierarchy
from .resolvers import Unbound, seen

SLOW_FOR_UNBOUND = {"www.dead.north.", "www.nobody.south."}
"""It takes longer than a client waits."""

TABLE = [one for one in expected.ALL if one.name not in SLOW_FOR_UNBOUND]


@pytest.fixture(scope="module")
def unbound(
    hierarchy: Hierarchy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Unbound]:  # fmt: skip
    """Unbound, from the root of the hierarchy."""
    if not shutil.which("unbound"):
        pytest.skip("unbound is not installed")
    with Unbound(hierarchy, tmp_path_factory.mktemp("unbound")) as started:
        yield started


@pytest.mark.parametrize("question", TABLE, ids=str)
def test_unbound_says_of_every_name_what_is_expected(
    unbound: Unbound, question: Expected
) -> None:
    assert seen(question, unbound.ask(question)) == question


def test_delv_validates_from_the_trust_anchor(hierarchy: Hierarchy, unbound: Unbound) -> None:
    words = ("delv", "-a", str(hierarchy.delv_anchor_file()), "@127.0.0.1", "-p", "53")
    assert "; fully validated" in hierarchy.run(*words, "www.signed.north", "A")
    assert "; unsigned answer" in hierarchy.run(*words, "www.plain.south", "A")
    assert "resolution failed" in hierarchy.run(*words, "www.badsig.north", "A")


def test_the_servers_of_a_parent_do_not_answer_for_its_children(hierarchy: Hierarchy) -> None:
    reply = hierarchy.ask(plan.NORTH_1, dns.message.make_query("www.signed.north.", "A"))
    assert not reply.answer and not reply.flags & dns.flags.AA
    assert [rrset.name.to_text() for rrset in reply.authority][0] == "signed.north."


def test_odd_servers_log_what_they_were_asked_and_change_on_demand(hierarchy: Hierarchy) -> None:
    hierarchy.forget()
    query = dns.message.make_query("www.mutable.south.", "A")
    assert hierarchy.ask(plan.MUTABLE, query).answer
    [entry] = hierarchy.log(host=plan.MUTABLE)
    assert (entry.qname, entry.qtype, entry.transport) == ("www.mutable.south.", "A", "udp")
    hierarchy.change(plan.MUTABLE, is_silent=True)
    try:
        with pytest.raises(dns.exception.Timeout):
            hierarchy.ask(plan.MUTABLE, query, timeout_s=0.2)
    finally:
        hierarchy.change(plan.MUTABLE, is_silent=False)
    assert hierarchy.ask(plan.MUTABLE, query).answer


def test_on_loopback_it_needs_no_namespace(tmp_path: Path) -> None:
    from ..ports import free_ports
    from .place import on_loopback

    with Hierarchy(tmp_path, on_loopback(free_ports(1)[0])) as hierarchy:
        reply = hierarchy.ask(plan.NSD, dns.message.make_query("www.plain.south.", "A"))
        assert [rdata.to_text() for rdata in reply.answer[0]] == ["192.0.2.40"]
