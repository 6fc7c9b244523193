"""`dns-node resolver --scenario FILE`: what of the file the resolver is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from dns_node.__main__ import main
from dns_node.errors import InputError
from dns_node.resolver.question import Server
from dns_node.resolver.settings import Mode
from dns_node.resolver_process import settings_of

DS = "4711 13 2 " + "ab" * 32


def test_an_empty_scenario_knows_no_root_server_and_validates_nothing() -> None:
    settings = settings_of({})
    assert [address for _, address in settings.hints] == ["192.0.2.0"]
    assert (settings.validates, settings.minimises_qname) == (False, False)
    assert settings.mode is Mode.RECURSIVE


def test_the_root_hints_are_the_only_root_servers_and_are_asked_on_port_53() -> None:
    settings = settings_of({"root_hints": [["K.Root-Servers.net.", "193.0.14.129"]]})
    assert settings.hints == ((b"\1k\x0croot-servers\3net\0", "193.0.14.129"),)
    assert settings.server_port == 53


def test_stubs_and_forwards_are_routes() -> None:
    settings = settings_of({
        "stubs": [{"name": "a.example", "addrs": ["192.0.2.1", "2001:db8::1"]}],
        "forwards": [{"name": ".", "addrs": ["192.0.2.2@5353"]}],
    })  # fmt: skip
    stub, forward = settings.routes
    assert (stub.suffix, stub.is_stub) == (b"\1a\7example\0", True)
    assert stub.servers == (Server("192.0.2.1"), Server("2001:db8::1"))
    assert (forward.suffix, forward.is_stub) == (b"\0", False)
    assert forward.servers == (Server("192.0.2.2", 5353),)


@pytest.mark.parametrize(
    "line", [f"example. 3600 IN DS {DS}", f"example. IN DS {DS}", f"Example. DS {DS} ; comment"]
)
def test_a_trust_anchor_is_a_line_of_a_zone_file_and_switches_validation_on(line: str) -> None:
    settings = settings_of({"trust_anchors": [line], "domain_insecure": ["x.example"]})
    [(owner, rrtype, rdata)] = settings.trust_anchors
    assert (owner, rrtype, len(rdata)) == (b"\7example\0", 43, 36)
    assert settings.validates
    assert settings.negative_anchors == (b"\1x\7example\0",)


@pytest.mark.parametrize(("qmin", "expected"), [(None, False), (False, False), (True, True)])
def test_qmin_null_is_off(qmin: bool | None, expected: bool) -> None:
    assert settings_of({"qmin": qmin}).minimises_qname == expected


def test_other_keys_are_ignored() -> None:
    assert settings_of({"mood": "good", "do_ip6": False}).does_ipv6 is False


@pytest.mark.parametrize(
    ("scenario", "text"),
    [
        ({"stubs": [{"name": "a."}]}, "'addrs'"),
        ({"forwards": [{"name": "a.", "addrs": ["nowhere"]}]}, "nowhere"),
        ({"trust_anchors": ["a. IN A 192.0.2.1"]}, "DS or DNSKEY"),
        ({"trust_anchors": ["a. IN DS 1"]}, "the scenario"),
        ({"root_hints": [["a."]]}, "the scenario"),
    ],
)
def test_what_can_not_be_done_is_said(scenario: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        settings_of(scenario)


def test_a_file_that_is_no_object_ends_it_with_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenario.json"
    for text in ("[]", "{", json.dumps({"trust_anchors": ["?"]})):
        path.write_text(text)
        assert main(["resolver", "--scenario", str(path)]) == 78
    assert main(["resolver", "--scenario", str(tmp_path / "absent")]) == 78
    assert "absent" in capsys.readouterr().err


def test_a_digest_that_does_not_fit_its_type_is_passed_over_and_not_refused() -> None:
    [(_, rrtype, rdata)] = settings_of({"trust_anchors": ["a. IN DS 4711 13 2 abcd"]}).trust_anchors
    assert (rrtype, rdata) == (43, bytes.fromhex("12670d02abcd"))
