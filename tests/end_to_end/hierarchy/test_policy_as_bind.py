"""Policy zones: what BIND makes of the same rules over the same hierarchy, name by name."""

import subprocess
from collections.abc import Callable, Iterator

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from ..ports import free_ports
from ..waiting import eventually
from . import plan
from .hierarchy import Hierarchy
from .nodes import ResolvingNode

ZONE = """$ORIGIN rpz.example.
$TTL 60
@ SOA a. b. 1 3600 600 86400 60
@ NS a.
www.signed.north CNAME .
*.signed.north CNAME *.
mail.signed.north CNAME rpz-passthru.
inside.signed.north A 198.51.100.1
to-plain.signed.north CNAME rpz-passthru.
*.plain.south CNAME *.garden.north.
www.plain.south CNAME www.north.
32.40.2.0.192.rpz-ip CNAME .
24.0.2.0.192.rpz-ip CNAME rpz-passthru.
32.22.2.0.192.rpz-ip CNAME *.
32.20.2.0.192.rpz-ip A 198.51.100.5
ns1.knot.north.rpz-nsdname CNAME .
32.{bind}.rpz-nsip CNAME *.
local.data A 198.51.100.1
local.data TXT hello
local.data MX 5 mx.local.data.
*.local.data CNAME www.north.
x.north CNAME x.north.
"""

NAMED = """
options {{
  directory "{folder}"; pid-file none; session-keyfile none; recursion yes; qname-minimization off;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; allow-recursion {{ any; }};
  dnssec-validation no; minimal-responses yes;
  response-policy {{ zone "rpz.example"; }} qname-wait-recurse no;
}};
controls {{ }};
zone "." {{ type hint; file "{hints}"; }};
zone "rpz.example" {{ type primary; file "{folder}/rpz.zone"; check-names ignore; }};
"""

NAMES = (
    "www.signed.north", "a.signed.north", "mail.signed.north", "inside.signed.north",
    "to-plain.signed.north", "to-nsec3.signed.north", "some.alias.signed.north", "signed.north",
    "www.tree.signed.north", "www.sub.signed.north", "a.plain.south", "www.plain.south",
    "plain.south", "www.nsec3.north", "other.wild.nsec3.north", "nsec3.north", "www.knot.north",
    "to-nsec3.knot.north", "www.rsa.north", "local.data", "a.local.data", "b.a.local.data",
    "x.north", "www.north", "nothing.north", "www.unsigned.north",
)  # fmt: skip

Seen = tuple[str, list[str]]


@pytest.fixture(scope="module")
def both(
    hierarchy: Hierarchy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Callable[..., Seen], Callable[..., Seen]]]:  # fmt: skip
    """What BIND and a node of ours say to (name, type)."""
    folder = tmp_path_factory.mktemp("as-bind")
    bind = ".".join(reversed(hierarchy.place.address(plan.BIND).split(".")))
    (folder / "rpz.zone").write_text(ZONE.format(bind=bind))
    [port] = free_ports(1)
    hints = hierarchy.hints_file()
    (folder / "named.conf").write_text(NAMED.format(folder=folder, port=port, hints=hints))
    with (folder / "log").open("wb") as log:
        command = [*hierarchy.prefix, "named", "-g", "-c", str(folder / "named.conf")]
        named = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    zone = {"name": "rpz.example", "file": str(folder / "rpz.zone")}
    node = None
    try:
        node = ResolvingNode(hierarchy, folder / "node", recursion={"policy": {"zones": [zone]}})
        ways = []
        for at in (port, node.port):

            def say(name: str, rrtype: str, at: int = at) -> Seen:
                return _say(hierarchy, at, name, rrtype)

            eventually(lambda: say("local.data", "A")[1] == ["local.data. A 198.51.100.1"], 20)  # noqa: B023
            ways.append(say)
        yield ways[0], ways[1]
    finally:
        named.kill()
        named.wait()
        if node is not None:
            node.stop()


def _say(hierarchy: Hierarchy, port: int, name: str, rrtype: str) -> Seen:
    query = dns.message.make_query(name, rrtype, use_edns=0)
    with hierarchy.socket() as asker:
        asker.setblocking(False)
        try:
            reply = dns.query.udp(
                query, "127.0.0.1", timeout=8, port=port, sock=asker, ignore_unexpected=True
            )
        except dns.exception.Timeout:
            return "timeout", []
    return dns.rcode.to_text(reply.rcode()), sorted(
        f"{rrset.name} {rrset.rdtype.name} {rdata}" for rrset in reply.answer for rdata in rrset
    )


@pytest.mark.parametrize("rrtype", ["A", "AAAA", "TXT", "MX", "CNAME"])
def test_the_same_rules_make_the_same_answers(
    both: tuple[Callable[..., Seen], Callable[..., Seen]], rrtype: str
) -> None:
    bind, ours = both
    for name in NAMES:
        expected = bind(name, rrtype)
        if (name, rrtype) == ("a.plain.south", "CNAME"):
            # It goes on to where the alias leads, though the alias is what was asked for.
            expected = "NOERROR", expected[1]
        assert (name, ours(name, rrtype)) == (name, expected)
