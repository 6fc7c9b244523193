"""What a reload of the configuration changes, and what waits for a restart."""

import json

import pytest

from dns_node.config.launch import Arguments, prepare
from dns_node.config.load import parse
from dns_node.config.reload import plan, reread
from dns_node.errors import InputError

NODES = {
    "0": {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:10053"},
    "1": {"raft_loc": "127.0.0.1:4322", "query_loc": "127.0.0.1:10063"},
}


def settings(nodes=NODES, **general):
    return parse({"nodes": nodes, **general})


def paths(differences):
    return [difference.path for difference in differences]


def test_an_unchanged_configuration_changes_nothing():
    found = plan(settings(), settings(), "0")
    assert found.live == ()
    assert found.restart == ()


def test_live_keys_change_at_once_and_the_others_wait_for_a_restart():
    new = settings(access={"query": ["192.0.2.0/24"]}, workers=3, default_ttl_s=60)
    found = plan(settings(), new, "0")
    assert sorted(paths(found.live)) == ["access.query", "default_ttl_s"]
    assert paths(found.restart) == ["workers"]
    assert str(found.restart[0]) == "workers: 0 -> 3"


def test_only_the_entry_of_the_own_node_counts():
    moved = {**NODES, "1": {"raft_loc": "127.0.0.1:4322", "query_loc": "127.0.0.1:10099"}}
    assert plan(settings(), settings(moved), "0").restart == ()
    assert paths(plan(settings(), settings(moved), "1").restart) == ["nodes.1.query_loc"]


def test_a_node_that_left_the_file_waits_for_its_stop():
    found = plan(settings(), settings({"1": NODES["1"]}), "0")
    assert "nodes.0.raft_loc" in paths(found.restart)


def test_certificates_that_appear_wait_for_a_restart():
    found = plan(settings(), settings(cluster={"tls": {}}), "0")
    assert "cluster.tls.ca" in paths(found.restart)


def test_only_live_keys_are_in_force_after_a_reload(tmp_path):
    path = tmp_path / "c.json"

    def write(**general):
        path.write_text(json.dumps({"nodes": NODES, **general}))

    write()
    launch = prepare(Arguments(node_id="1", config=str(path), zone_files=("/own.zone",)))
    write(
        workers=7,
        access={"query": ["192.0.2.0/24"]},
        logging={"format": "json", "level": "debug"},
        identity={"server_id": "ns{id}"},
        zone_files=["/more.zone"],
    )
    now, found = reread(launch)
    assert now.settings.access.query == ("192.0.2.0/24",)
    assert now.settings.logging.level == "debug"
    assert now.node.server_id == "ns1"
    assert [one.file for one in now.node.zone_files] == ["/more.zone", "/own.zone"]
    assert now.settings.workers == launch.settings.workers
    assert now.settings.logging.format == "text"
    assert sorted(paths(found.restart)) == ["logging.format", "workers"]
    assert reread(now)[1].live == ()


def test_a_file_that_is_wrong_by_now_changes_nothing_and_says_why(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"nodes": NODES}))
    launch = prepare(Arguments(node_id="1", config=str(path)))
    path.write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        reread(launch)
