"""Show 6: all or nothing over several zones, and UNDO."""

import re

from .cluster import REPLY, Cluster
from .dns_client import rcode_text


def revision_of(reply: str) -> int:
    """Return the revision of an OK line."""
    found = re.search(r"\brevision (\d+)", reply)
    assert found, reply
    return int(found[1])


def transaction(cluster: Cluster, n: int, *lines: str) -> str:
    """Type BEGIN, *lines* and COMMIT at node *n*; return the outcome line."""
    process = cluster.processes[n]
    before = process.out.position()
    process.write("".join(f"{line}\n" for line in ("BEGIN", *lines, "COMMIT")))
    return process.out.wait_for(r"^(OK\b.*\brevision\b|REFUSED\b.*|UNKNOWN\b)", before)[1]


def soa_serials(cluster: Cluster, n: int = 0) -> list[str]:
    """Return the SOA serials of the two zones of these tests."""
    return [cluster.values(n, apex, "SOA")[0].split()[2] for apex in ("example.com", "cats.com")]


def test_a_transaction_over_two_zones_is_one_revision_visible_on_all_nodes(three: Cluster) -> None:
    before = soa_serials(three)
    said = transaction(
        three, 1, "ADD: tx.example.com 60 A 192.0.2.1", "ADD: tx.cats.com 60 A 192.0.2.2"
    )
    assert said.startswith("OK"), said
    for n in three.ports:
        three.wait_answer(n, "tx.example.com", "A", ["192.0.2.1"])
        three.wait_answer(n, "tx.cats.com", "A", ["192.0.2.2"])
    for old, new in zip(before, soa_serials(three, 1), strict=True):
        assert (int(new) - int(old)) % 2**32 < 2**31 and new != old


def test_one_line_that_does_not_parse_changes_nothing_and_is_named(three: Cluster) -> None:
    before = soa_serials(three)
    position = three.processes[0].out.position()
    said = transaction(
        three, 0, "ADD: nope.example.com A 192.0.2.1", "ADD: nope.cats.com A 999.2.3.4"
    )
    assert said.startswith("REFUSED"), said
    lines = three.processes[0].out.since(position)
    assert any("999.2.3.4" in line for line in lines), lines
    _nothing_of_it(three, before)


def test_one_change_that_the_zone_forbids_changes_nothing_and_is_named(three: Cluster) -> None:
    assert three.console(2, "ADD: taken.cats.com 60 A 192.0.2.3 wait=all")[-1].startswith("OK")
    before = soa_serials(three)
    position = three.processes[2].out.position()
    said = transaction(
        three, 2, "ADD: nope.example.com A 192.0.2.1", "ADD: taken.cats.com CNAME www.example.com."
    )
    assert said.startswith("REFUSED"), said
    lines = "\n".join(three.processes[2].out.since(position))
    assert "CNAME" in lines and "taken.cats.com" in lines, lines
    _nothing_of_it(three, before)


def _nothing_of_it(three: Cluster, before: list[str]) -> None:
    for n in three.ports:
        assert rcode_text(three.ask(n, "nope.example.com")) == "NXDOMAIN"
        assert rcode_text(three.ask(n, "nope.cats.com")) == "NXDOMAIN"
    assert soa_serials(three) == before


def test_abort_forgets_the_transaction(three: Cluster) -> None:
    before = soa_serials(three)
    process = three.processes[1]
    position = process.out.position()
    process.write(
        "BEGIN\nADD: gone.example.com A 192.0.2.1\nABORT\nADD: kept.example.com A 192.0.2.2\n"
    )
    process.out.wait_for(r"^OK\b.*\brevision\b", position)
    assert rcode_text(three.ask(1, "gone.example.com")) == "NXDOMAIN"
    assert three.values(1, "kept.example.com") == ["192.0.2.2"]
    assert soa_serials(three, 1)[1] == before[1]


