"""The verbs about recursion: what the workers are asked, and what is said of their replies."""

import asyncio
import time

import pytest

from dns_node.control.replies import REFUSED, UNKNOWN
from dns_node.control.session import Session

from .fake_node import FakeNode


def say(console: Session, line: str) -> tuple[int, list[str]]:
    reply = asyncio.run(console.handle(line))
    return reply.exit_status, list(reply.lines)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("FLUSH all", {"verb": "flush", "what": "all"}),
        ("FLUSH name WWW.Example.com", {"verb": "flush", "what": "name",
                                        "name": "www.example.com."}),
        ("flush: subtree example.com.", {"verb": "flush", "what": "subtree",
                                         "name": "example.com."}),
        ("FLUSH type aaaa", {"verb": "flush", "what": "type", "type": 28}),
        ("CACHE", {"verb": "cache", "what": "show"}),
        ("CACHE dump", {"verb": "cache", "what": "dump"}),
        ("NTA", {"verb": "nta", "what": "list"}),
        ("NTA remove example.com", {"verb": "nta", "what": "remove", "name": "example.com."}),
        ("POLICY", {"verb": "policy"}),
        ("UPSTREAMS", {"verb": "upstreams"}),
        ("WHY example.com", {"verb": "why", "name": "example.com.", "type": 1, "is_fresh": False}),
        ("WHY example.com MX fresh", {"verb": "why", "name": "example.com.", "type": 15,
                                      "is_fresh": True}),
    ],
)  # fmt: skip
def test_each_line_asks_the_workers_for_what_it_says(
    node: FakeNode, console: Session, line: str, message: dict[str, object]
) -> None:
    say(console, line)
    assert node.asked_workers == [message]


@pytest.mark.parametrize(
    "line",
    ["FLUSH", "FLUSH example.com", "FLUSH all x", "FLUSH type what?", "FLUSH name a..b",
     "CACHE what", "NTA add", "NTA add example.com 8d", "NTA example.com", "UPSTREAMS now",
     "POLICY x", "WHY", "WHY a b c"],
)  # fmt: skip
def test_a_line_that_is_out_of_form_asks_nobody(
    node: FakeNode, console: Session, line: str
) -> None:
    status, [said] = say(console, line)
    assert status == REFUSED and said.startswith("Some error prevented parsing line: ")
    assert node.asked_workers == []


def test_what_all_workers_did_is_said_together(node: FakeNode, console: Session) -> None:
    node.worker_replies = {0: {"removed": 3}, 1: {"removed": 4}}
    assert say(console, "FLUSH all") == (0, ["OK flushed all: 7 entries removed"])
    node.worker_replies = {0: {"messages": 1, "rrsets": 2}, 1: {"messages": 10, "rrsets": 20}}
    assert say(console, "CACHE")[1] == [
        "worker 0: messages 1, rrsets 2", "worker 1: messages 10, rrsets 20",
        "all: messages 11, rrsets 22",
    ]  # fmt: skip


def test_one_server_is_shown_once_however_many_workers_asked_it(
    node: FakeNode, console: Session
) -> None:
    row = {"address": "2001:db8::1", "port": 53, "asked": 5, "answered": 4, "rtt_ms": 9.5,
           "in_flight": 1, "timeouts": 0, "is_paused": False}  # fmt: skip
    other = {**row, "rtt_ms": None, "timeouts": 3, "is_paused": True}
    node.worker_replies = {0: {"servers": [row]}, 1: {"servers": [other]}}
    assert say(console, "UPSTREAMS")[1] == [
        "[2001:db8::1]:53  asked 10, answered 8, rtt 9.5 ms, in flight 2, timeouts 3, left alone"
    ]


def test_a_negative_trust_anchor_holds_for_a_while(node: FakeNode, console: Session) -> None:
    node.worker_replies = {0: {"anchors": []}}
    before_s = time.time()
    status, [said] = say(console, "NTA add example.com 2h")
    assert (status, said) == (0, "OK nothing at or below example.com. is validated for 7200 s")
    [message] = node.asked_workers
    assert before_s + 7199 < message["until_s"] < before_s + 7300
    node.worker_replies = {0: {"anchors": [["a.", None], ["b.", time.time() + 60]]}}
    lines = say(console, "NTA")[1]
    assert lines[0] == "a. by the configuration" and lines[1].startswith("b. ")
    node.worker_replies = {0: {"is_unknown": True}}
    assert say(console, "NTA remove c")[0] == REFUSED


def test_who_can_not_do_it_says_why(node: FakeNode, console: Session) -> None:
    node.worker_replies = {}
    assert say(console, "FLUSH all")[0] == UNKNOWN
    node.worker_replies = {0: {"is_off": True}}
    status, [said] = say(console, "WHY example.com")
    assert status == REFUSED and "access.recursion" in said
    node.worker_replies = {0: {"error": "validation is off"}}
    assert say(console, "NTA")[1] == ["REFUSED NTA: validation is off."]


def test_policy_zones_are_shown_with_what_all_workers_followed(
    node: FakeNode, console: Session
) -> None:
    zone = {"name": "rpz.example.", "serial": 7, "is_applied": True,
            "rules": {"qname": 2, "ip": 0, "nsip": 1}, "hits": {"nxdomain": 3}}  # fmt: skip
    other = {"name": "new.", "serial": None, "is_applied": False, "rules": {}, "hits": {}}
    node.worker_replies = {
        0: {"zones": [zone, other]},
        1: {"zones": [dict(zone, hits={"nxdomain": 1, "drop": 2}), other]},
    }
    assert say(console, "POLICY")[1] == [
        "rpz.example.  serial 7, 3 rules (qname 2, nsip 1); followed: drop 2, nxdomain 4",
        "new.  was never loaded; only watched, matched: never",
    ]
    node.worker_replies = {0: {"zones": []}}
    assert say(console, "POLICY")[1] == ["there are no policy zones"]
