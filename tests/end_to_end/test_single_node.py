"""One node is a full cluster: start, change, restart, undo, stop."""

import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from .cluster import READY, ROOT, ZONE_FILES, Cluster, environment
from .conftest import ClusterOf
from .dns_client import NOT_YET, ask, is_authoritative, rcode_text, values
from .ports import is_free
from .processes import NodeProcess, cpu_seconds
from .waiting import eventually


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """One running node with zf0.txt, shared by the tests of this module."""
    cluster = Cluster(tmp_path_factory.mktemp("one"), nodes=1)
    try:
        yield cluster.start_all()
    finally:
        cluster.stop()


def serial(cluster: Cluster, apex: str = "example.com") -> int:
    """Return the SOA serial of *apex* at node 0."""
    return int(cluster.values(0, apex, "SOA")[0].split()[2])


def test_one_node_alone_initializes_and_takes_writes(one: Cluster) -> None:
    said = one.console(0, "ADD: alone.example.com 60 A 192.0.2.1 wait=all")
    assert re.match(r"OK example\.com\. serial \d+ revision \d+", said[-1]), said
    assert one.values(0, "alone.example.com") == ["192.0.2.1"]


def test_a_name_without_a_zone_gets_one_at_its_registrable_domain_and_the_user_is_told(
    one: Cluster,
) -> None:
    said = "\n".join(one.console(0, "ADD: www.deep.brand-new.co.uk 60 A 192.0.2.4"))
    assert "brand-new.co.uk." in said, said
    reply = one.ask(0, "brand-new.co.uk", "SOA")
    assert is_authoritative(reply) and one.values(0, "brand-new.co.uk", "NS")
    assert rcode_text(one.ask(0, "nosuch.brand-new.co.uk")) == "NXDOMAIN"
    assert one.console(0, "REMOVE: www.deep.brand-new.co.uk A")[-1].startswith("OK")
    for name in ("brand-new.co.uk", "www.deep.brand-new.co.uk"):
        assert rcode_text(one.ask(0, name, "SOA")) == "REFUSED"


def test_a_zone_that_comes_back_has_a_higher_serial(one: Cluster) -> None:
    assert one.console(0, "ADD: www.again-and-again.com A 192.0.2.4")[-1].startswith("OK")
    before = serial(one, "again-and-again.com")
    assert one.console(0, "REMOVE: www.again-and-again.com A")[-1].startswith("OK")
    assert one.console(0, "ADD: www.again-and-again.com A 192.0.2.5")[-1].startswith("OK")
    assert 0 < (serial(one, "again-and-again.com") - before) % 2**32 < 2**31


@pytest.mark.parametrize("name", ["com", "co.uk", "localhost"])
def test_public_suffixes_and_single_labels_get_no_zone(one: Cluster, name: str) -> None:
    answer = one.ctl(0, "ADD:", name, "A", "192.0.2.1")
    assert answer.status == 1, answer
    assert rcode_text(one.ask(0, name)) == "REFUSED"


def test_a_reverse_name_gets_the_slash_24(one: Cluster) -> None:
    assert one.console(0, "ADD: 7.2.0.192.in-addr.arpa PTR www.example.com.")[-1].startswith("OK")
    assert one.values(0, "2.0.192.in-addr.arpa", "SOA")
    assert rcode_text(one.ask(0, "0.192.in-addr.arpa", "SOA")) == "REFUSED"
    assert one.console(0, "REMOVE: 7.2.0.192.in-addr.arpa PTR")[-1].startswith("OK")


def test_every_verb_of_the_console_answers_by_ctl_too(one: Cluster) -> None:
    assert "example.com." in one.done(0, "ZONES").out
    assert "1.2.3.4" in one.done(0, "SHOW", "example.com", "A").out
    assert "MX" in one.done(0, "SHOW", "example.com").out
    assert one.done(0, "MEMBERS").out.strip()
    assert re.fullmatch(r"[0-9a-f]{64}", one.status(0)["digest"])
    text = one.done(0, "HELP").out
    for verb in (
        "ADD",
        "REMOVE",
        "REPLACE",
        "BEGIN",
        "COMMIT",
        "ABORT",
        "LOAD",
        "RELOAD",
        "ZONES",
        "SHOW",
        "DROP",
        "STATUS",
        "MEMBERS",
        "JOIN-TOKEN",
        "REMOVE-MEMBER",
        "HISTORY",
        "UNDO",
        "KV",
        "HELP",
        "QUIT",
    ):
        assert verb in text, verb
    assert "ttl" in one.done(0, "HELP", "ADD").out.lower()


def test_ctl_says_refused_by_its_exit_status_and_that_nothing_changed(one: Cluster) -> None:
    before = serial(one)
    answer = one.ctl(0, "ADD:", "example.com", "CNAME", "elsewhere.net.")
    assert answer.status == 1
    assert "CNAME" in answer.out + answer.err
    assert serial(one) == before


def test_drop_removes_a_zone_and_undo_brings_it_back(one: Cluster) -> None:
    assert one.console(0, "ADD: www.dropped-zone.com 60 A 192.0.2.4")[-1].startswith("OK")
    said = one.console(0, "DROP dropped-zone.com")[-1]
    assert said.startswith("OK"), said
    assert rcode_text(one.ask(0, "www.dropped-zone.com")) == "REFUSED"
    revision = re.search(r"revision (\d+)", said)
    assert revision, said
    assert one.console(0, f"UNDO {revision[1]}")[-1].startswith("OK")
    assert one.values(0, "www.dropped-zone.com") == ["192.0.2.4"]


