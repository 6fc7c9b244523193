"""The section `recursion`: what it may hold, and what the resolver is told of it."""

import json

import msgspec
import pytest

from dns_node.config.handover import worker_settings
from dns_node.config.launch import Arguments, prepare
from dns_node.config.load import parse
from dns_node.errors import InputError
from dns_node.net.recursion.settings import resolver_settings, section_from
from dns_node.resolver.question import Server
from dns_node.resolver.settings import Limits, Mode

NODES = {"0": {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:10053"}}


def told(base_dir="/", **section):
    """Return what the resolver is told of *section*."""
    return resolver_settings(read(base_dir, **section).recursion)


def read(base_dir="/", **section):
    return parse({"nodes": NODES, "recursion": section}, base_dir=str(base_dir))


def problem_of(**section):
    with pytest.raises(InputError) as caught:
        read(**section)
    [problem] = caught.value.problems
    return str(problem)


def test_by_default_questions_of_this_machine_are_resolved_from_the_root_of_the_internet():
    assert read().access.recursion == ("127.0.0.0/8", "::1/128")
    settings = told()
    assert settings.mode is Mode.RECURSIVE and settings.validates
    assert len(settings.hints) == 26
    assert settings.hints[0] == (b"\x01a\x0croot-servers\x03net\0", "198.41.0.4")
    assert settings.limits == Limits()


def test_upstreams_have_the_port_of_their_transport_unless_one_is_given():
    upstreams = ["192.0.2.1", "2001:db8::1", "[2001:db8::1]:5300", "192.0.2.2#dns.example.com"]
    assert told(mode="forwarding", upstreams=upstreams).upstreams == (
        Server("192.0.2.1", 53), Server("2001:db8::1", 53), Server("2001:db8::1", 5300),
        Server("192.0.2.2", 53, "dns.example.com"),
    )  # fmt: skip
    assert told(upstreams=["192.0.2.1"], upstream_tls=True).upstreams == (Server("192.0.2.1", 853),)


@pytest.mark.parametrize("text", ["dns.example.com", "192.0.2.1:0", "2001:db8::1:53:x", "", "#a"])
def test_what_is_no_upstream_is_refused_with_its_path(text):
    assert problem_of(upstreams=[text]).startswith("recursion.upstreams.0: expected a server like")


def test_routes_name_their_servers_and_what_these_are():
    routes = [
        {"suffix": "Corp.Example", "servers": ["192.0.2.1"]},
        {"suffix": "lab", "servers": ["192.0.2.2:5353"], "kind": "stub"},
        {"suffix": ".", "servers": ["192.0.2.3"], "tls": True},
    ]
    forward, stub, tls = told(routes=routes).routes
    assert forward.suffix == b"\4corp\7example\0" and not forward.is_stub
    assert stub.is_stub and stub.servers == (Server("192.0.2.2", 5353),)
    assert tls.suffix == b"\0" and tls.is_tls and tls.servers[0].port == 853


def test_root_hints_come_from_a_file(tmp_path):
    (tmp_path / "hints").write_text(
        ". 3600000 NS A.Root.example.\nA.Root.example. 3600000 A 192.0.2.1\n"
        "A.Root.example. 3600000 AAAA 2001:db8::1\n"
    )
    name = b"\1a\4root\7example\0"
    assert told(tmp_path, root_hints="hints").hints == ((name, "192.0.2.1"), (name, "2001:db8::1"))


def test_trust_anchors_come_from_a_file(tmp_path):
    (tmp_path / "anchors").write_text(". IN DS 20326 8 2 " + "AB" * 32 + "\n")
    [(owner, rrtype, rdata)] = told(tmp_path, trust_anchors="anchors").trust_anchors
    assert (owner, rrtype) == (b"\0", 43) and rdata[:4] == b"\x4f\x66\x08\x02"


@pytest.mark.parametrize(
    ("key", "text"), [("root_hints", ". NS a.\n"), ("trust_anchors", "a. 60 A 192.0.2.1\n"),
                      ("root_hints", "what?"), ("trust_anchors", "")],
)  # fmt: skip
def test_a_file_without_what_it_is_for_is_refused_with_its_name(tmp_path, key, text):
    path = tmp_path / "file"
    path.write_text(text)
    problem = problem_of(**{key: str(path)})
    assert problem.startswith(f"recursion.{key}: {path} can't be read: ")
    assert "No such file" in problem_of(**{key: str(path) + "-not"})


def test_what_a_worker_is_told_is_the_section(tmp_path):
    config = tmp_path / "dns-config.json"
    section = {"upstreams": ["192.0.2.1:99#a.example"], "limits": {"questions": 7}}
    access = {"recursion": ["192.0.2.0/24"]}
    config.write_text(json.dumps({"nodes": NODES, "recursion": section, "access": access}))
    launch = prepare(Arguments(node_id="0", config=str(config)))
    plain = json.loads(msgspec.json.encode(worker_settings(launch)))["recursion"]
    assert plain["clients"] == ["192.0.2.0/24"]
    assert section_from(plain["section"]) == launch.settings.recursion
    assert launch.settings.recursion.limits.questions == 7
