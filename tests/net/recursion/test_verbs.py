"""What the control channel asks of a worker's resolver."""

import itertools
import time

import dns.message
import dns.query
import dns.rdatatype
import pytest

from dns_node.supervise import pipe
from tests.answer.dict_view import zone_from_text
from tests.net.recursion.clients import WAIT_S, ask
from tests.net.recursion.conftest import OURS
from tests.net.recursion.upstream import Upstream, stub
from tests.net.worker_process import WorkerProcess, fill

A, AAAA = 1, 28
_tokens = itertools.count(1)


@pytest.fixture()
def pair(tmp_path):
    """Return a server and a worker that resolves by it."""
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    with Upstream() as server, WorkerProcess(tmp_path, **stub(server)) as worker:
        yield server, worker


def run(worker, verb, **message):
    token = next(_tokens)
    pipe.send(worker.pair.far, {"do": "recursion", "token": token, "verb": verb, **message})
    found = worker.receive()
    assert found["token"] == token
    return found["reply"]


def times_asked(server, name, qtype=A):
    return server.asked.count((name, qtype))


@pytest.mark.parametrize(
    ("message", "again"),
    [
        ({"what": "all"}, ["a.x.example.", "b.example. AAAA", "x.example.", "y.example."]),
        ({"what": "subtree", "name": "x.example."}, ["a.x.example.", "x.example."]),
        ({"what": "name", "name": "x.example."}, ["x.example."]),
        ({"what": "type", "type": AAAA}, ["b.example. AAAA"]),
    ],
)  # fmt: skip
def test_flush_has_what_it_names_asked_again_and_nothing_else(pair, message, again):
    server, worker = pair
    names = ["a.x.example.", "b.example. AAAA", "x.example.", "y.example."]

    def ask_all():
        for name in names:
            owner, _, qtype = name.partition(" ")
            ask(worker, owner, qtype or "A")

    ask_all()
    ask_all()
    before = list(server.asked)
    assert run(worker, "flush", **message)["removed"] > 0
    ask_all()
    since = server.asked[len(before) :]
    wanted = {
        (owner, int(dns.rdatatype.from_text(qtype or "A")))
        for owner, _, qtype in (name.partition(" ") for name in again)
    }
    assert {one for one in since if one[1] in (A, AAAA)} >= wanted
    # Whole replies may hold records of any type: the native core has none of them any more.
    if message["what"] != "type":
        asked_names = {f"{name} AAAA" if qtype == AAAA else name for name, qtype in since}
        assert not asked_names & set(names) - set(again)


def test_cache_says_what_there_is_and_is_written_and_read(pair):
    server, worker = pair
    for number in range(10):
        ask(worker, f"n{number}.example.")
    shown = run(worker, "cache", what="show")
    # What the native core learnt it keeps as messages alone.
    assert shown["messages"] == 10 and shown["rrsets"] >= 1 and shown["servers"] >= 1
    assert run(worker, "cache", what="dump")["octets"] > 100
    run(worker, "flush", what="all")
    run(worker, "cache", what="load")
    asked = len(server.asked)
    worker.ping()
    ask(worker, "n3.example.")
    assert len(server.asked) == asked


def test_upstreams_are_told_with_how_they_are(pair):
    server, worker = pair
    ask(worker, "web.example.")
    [row] = [one for one in run(worker, "upstreams")["servers"] if one["port"] == server.port]
    assert row["asked"] >= 1 and row["answered"] >= 1 and row["rtt_ms"] >= 0
    assert not row["is_paused"]


def test_why_tells_the_way_of_a_question_and_what_it_costs(pair):
    server, worker = pair
    told = "\n".join(run(worker, "why", name="away.ours.", type=A)["lines"])
    assert "our zone ours. encloses it" in told
    assert "our own zones lead on to web.example." in told
    assert f"{server.port}" in told, "the server that was asked"
    assert "of 50 queries" in told and "answer: NOERROR" in told and "192.0.2.1" in told
    again = "\n".join(run(worker, "why", name="web.example.", type=A)["lines"])
    assert "in the cache" in again
    fresh = "\n".join(run(worker, "why", name="web.example.", type=A, is_fresh=True)["lines"])
    assert f"{server.port}" in fresh
    own = run(worker, "why", name="www.ours.", type=A)["lines"]
    assert own[-1].startswith("our own zones answer it")


def test_a_negative_trust_anchor_is_listed_until_it_is_removed(tmp_path):
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    settings = stub(server := Upstream(), validation=True, negative_trust_anchors=["example"])
    with server, WorkerProcess(tmp_path, **settings) as worker:
        assert run(worker, "nta", what="list")["anchors"] == [["example.", None]]
        until_s = time.time() + 100
        run(worker, "nta", what="add", name="other.", until_s=until_s)
        assert ["other.", until_s] in run(worker, "nta", what="list")["anchors"]
        assert run(worker, "nta", what="remove", name="nowhere.") == {"is_unknown": True}
        run(worker, "nta", what="remove", name="other.")
        assert run(worker, "nta", what="list")["anchors"] == [["example.", None]]


def test_without_recursion_there_is_nothing_to_tell(tmp_path):
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    with WorkerProcess(tmp_path) as worker:
        assert run(worker, "cache") == {"is_off": True}
        query = dns.message.make_query("web.example.", "A")
        assert dns.query.udp(query, "127.0.0.1", WAIT_S, worker.port).rcode() == 5


def test_what_no_worker_knows_is_an_error_and_not_the_end(pair):
    _, worker = pair
    assert "error" in run(worker, "dance")
    assert "error" in run(worker, "flush", what="name", name="not..a.name")
    assert ask(worker, "web.example.").answer
