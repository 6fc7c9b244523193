"""The section `recursion.policy`: what it may hold, and what policy is told of it."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from dns_node.config.load import parse
from dns_node.errors import InputError
from dns_node.net.recursion.policy_settings import feed_zones, make_policy, policy_settings
from dns_node.net.recursion.settings import section_from
from dns_node.resolver.policy.policy import PolicySettings, no_name_servers
from dns_node.resolver.policy.rebinding import PRIVATE
from dns_node.resolver.policy.rpz_rules import Action, Kind
from dns_node.zone.names import parse_name

NODES = {"0": {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:10053"}}


def read(routes=(), **policy):
    section = {"policy": policy, "routes": list(routes)}
    return parse({"nodes": NODES, "recursion": section}, base_dir="/base").recursion


def problem_of(**policy):
    with pytest.raises(InputError) as caught:
        read(**policy)
    return str(caught.value.problems[0])


def test_by_default_there_are_special_names_and_nothing_else():
    section = read()
    assert policy_settings(section) == PolicySettings()
    assert feed_zones(section) == []
    assert make_policy(section, no_name_servers).allows_shortcut


def test_protection_from_rebinding_knows_the_private_networks():
    assert policy_settings(read(rebinding_protection=True)).private_networks == PRIVATE
    every = read(rebinding_protection=True, private_networks=["any"])
    assert policy_settings(every).private_networks == ("0.0.0.0/0", "::/0")
    make_policy(every, no_name_servers)


def test_names_with_a_route_are_told_to_policy():
    settings = policy_settings(read([{"suffix": "test", "servers": ["192.0.2.1"]}]))
    assert settings.routes == (parse_name("test."),)


def test_prefixes_of_dns64_are_those_of_rfc6052():
    assert policy_settings(read(dns64=["64:FF9B::/96"])).dns64_prefixes == ("64:ff9b::/96",)
    for text in ("64:ff9b::/95", "2001:db8:0:0:ff00::/96", "10.0.0.0/8", "x", 1):
        assert problem_of(dns64=[text]).startswith("recursion.policy.dns64.0: expected an IPv6")


def test_a_policy_zone_has_one_source():
    both = {"name": "rpz.", "file": "a", "primaries": ["192.0.2.1"]}
    assert "has a file and primaries" in problem_of(zones=[both])
    once = {"name": "rpz.", "file": "a"}
    assert "rpz. is there twice" in problem_of(zones=[once, dict(once, name="RPZ")])


def test_policy_zones_reach_policy_and_its_feed_through_plain_values():
    section = read(
        zones=[
            {"name": "one.example", "file": "one.zone"},
            {"name": "two", "primaries": ["192.0.2.1", "[2001:db8::1]:5353"], "tsig_key": "k",
             "refresh_max_s": 60, "action": "nxdomain", "ttl_max_s": 5},
            {"name": "three", "file": "/three", "action": "watch"},
        ]
    )  # fmt: skip
    section = section_from(json.loads(msgspec.json.encode(section)))
    assert feed_zones(section)[:2] == [
        {"name": "one.example.", "file": "/base/one.zone", "primaries": [], "tsig_key": None,
         "refresh_max_s": 3600},
        {"name": "two.", "file": None, "primaries": [["192.0.2.1", 53], ["2001:db8::1", 5353]],
         "tsig_key": "/base/k", "refresh_max_s": 60},
    ]  # fmt: skip
    one, two, three = make_policy(section, no_name_servers).zones
    assert one.override is None and one.is_applied and one.ttl_max_s == 300
    assert two.override == Action(Kind.NXDOMAIN, 5)
    assert not three.is_applied


def test_the_examples_of_the_document_are_good():
    text = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text()
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        parse({"nodes": NODES, **json.loads("{" + example + "}")}, base_dir="/base")
