"""A node that resolves: its configuration, what its console tells, what a reload changes."""

import signal
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.query
import pytest

from tests.net.recursion.upstream import Upstream

from .cluster import Cluster
from .dns_client import rcode_text
from .waiting import eventually


def settings(*upstreams: Upstream, clients: tuple[str, ...] = ("127.0.0.0/8",)) -> dict:
    servers = [f"127.0.0.1:{one.port}" for one in upstreams]
    return {
        "access": {"recursion": list(clients)},
        "recursion": {
            "mode": "forwarding", "upstreams": servers, "validation": False, "fallback": False,
        },
    }  # fmt: skip


def ask(cluster: Cluster, name: str, rrtype: str = "A") -> dns.message.Message:
    """Return the reply to a question with RD."""
    query = dns.message.make_query(name, rrtype)
    return dns.query.udp(query, "127.0.0.1", 5, cluster.ports[0])


def values(cluster: Cluster, name: str) -> list[str]:
    """Return the addresses in the reply to a question with RD."""
    answer = ask(cluster, name).answer
    return [one.to_text() for rrset in answer for one in rrset]


@pytest.fixture(scope="module")
def resolving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Upstream]]:
    """One node with two workers that forwards to a server of ours."""
    with Upstream() as server:
        folder = tmp_path_factory.mktemp("resolving")
        cluster = Cluster(folder, nodes=1, workers=2, settings=settings(server))
        try:
            yield cluster.start_all(), server
        finally:
            cluster.stop()


def test_a_node_answers_what_is_its_own_and_resolves_the_rest(
    resolving: tuple[Cluster, Upstream],
) -> None:
    cluster, _ = resolving
    assert ask(cluster, "example.com", "SOA").flags & dns.flags.AA
    reply = ask(cluster, "www.elsewhere.test-zone")
    assert not reply.flags & dns.flags.AA and reply.flags & dns.flags.RA
    assert values(cluster, "www.elsewhere.test-zone") == ["192.0.2.1"]


def test_a_name_that_is_added_is_ours_from_then_on_at_once(
    resolving: tuple[Cluster, Upstream],
) -> None:
    cluster, _ = resolving
    assert values(cluster, "www.becomes-ours.test-zone") == ["192.0.2.1"]
    cluster.console(0, "ADD: www.becomes-ours.test-zone 60 A 192.0.2.77 wait=all")
    assert values(cluster, "www.becomes-ours.test-zone") == ["192.0.2.77"]
    cluster.console(0, "DROP becomes-ours.test-zone wait=all")
    assert values(cluster, "www.becomes-ours.test-zone") == ["192.0.2.1"]


def test_status_shows_recursion_and_the_stages(resolving: tuple[Cluster, Upstream]) -> None:
    cluster, _ = resolving
    ask(cluster, "for-status.elsewhere.test-zone")
    lines = cluster.say(0, "STATUS").lines
    [row] = [line for line in lines if line.startswith("recursion: ")]
    assert "in flight 0" in row and "over limit 0" in row
    stages = [line for line in lines if line.startswith("stage ")]
    assert len(stages) == 12
    [resolver] = [line for line in stages if line.startswith("stage resolver: ")]
    assert "done 0" not in resolver and "failed 0" in resolver and " us" in resolver


def test_why_flush_cache_and_upstreams_answer_at_the_console(
    resolving: tuple[Cluster, Upstream],
) -> None:
    cluster, server = resolving
    ask(cluster, "asked.elsewhere.test-zone")
    told = "\n".join(cluster.say(0, "WHY", "asked.elsewhere.test-zone").lines)
    assert "answer: NOERROR" in told and "cost: " in told, told
    assert "our own zones answer it" in "\n".join(cluster.say(0, "WHY", "example.com").lines)
    assert cluster.say(0, "CACHE").lines[-1].startswith("all: messages ")
    assert f"127.0.0.1:{server.port}" in "\n".join(cluster.say(0, "UPSTREAMS").lines)
    flushed = cluster.done(0, "FLUSH", "name", "asked.elsewhere.test-zone")
    assert flushed.lines[0].startswith("OK flushed name asked.elsewhere.test-zone.")


def test_other_upstreams_and_other_clients_take_effect_by_a_reload(
    resolving: tuple[Cluster, Upstream],
) -> None:
    cluster, server = resolving
    with Upstream() as other:
        other.address = "192.0.2.2"
        cluster.config.update(settings(other))
        cluster.write_config()
        cluster.kill(0, signal.SIGHUP, "node")
        name = "reloaded.elsewhere.test-zone"
        eventually(lambda: values(cluster, name) == ["192.0.2.2"], 10, "the other is asked")
        cluster.config.update(settings(other, clients=()))
        cluster.write_config()
        cluster.kill(0, signal.SIGHUP, "node")
        eventually(lambda: rcode_text(ask(cluster, name)) == "REFUSED", 10, "nobody may ask")
    cluster.config.update(settings(server))
    cluster.write_config()
    cluster.kill(0, signal.SIGHUP, "node")
    eventually(lambda: values(cluster, name) == ["192.0.2.1"], 10, "back again")
