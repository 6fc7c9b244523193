"""What a worker keeps, for how long, and what it is good for."""


import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from tests.answer.dict_view import zone_from_text
from tests.net.recursion.clients import addresses, ask, codes, outlive, until
from tests.net.recursion.conftest import OURS
from tests.net.recursion.upstream import Upstream, stub
from tests.net.worker_process import WorkerProcess, fill

KEPT = {"persistent": True}


def test_what_is_over_goes_without_being_asked_for(own_zones):
    with (
        Upstream(ttl_s=1) as server,
        WorkerProcess(own_zones, **stub(server, cache={"stale_max_s": 0})) as worker,
    ):
        for number in range(20):
            ask(worker, f"n{number}.example.")
        until(lambda: worker.count()["message_cache_entries"] == 0, "replies go")
        until(lambda: worker.count()["janitor_removed"] >= 20, "they are counted")


def test_when_all_servers_are_silent_an_old_answer_is_given_and_says_so(own_zones):
    with Upstream(ttl_s=1) as server, WorkerProcess(own_zones, **stub(server)) as worker:
        first = ask(worker, "web.example.")
        server.delay_s = None
        outlive(first)
        reply = ask(worker, "web.example.")
        assert addresses(reply) == ["192.0.2.1"] and codes(reply) == [3]
        assert reply.answer[0].ttl == 30
        assert worker.count()["recursion_stale"] == 1


def test_what_was_learnt_lives_on_over_a_restart(tmp_path):
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    with Upstream() as server:
        with WorkerProcess(tmp_path, **stub(server, cache=KEPT)) as worker:
            for number in range(30):
                ask(worker, f"n{number}.example.")
            assert worker.terminate() == 0
        asked = len(server.asked)
        with WorkerProcess(tmp_path, **stub(server, cache=KEPT)) as worker:
            for number in range(30):
                assert addresses(ask(worker, f"n{number}.example.")) == ["192.0.2.1"]
            assert len(server.asked) == asked


def test_a_cache_file_that_is_damaged_is_no_reason_not_to_start(tmp_path):
    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    (tmp_path / "resolver").mkdir()
    (tmp_path / "resolver" / "cache-0").write_bytes(b"dns-node RRset cache 1\n" + b"\xff" * 100)
    (tmp_path / "resolver" / "trust-anchors-0").write_bytes(b"nonsense")
    settings = stub(server := Upstream(), validation=True, cache=KEPT)
    with server, WorkerProcess(tmp_path, **settings) as worker:
        assert ask(worker, "www.ours.").answer


def test_an_alias_of_others_into_a_zone_that_becomes_ours_is_answered_by_it_soon(tmp_path):
    class Alias(Upstream):
        def reply_to(self, query, is_tcp=False):
            reply = super().reply_to(query, is_tcp)
            if query.question[0].name.to_text().lower() == "alias.example.":
                name = query.question[0].name
                reply.answer = [dns.rrset.from_text(name, 600, "IN", "CNAME", "www.new.example.")]
            return reply

    fill(tmp_path, zone_from_text("ours.", OURS, 1))
    with Alias(ttl_s=600) as server, WorkerProcess(tmp_path, **stub(server)) as worker:
        assert addresses(ask(worker, "alias.example.")) == ["192.0.2.1"]
        fill(tmp_path, zone_from_text("new.example.", "@ SOA . . 1 2 3 4 5\nwww A 192.0.2.99", 2))
        until(lambda: addresses(ask(worker, "alias.example.")) == ["192.0.2.99"], "it is seen")