def test_undo_restores_the_old_answers_on_all_nodes_with_a_higher_serial(three: Cluster) -> None:
    assert three.console(0, "ADD: back.example.com 60 A 192.0.2.10")[-1].startswith("OK")
    said = three.console(0, "REPLACE: back.example.com 60 A 192.0.2.20 wait=all")[-1]
    assert said.startswith("OK"), said
    serial = soa_serials(three)[0]
    undone = three.console(1, f"UNDO {revision_of(said)} wait=all")[-1]
    assert undone.startswith("OK"), undone
    for n in three.ports:
        assert three.values(n, "back.example.com") == ["192.0.2.10"]
    new = soa_serials(three)[0]
    assert 0 < (int(new) - int(serial)) % 2**32 < 2**31


def test_undo_of_a_transaction_restores_both_zones(three: Cluster) -> None:
    said = transaction(
        three, 0, "ADD: both.example.com A 192.0.2.1", "ADD: both.cats.com A 192.0.2.2"
    )
    three.wait_answer(2, "both.cats.com", "A", ["192.0.2.2"])
    assert three.console(2, f"UNDO {revision_of(said)} wait=all")[-1].startswith("OK")
    for n in three.ports:
        for name in ("both.example.com", "both.cats.com"):
            assert rcode_text(three.ask(n, name)) == "NXDOMAIN"


def test_undo_is_refused_with_the_conflict_when_the_name_has_changed_since(three: Cluster) -> None:
    said = three.console(0, "ADD: moved.example.com 60 A 192.0.2.10")[-1]
    assert three.console(0, "REPLACE: moved.example.com 60 A 192.0.2.20 wait=all")[-1][:2] == "OK"
    position = three.processes[0].out.position()
    refused = three.console(0, f"UNDO {revision_of(said)}")[-1]
    assert refused.startswith("REFUSED"), refused
    assert "moved.example.com" in "\n".join(three.processes[0].out.since(position))
    assert three.values(0, "moved.example.com") == ["192.0.2.20"]


def test_history_names_the_revision_its_door_and_zone(three: Cluster) -> None:
    said = three.console(1, "ADD: story.example.com A 192.0.2.10 wait=all")[-1]
    text = three.done(2, "HISTORY", "example.com").out
    line = next(line for line in text.splitlines() if re.search(rf"\b{revision_of(said)}\b", line))
    assert "console" in text and line


def test_if_revision_refuses_when_the_store_has_moved_on(three: Cluster) -> None:
    said = three.console(0, "ADD: cond.example.com A 192.0.2.1 wait=all")[-1]
    revision = revision_of(said)
    refused = three.console(0, f"ADD: cond.example.com A 192.0.2.2 if-revision={revision - 1}")[-1]
    assert refused.startswith("REFUSED"), refused
    assert (
        three.console(0, f"ADD: cond.example.com A 192.0.2.3 if-revision={revision}")[-1][:2]
        == "OK"
    )
    assert three.values(0, "cond.example.com") == ["192.0.2.1", "192.0.2.3"]


def test_dry_run_says_what_would_be_and_changes_nothing(three: Cluster) -> None:
    before = soa_serials(three)
    answer = three.ctl(0, "ADD:", "dry.example.com", "A", "192.0.2.1", "dry-run")
    assert answer.status == 0, answer
    assert rcode_text(three.ask(0, "dry.example.com")) == "NXDOMAIN"
    assert soa_serials(three) == before
    assert three.ctl(0, "ADD:", "taken2.example.com", "CNAME", "x.", "dry-run").status == 0


def test_adding_what_exists_and_removing_what_does_not_are_said_and_change_no_serial(
    three: Cluster,
) -> None:
    assert three.console(0, "ADD: same.example.com 60 A 192.0.2.1")[-1].startswith("OK")
    before = soa_serials(three)
    process = three.processes[0]
    for line in ("ADD: same.example.com 60 A 192.0.2.1", "REMOVE: never.example.com A"):
        said = three.console(0, line, REPLY)
        assert said, process.out.since()
        assert not re.search(r"serial \d+ revision", said[-1]) or soa_serials(three) == before
    assert soa_serials(three) == before
