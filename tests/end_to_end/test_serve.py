"""Show 1: three nodes, three zone files, dig."""

import re
import signal

import pytest

from . import dns_client
from .cluster import READY, Cluster
from .conftest import ClusterOf
from .waiting import always

needs_dig = pytest.mark.skipif(not dns_client.has_dig(), reason="dig is not installed")
START_UP = (
    r"^Initializing raft\.\.\.$",
    r"^Raft initialized!$",
    r"^Loading zonefile\.\.\.$",
    r"^Starting DNS server on port (\d+)\.\.\.$",
)


def test_start_up_lines_come_in_their_order_with_the_port(three: Cluster) -> None:
    for n, process in three.processes.items():
        position = 0
        for pattern in START_UP:
            position, line = process.out.wait_for(pattern, position, 5)
        assert line == f"Starting DNS server on port {three.ports[n]}..."


@needs_dig
def test_dig_short_gives_the_three_mx_of_example_com(three: Cluster) -> None:
    lines = three.dig(0, "example.com", "MX", "+short").splitlines()
    assert len(lines) == 3
    assert sorted(int(line.split()[0]) for line in lines) == [5, 20, 30]


@needs_dig
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_node_1_answers_the_address_from_the_zone_file_of_node_0(
    three: Cluster, transport: str
) -> None:
    text = three.dig(1, "example.com", "A", transport)
    assert re.search(r"^example\.com\.\s+\d+\s+IN\s+A\s+1\.2\.3\.4$", text, re.MULTILINE), text
    assert re.search(r"flags: qr aa", text), text
    assert "status: NOERROR" in text


@needs_dig
def test_node_2_says_nxdomain_with_aa_and_soa_for_a_name_that_does_not_exist(
    three: Cluster,
) -> None:
    text = three.dig(2, "nosuch.example.com")
    assert "status: NXDOMAIN" in text, text
    assert re.search(r"flags: qr aa", text), text
    assert re.search(r"AUTHORITY SECTION:\nexample\.com\.\s+\d+\s+IN\s+SOA\s", text), text


@pytest.mark.parametrize("apex", ["example.com", "cs244b.com", "cats.com"])
def test_every_node_answers_every_zone_over_udp_and_tcp_alike(three: Cluster, apex: str) -> None:
    answers = {
        (tuple(three.values(n, apex, "SOA", tcp=tcp)), dns_client.is_authoritative(reply))
        for n in three.ports
        for tcp in (False, True)
        for reply in [three.ask(n, apex, "SOA", tcp=tcp)]
    }
    assert len(answers) == 1
    (soa, is_authoritative) = answers.pop()
    assert soa and is_authoritative


def test_names_outside_the_zones_are_refused(three: Cluster) -> None:
    for n in three.ports:
        assert dns_client.rcode_text(three.ask(n, "www.elsewhere.example.org")) == "REFUSED"


def test_names_are_found_in_any_case_and_come_back_as_asked(three: Cluster) -> None:
    reply = three.ask(2, "ExAmPlE.cOm", "A")
    assert dns_client.values(reply) == ["1.2.3.4"]
    assert reply.question[0].name.to_text() == "ExAmPlE.cOm."


def test_a_node_alone_stops_at_initializing_raft_until_a_second_one_comes(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    first = cluster.start(0)
    first.out.wait_for(START_UP[0])
    always(
        lambda: (
            not any(
                "Raft initialized" in line or "Starting DNS" in line for line in first.out.since()
            )
        ),
        2.5,
        "node 0 alone waits",
    )
    cluster.start(1)
    first.out.wait_for(READY)
    cluster.wait_answer(0, "example.com", "A", ["1.2.3.4"])
    cluster.wait_answer(1, "example.com", "A", ["1.2.3.4"])


def test_a_node_whose_store_holds_zones_answers_from_it_alone_and_says_so(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    for n in cluster.ports:
        cluster.kill(n, signal.SIGTERM)
    for n in cluster.ports:
        cluster.forget(n)
    alone = cluster._spawn(1)
    cluster.wait_answer(1, "example.com", "A", ["1.2.3.4"])
    alone.out.wait_for(START_UP[0])
    lines = alone.out.since() + alone.err.since()
    assert not any("Raft initialized" in line for line in lines)
    assert any(re.search(r"(?i)answer|serv", line) and "zone" in line.lower() for line in lines), (
        f"no line says that the node answers from its store: {lines}"
    )