def test_both_value_grammars_are_understood(one: Cluster) -> None:
    assert one.console(0, 'ADD: legacy.example.com MX ["mx.example.com.", 5]')[-1][:2] == "OK"
    assert one.console(0, "add\tlegacy.example.com\tMX\t7 mx7.example.com.")[-1][:2] == "OK"
    assert one.values(0, "legacy.example.com", "MX") == ["5 mx.example.com.", "7 mx7.example.com."]


def test_an_rrset_has_one_ttl_and_a_later_add_with_one_sets_it(one: Cluster) -> None:
    for line, ttl_s in (
        ("ADD: ttl.example.com 120 A 192.0.2.1", 120),
        ("ADD: ttl.example.com A 192.0.2.2", 120),
        ("ADD: ttl.example.com 240 A 192.0.2.3", 240),
    ):
        assert one.console(0, line)[-1].startswith("OK")
        assert [rrset.ttl for rrset in one.ask(0, "ttl.example.com").answer] == [ttl_s]


def test_a_restart_keeps_all_changes_and_does_not_add_removed_records_again(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    assert len(cluster.values(0, "example.com", "MX")) == 3
    assert cluster.console(0, "REMOVE: example.com MX")[-1].startswith("OK")
    assert cluster.console(0, "ADD: stays.example.com 60 A 192.0.2.1")[-1].startswith("OK")
    before = serial(cluster)
    for _ in range(2):
        cluster.kill(0, signal.SIGTERM)
        assert cluster.processes[0].wait(10) == 0
        cluster.restart(0)
        cluster.wait_answer(0, "stays.example.com", "A", ["192.0.2.1"])
        assert cluster.values(0, "example.com", "MX") == []
        assert serial(cluster) == before


def test_sigterm_stops_gracefully_and_quickly_and_stays_in_the_cluster(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of()
    cluster.start_all()
    members = len(cluster.done(0, "MEMBERS").lines)
    process = cluster.processes[2]
    process.remember()
    started_s = time.monotonic()
    cluster.kill(2, signal.SIGTERM)
    assert process.wait(8) == 0
    assert time.monotonic() - started_s < 6
    cluster.forget(2)
    assert len(cluster.done(0, "MEMBERS").lines) == members


def test_the_end_of_stdin_ends_the_console_and_not_the_node_and_burns_no_cpu(
    cluster_of: ClusterOf,
) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    process = cluster.processes[0]
    process.write("ADD: last.example.com 60 A 192.0.2.8\n")
    process.close_stdin()
    cluster.wait_answer(0, "last.example.com", "A", ["192.0.2.8"])
    node = process.pid_of("node")
    used_s, since_s = cpu_seconds(node), time.monotonic()
    eventually(lambda: time.monotonic() - since_s > 2.0, 5)
    share = (cpu_seconds(node) - used_s) / (time.monotonic() - since_s)
    assert share < 0.3, f"{share:.0%} of a core without work"
    assert process.is_running()
    assert cluster.ctl(0, "ADD:", "more.example.com", "A", "192.0.2.9").status == 0


def test_quit_ends_the_node(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    cluster.processes[0].write("QUIT\n")
    assert cluster.processes[0].wait(10) == 0
    cluster.forget(0)


def test_ctl_without_a_running_node_exits_3_and_says_which(cluster_of: ClusterOf) -> None:
    cluster = cluster_of(nodes=1)
    answer = cluster.ctl(0, "STATUS")
    assert answer.status == 3, answer
    assert answer.err.strip() and "Traceback" not in answer.err


def test_a_second_start_of_the_same_node_is_refused_while_the_first_goes_on(
    cluster_of: ClusterOf, tmp_path: Path
) -> None:
    cluster = cluster_of(nodes=1)
    cluster.start_all()
    first = cluster.processes.pop(0)
    try:
        second = cluster._spawn(0)
        assert second.wait(15) != 0
        said = "\n".join(second.err.since() + second.out.since())
        assert "Traceback" not in said and "lock" in said or "running" in said or "use" in said
        cluster.forget(0)
        assert cluster.values(0, "example.com") == ["1.2.3.4"]
    finally:
        cluster.processes[0] = first


def test_without_any_answer_the_start_up_line_names_the_port(one: Cluster) -> None:
    assert one.processes[0].out.wait_for(READY)[1].endswith(f"port {one.ports[0]}...")


def test_without_arguments_a_cluster_of_one_serves_example_com_on_port_10053(
    tmp_path: Path,
) -> None:
    if not (is_free(10053) and is_free(4321)):
        pytest.skip("port 10053 or 4321 is in use here")
    shutil.copytree(ROOT / "dns_node", tmp_path / "dns_node")
    shutil.copytree(ZONE_FILES, tmp_path / "zone-files")
    command = [sys.executable, "-m", "dns_node"]
    process = NodeProcess(command, tmp_path, environment(PYTHONPATH=str(tmp_path)))
    try:
        assert process.out.wait_for(READY, deadline_s=30)[1].endswith("port 10053...")
        eventually(
            lambda: len(values(ask(10053, "example.com", "MX"), "MX")) == 3, 10, ignore=NOT_YET
        )
        position = process.out.position()
        process.write("ADD: newdomain.com A 1.3.3.7\n")
        process.out.wait_for(r"^OK newdomain\.com\. serial \d+ revision \d+", position)
        assert values(ask(10053, "newdomain.com")) == ["1.3.3.7"]
    finally:
        assert process.end() == []
