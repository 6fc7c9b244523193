"""Where a node listens: several addresses, wildcards, IPv6."""

import socket

import dns.message
import dns.query
import pytest

from .conftest import ClusterOf
from .dns_client import NOT_YET, values
from .waiting import eventually


def ask(host: str, port: int, tcp: bool = False) -> list[str]:
    """Return the address of example.com; dnspython takes a UDP reply from *host* only."""
    query = dns.message.make_query("example.com", "A")
    via = dns.query.tcp if tcp else dns.query.udp
    return values(via(query, host, port=port, timeout=2))


def has_ipv6() -> bool:
    """Say whether ::1 can be used here."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_on_a_wildcard_address_replies_leave_from_the_address_that_was_asked(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1)
    cluster.config["nodes"]["0"]["query_loc"] = f"0.0.0.0:{cluster.ports[0]}"
    cluster.write_config()
    cluster.start_all()
    for host in ("127.0.0.1", "127.0.0.2", "127.1.2.3"):
        for tcp in (False, True):
            assert ask(host, cluster.ports[0], tcp) == ["1.2.3.4"], (host, tcp)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_a_list_of_addresses_of_both_families(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    port = cluster.ports[0]
    cluster.config["nodes"]["0"]["query_loc"] = [f"127.0.0.1:{port}", f"[::1]:{port}"]
    cluster.write_config()
    cluster.start_all()
    for host in ("127.0.0.1", "::1"):
        for tcp in (False, True):
            eventually(lambda h=host, t=tcp: ask(h, port, t) == ["1.2.3.4"], 5, ignore=NOT_YET)
