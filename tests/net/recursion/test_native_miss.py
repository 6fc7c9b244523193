"""The native core asks by itself where it was told that it may."""

import socket

import dns.flags
import dns.message
import pytest

from dns_node.answer.query import parse
from dns_node.answer.respond import AnswerSettings, Client, Recurse
from dns_node.answer.sections import Sections
from dns_node.net.native import NATIVE
from dns_node.net.recursion.native_miss import give_back
from dns_node.resolver.message_cache import Key
from dns_node.resolver.question import Question
from dns_node.resolver.reply import compose_reply
from dns_node.resolver.resolver import Resolver
from dns_node.resolver.settings import ResolverSettings
from dns_node.zone.rrset import RRset
from tests.net.recursion.clients import addresses, ask, codes, outlive, replies_of, send_many, until
from tests.net.recursion.upstream import Upstream, forward, stub
from tests.net.worker_process import WorkerProcess


@pytest.fixture
def native_worker(own_zones, data_path):
    if data_path != NATIVE:
        pytest.skip("no native core was built")
    return lambda settings: WorkerProcess(own_zones, **settings)


def natively(worker):
    """Return how many questions the core alone has answered.

    On a busy machine it may hand some up: their time is over.
    """
    return worker.count()["recursion_native"]


@pytest.mark.parametrize("mode", [stub, forward])
def test_after_the_first_question_of_a_zone_the_core_asks_its_servers(native_worker, mode):
    with Upstream() as server, native_worker(mode(server)) as worker:
        ask(worker, "first.example.")
        for number in range(20):
            reply = ask(worker, f"N{number}.example.")
            assert addresses(reply) == ["192.0.2.1"] and reply.flags & dns.flags.RA
            assert reply.question[0].name.to_text() == f"N{number}.example."
        assert ask(worker, "no.example.").rcode() == 3
        assert not ask(worker, "first.example.", "AAAA").answer
        assert natively(worker) >= 11
        assert ask(worker, "n1.example.").answer and server.asked.count(("n1.example.", 1)) == 1
        count = worker.count()
        assert count["recursion_questions"] == count["recursion_answered"] == 23
        assert count["recursion_in_flight"] == count["stage_resolver_in_flight"] == 0
        assert count["upstream_queries"] == len(server.asked)
        ports = server.ports
        assert len(set(ports)) > 20 and min(ports) >= 1024


def test_equal_questions_are_asked_once_and_all_are_answered(native_worker):
    with Upstream(delay_s=0.1) as server, native_worker(stub(server)) as worker:
        ask(worker, "first.example.")
        sockets = send_many(worker, ["web.example.", "WEB.example."] * 30)
        replies = replies_of(sockets)
        assert all(addresses(reply) == ["192.0.2.1"] for reply in replies)
        names = [reply.question[0].name.to_text() for reply in replies]
        assert names == ["web.example.", "WEB.example."] * 30
        assert server.asked.count(("web.example.", 1)) == 1 and natively(worker) == 60
        assert worker.count()["recursion_joined"] == 59


def test_limits_hold_for_what_the_core_asks(native_worker):
    limits = {"limits": {"questions_per_client": 30, "questions_per_name": 10}}
    with Upstream(delay_s=0.15) as server, native_worker(stub(server, **limits)) as worker:
        ask(worker, "first.example.")
        sockets = send_many(worker, ["web.example."] * 15)
        sockets += send_many(worker, [f"n{number}.example." for number in range(30)])
        assert sum(reply is not None for reply in replies_of(sockets, 1)) == 30
        count = worker.count()
        assert count["recursion_over_name"] == 5 and count["recursion_over_client"] == 10
        assert natively(worker) > 0 and server.in_flight_max <= 30
        # All are given back: as many again.
        sockets = send_many(worker, [f"m{number}.example." for number in range(30)])
        assert sum(reply is not None for reply in replies_of(sockets, 1)) == 30


@pytest.mark.parametrize("truncates", [False, True])
def test_what_the_core_can_not_answer_python_does(native_worker, truncates):
    with Upstream() as server, native_worker(stub(server)) as worker:
        ask(worker, "first.example.")
        ask(worker, "second.example.")
        known = natively(worker)
        if truncates:
            server.truncates = True
        else:
            server.address = "192.0.2.2"
            server.delay_s = None
            asked = len(server.asked)
            [waits] = send_many(worker, ["web.example."])
            until(lambda: len(server.asked) > asked, "the core has asked")
            server.delay_s = 0.0
            assert addresses(replies_of([waits])[0]) == ["192.0.2.2"]
            assert len(server.asked) == asked + 2, "Python asks too"
        assert addresses(ask(worker, "web.example."))
        assert natively(worker) == known
        assert worker.count()["recursion_in_flight"] == 0


