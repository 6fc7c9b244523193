"""Policy over the hierarchy: a response policy zone that BIND serves by AXFR and IXFR, DNS64."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import pytest

from tests.net.recursion.policy_primary import PolicyPrimary

from ..waiting import eventually
from . import plan
from .hierarchy import Hierarchy
from .nodes import ResolvingNode

[CHAINS] = [zone.apex for zone in plan.ZONES if zone.text == plan.CHAIN_TEXT]

RULES = (
    "www.signed.north CNAME .",
    "mail.signed.north CNAME *.",
    "*.wild.signed.north CNAME rpz-drop.",
    "inside.signed.north CNAME rpz-tcp-only.",
    "garden.example A 198.51.100.80",
    "*.garden.example CNAME *.wild.nsec3.north.",
    "32.40.2.0.192.rpz-ip CNAME .",
    "www.plain.south CNAME rpz-passthru.",
    "ns1.knot.north.rpz-nsdname CNAME *.",
    "32.53.0.0.127.rpz-client-ip CNAME rpz-passthru.",
)


@pytest.fixture(scope="module")
def primary(
    hierarchy: Hierarchy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PolicyPrimary]:  # fmt: skip
    """BIND with the policy zone."""
    assert shutil.which("named"), "the hierarchy has BIND"
    folder = tmp_path_factory.mktemp("primary")
    with PolicyPrimary(folder, hierarchy.prefix) as started:
        nsip = ".".join(reversed(hierarchy.place.address(plan.COUNTED).split(".")))
        started.serve(*RULES, f"32.{nsip}.rpz-nsip CNAME .")
        yield started


@pytest.fixture(scope="module")
def node(
    hierarchy: Hierarchy, primary: PolicyPrimary, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ResolvingNode]:  # fmt: skip
    """A node with two workers that takes its policy from there."""
    zone = {
        "name": "rpz.example",
        "primaries": [f"127.0.0.1:{primary.port}"],
        "tsig_key": str(primary.key_path),
    }
    policy = {
        "zones": [zone, {"name": "own.rpz"}],
        "dns64": ["2001:db8:64::/96"],
        "rebinding_protection": True,
        "private_networks": ["192.0.2.30/32"],
    }
    folder = tmp_path_factory.mktemp("policy")
    own = folder / "own.rpz.zone"
    own.write_text("$ORIGIN own.rpz.\n$TTL 60\n@ SOA a. b. 1 3600 600 86400 60\n@ NS a.\n")
    started = ResolvingNode(hierarchy, folder, workers=2, recursion={"policy": policy}, zones=[own])
    eventually(
        lambda: say(hierarchy, started, "www.signed.north").rcode() == 3, 15, "the policy is there"
    )
    yield started
    started.stop()


def say(
    hierarchy: Hierarchy, node: ResolvingNode, name: str, rrtype: str = "A", *,
    is_tcp: bool = False, is_do: bool = False, source: str = "", timeout_s: float = 6.0,
) -> dns.message.Message:  # fmt: skip
    """What the node says to one question."""
    query = dns.message.make_query(name, rrtype, use_edns=0, want_dnssec=is_do)
    with hierarchy.socket(kind=1 if is_tcp else 2) as asker:
        if source:
            asker.bind((source, 0))
        asker.settimeout(timeout_s)
        asker.connect(("127.0.0.1", node.port))
        asker.setblocking(False)
        ask: Any = dns.query.tcp if is_tcp else dns.query.udp
        return ask(query, "127.0.0.1", timeout=timeout_s, port=node.port, sock=asker)


def data(reply: dns.message.Message) -> list[str]:
    return [str(rdata) for rrset in reply.answer for rdata in rrset]


def test_a_name_is_made_to_not_exist_and_the_reply_names_the_policy(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    reply = say(hierarchy, node, "www.signed.north")
    assert reply.rcode() == 3 and not reply.answer
    assert reply.flags & dns.flags.RA and not reply.flags & (dns.flags.AA | dns.flags.AD)
    assert [str(rrset.name) for rrset in reply.additional] == ["rpz.example."]
    assert [option.code for option in reply.options if option.otype == 15] == [15]


def test_the_other_actions_are_obeyed(hierarchy: Hierarchy, node: ResolvingNode) -> None:
    reply = say(hierarchy, node, "mail.signed.north")
    assert reply.rcode() == 0 and not reply.answer
    with pytest.raises(dns.exception.Timeout):
        say(hierarchy, node, "a.wild.signed.north", timeout_s=0.5)
    reply = say(hierarchy, node, "inside.signed.north")
    assert reply.flags & dns.flags.TC and not reply.answer
    reply = say(hierarchy, node, "inside.signed.north", is_tcp=True)
    assert data(reply)[-1] == "192.0.2.11"
    reply = say(hierarchy, node, "inside.signed.north")
    assert reply.flags & dns.flags.TC, "what TCP was told is not kept for UDP"
    assert data(say(hierarchy, node, "garden.example")) == ["198.51.100.80"]


def test_a_walled_garden_is_resolved(hierarchy: Hierarchy, node: ResolvingNode) -> None:
    reply = say(hierarchy, node, "evil.garden.example")
    assert data(reply) == ["evil.garden.example.wild.nsec3.north.", "192.0.2.22"]


def test_addresses_and_name_servers_trigger(hierarchy: Hierarchy, node: ResolvingNode) -> None:
    assert data(say(hierarchy, node, "www.plain.south")) == ["192.0.2.40"], "PASSTHRU by name"
    reply = say(hierarchy, node, "to-plain.signed.north")
    assert reply.rcode() == 0, "the rule about the first name of a chain decides"
    reply = say(hierarchy, node, "www.knot.north")
    assert reply.rcode() == 0 and not reply.answer
    counted = [zone.apex for zone in plan.ZONES if zone.hosts == (plan.COUNTED,)]
    assert say(hierarchy, node, f"www.{counted[0]}").rcode() == 3


def test_a_client_may_be_exempt_and_others_do_not_get_what_it_got(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    for _ in range(2):
        reply = say(hierarchy, node, "www.signed.north", source="127.0.0.53")
        assert data(reply) == ["192.0.2.11"]
        assert say(hierarchy, node, "www.signed.north").rcode() == 3


def test_signed_answers_stay_for_who_asks_for_signatures_and_bogus_stays_servfail(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    reply = say(hierarchy, node, "www.signed.north", is_do=True)
    assert data(reply)[0] == "192.0.2.11"
    assert say(hierarchy, node, "www.badsig.north").rcode() == 2


def test_dns64_and_special_names(hierarchy: Hierarchy, node: ResolvingNode) -> None:
    assert data(say(hierarchy, node, "www.unsigned.north", "AAAA")) == ["2001:db8:64::c000:201"]
    assert data(say(hierarchy, node, "localhost")) == ["127.0.0.1"]
    assert say(hierarchy, node, "printer.local").rcode() == 3


def test_an_address_of_the_inside_is_taken_out(hierarchy: Hierarchy, node: ResolvingNode) -> None:
    for _ in range(2):
        reply = say(hierarchy, node, f"end.{CHAINS}")
        assert reply.rcode() == 0 and not reply.answer
        assert [option.code for option in reply.options if option.otype == 15] == [15]
    assert data(say(hierarchy, node, f"c1.{CHAINS}")) == [f"end.{CHAINS}"]


def test_the_console_tells_of_policy_zones_and_of_the_rule_that_was_followed(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    line, _ = node.say(0, "POLICY").lines
    assert line.startswith("rpz.example.  serial 1, 11 rules (client-ip 1, qname 7, ip 1, ")
    assert re.search(r"; followed: .*nxdomain [1-9]", line)
    said = "\n".join(node.say(0, "WHY mail.signed.north").lines)
    assert "policy: rule mail.signed.north.rpz.example." in said


def test_rules_in_a_zone_of_our_own_are_changed_like_any_record_and_undone(
    hierarchy: Hierarchy, node: ResolvingNode
) -> None:
    def blocks() -> bool:
        return say(hierarchy, node, "www.unsigned.north").rcode() == 3

    assert not blocks()
    reply = node.say(0, "ADD: www.unsigned.north.own.rpz CNAME .")
    assert reply.lines[-1].startswith("OK own.rpz."), reply
    eventually(blocks, 10)
    revision = reply.lines[-1].split("revision ")[1].split()[0]
    assert node.say(0, f"UNDO {revision}").lines[-1].startswith("OK ")
    eventually(lambda: not blocks(), 10)


def test_a_new_version_comes_by_ixfr_and_holds_at_once_though_replies_were_kept(
    hierarchy: Hierarchy, node: ResolvingNode, primary: PolicyPrimary
) -> None:
    assert data(say(hierarchy, node, "www.nsec3.north")) == ["192.0.2.20"]
    primary.serve(*RULES[1:-1], "www.nsec3.north A 198.51.100.81")
    eventually(lambda: data(say(hierarchy, node, "www.nsec3.north")) == ["198.51.100.81"], 10)
    eventually(lambda: data(say(hierarchy, node, "www.signed.north")) == ["192.0.2.11"], 10)
    assert "IXFR started" in primary.log()