def test_a_guess_is_no_answer_and_brings_the_question_to_tcp(native_worker):
    class Guesser(Upstream):
        def reply_to(self, query, is_tcp=False):
            reply = super().reply_to(query, is_tcp)
            if not is_tcp and query.question[0].name.to_text().lower() == "web.example.":
                wrong = super().reply_to(query)
                wrong.id ^= 1
                self._udp.sendto(wrong.to_wire(), ("127.0.0.1", self.ports[-1]))
            return reply

    with Guesser() as server, native_worker(stub(server)) as worker:
        ask(worker, "first.example.")
        assert addresses(ask(worker, "web.example.")) == ["192.0.2.1"]
        assert server.over_tcp >= 1 and natively(worker) == 0
        assert worker.count()["upstream_near_misses"] >= 1


def test_our_own_zones_answer_before_and_lead_on_through_python(native_worker):
    with Upstream() as server, native_worker(stub(server)) as worker:
        ask(worker, "first.example.")
        assert addresses(ask(worker, "www.ours.")) == ["192.0.2.80"]
        away = ask(worker, "away.ours.")
        assert away.answer[0].rdtype == 5 and addresses(away) == ["192.0.2.1"]
        assert natively(worker) == 0


def test_when_servers_fall_silent_what_the_core_learnt_is_told_as_stale(native_worker):
    with Upstream(ttl_s=1) as server, native_worker(stub(server)) as worker:
        ask(worker, "first.example.")
        learnt = ask(worker, "web.example.")
        server.delay_s = None
        outlive(learnt)
        reply = ask(worker, "web.example.")
        assert addresses(reply) == ["192.0.2.1"] and codes(reply) == [3]


def test_sigterm_answers_what_the_core_has_asked(native_worker):
    with Upstream(delay_s=0.15) as server, native_worker(stub(server)) as worker:
        ask(worker, "first.example.")
        asked = len(server.asked)
        sockets = send_many(worker, [f"n{number}.example." for number in range(20)])
        until(lambda: len(server.asked) == asked + 20, "they are asked")
        assert worker.terminate() == 0
        assert all(addresses(reply) == ["192.0.2.1"] for reply in replies_of(sockets, 5))


WAYS = [
    {"use_edns": False},
    {"payload": 512},
    {"want_dnssec": True},
    {"flags": dns.flags.RD | dns.flags.CD | dns.flags.AD},
]


def test_a_reply_is_the_definition_s_octet_for_octet(native_worker):
    with Upstream() as server, native_worker(stub(server)) as worker:
        ask(worker, "first.example.")
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(20)
        client.connect(("127.0.0.1", worker.port))
        for number, way in enumerate(WAYS):
            name = f"Web{number}.exaMple."
            query = dns.message.make_query(name, "A", **{"use_edns": 0, **way}).to_wire()
            client.send(query)
            reply = client.recv(4096)
            assert reply == define(query, server), way
        client.close()
        assert natively(worker) > 0


def define(query, server):
    """Return what the definition makes of the server's reply to the question of *query*."""
    parsed = parse(query)
    settings = ResolverSettings(validates=False, has_cookies=False)
    question = Question(parsed.qname, parsed.qtype)
    resolver = Resolver(settings, lambda bits: 0)
    asked = dns.message.from_wire(query)
    message = server.reply_to(dns.message.make_query(asked.question[0].name, "A")).to_wire()
    now_s = 1_000_000.0
    give_back(resolver, question, message, now_s, now_s)
    [outcome] = resolver.resolve(question, now_s).begin(now_s)
    recurse = Recurse(parsed, parsed.qname, Sections(), Client("127.0.0.1", 4000))
    identity = AnswerSettings(identity=b"0", version=b"dns-node")
    return compose_reply(recurse, outcome, identity).reply.octets


def test_what_was_kept_as_a_reply_the_resolver_knows_as_what_servers_said():
    resolver = Resolver(ResolverSettings(validates=False), lambda bits: 0)
    key = Key(b"\3web\7example\0", 1, 1)
    query = dns.message.make_query("web.example.", "A", use_edns=False)
    message = Upstream().reply_to(query).to_wire()
    give_back(resolver, Question(key.qname, 1), message, 100.0, 130.0)
    found = resolver.cache.find(key.qname, 1, 130.0)
    assert found.kept.rrset == RRset(1, 30, (bytes([192, 0, 2, 1]),))
    assert resolver.cache.find(key.qname, 1, 170.0) is None
    assert resolver.cache.find(key.qname, 1, 170.0, allows_stale=True).is_stale
