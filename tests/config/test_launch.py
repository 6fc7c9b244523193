"""What the command line and the configuration mean together."""

import json

import pytest

from dns_node.config.handover import launch_from, node_arguments, worker_settings
from dns_node.config.launch import Arguments, data_dir_of, prepare
from dns_node.errors import InputError

CONFIG = {
    "nodes": {
        "0": {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:10053"},
        "1": {"raft_loc": "127.0.0.1:4322", "query_loc": "127.0.0.1:10063", "zone_files": ["a"]},
    },
    "cluster": {"tls": {}},
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "dns-config.json"
    path.write_text(json.dumps(CONFIG))
    return str(path)


def refusal(arguments):
    with pytest.raises(InputError) as caught:
        prepare(arguments)
    return str(caught.value)


def test_without_arguments_it_is_a_cluster_of_one(tmp_path):
    launch = prepare(Arguments(home=str(tmp_path)))
    assert launch.node.id == "0"
    assert launch.node.data_dir == str(tmp_path / "data" / "alone")
    assert launch.join is None


def test_the_command_line_overrides_the_file(config, tmp_path):
    arguments = Arguments(
        node_id="1", config=config, zone_files=("/z",), data_dir=str(tmp_path / "d"), workers=2
    )
    launch = prepare(arguments)
    assert [one.file for one in launch.node.zone_files] == [str(tmp_path / "a"), "/z"]
    assert launch.node.data_dir == str(tmp_path / "d")
    assert launch.settings.workers == 2


def test_a_launch_survives_the_hand_over_to_a_child(config):
    joiner = Arguments(node_id="3", join="127.0.0.1:1", token="t")
    for arguments in Arguments(), Arguments(node_id="1", config=config), joiner:
        launch = prepare(arguments)
        assert launch_from(json.loads(json.dumps(node_arguments(launch)))) == launch


def test_a_launch_survives_a_configuration_that_was_broken_since(config, tmp_path):
    launch = prepare(Arguments(node_id="1", config=config))
    handed = node_arguments(launch)
    (tmp_path / "dns-config.json").write_text("{")
    assert launch_from(handed) == launch


def test_ten_thousand_zone_files_still_fit_a_start_description(tmp_path):
    files = [f"zones/a-rather-long-file-name-{number}.zone" for number in range(10_000)]
    path = tmp_path / "dns-config.json"
    path.write_text(json.dumps({**CONFIG, "zone_files": files}))
    launch = prepare(Arguments(node_id="1", config=str(path)))
    handed = json.dumps(node_arguments(launch))
    assert len(handed) < 60_000
    assert launch_from(json.loads(handed)) == launch


def test_workers_are_told_plain_json_values(config):
    told = worker_settings(prepare(Arguments(node_id="1", config=config)))
    assert json.loads(json.dumps(told)) == told
    assert told["query"] == ["any"]
    assert told["identity"] == "1"


def test_a_node_that_is_not_in_the_file_is_refused_with_those_that_are(config):
    assert "it has 0, 1" in refusal(Arguments(node_id="7", config=config))


def test_a_configuration_without_a_node_and_a_node_without_a_configuration_are_refused(config):
    assert "Add -n ID" in refusal(Arguments(config=config))
    assert "Add -c FILE" in refusal(Arguments(node_id="1"))
    assert "no id" in refusal(Arguments(join="127.0.0.1:4321"))


def test_a_node_that_joins_needs_no_configuration(tmp_path):
    launch = prepare(
        Arguments(node_id="3", join="127.0.0.1:4321", token="t", home=str(tmp_path))
    )
    assert launch.join.member == "127.0.0.1:4321"
    assert str(launch.node.raft_loc) == "127.0.0.1:4324"
    assert str(launch.node.query_loc[0]) == "127.0.0.1:10083"
    assert launch.node.role == "voter"
    assert launch.node.data_dir == str(tmp_path / "data" / "node-3")


def test_a_node_that_joins_from_elsewhere_needs_the_certificates_of_a_configuration(config):
    far = Arguments(node_id="3", join="192.0.2.1:4321", raft_loc="192.0.2.3:4321")
    assert "certs init" in refusal(far)
    near = Arguments(node_id="3", join="192.0.2.1:4321", raft_loc="192.0.2.3:4321", config=config)
    assert prepare(near).node.tls.certificate.endswith("certs/node-3.pem")


def test_addresses_on_the_command_line_are_for_nodes_that_the_file_lacks(config):
    assert "--raft-loc" in refusal(
        Arguments(node_id="1", config=config, raft_loc="127.0.0.1:9")
    )


def test_a_join_address_that_is_none_is_refused():
    assert refusal(Arguments(node_id="3", join="example")).startswith("--join: ")


def test_ctl_finds_the_data_directory_of_any_node(config, tmp_path):
    assert data_dir_of(Arguments(data_dir="/d")) == "/d"
    assert data_dir_of(Arguments(node_id="1", config=config)) == str(tmp_path / "data" / "node-1")
    assert data_dir_of(Arguments(home=str(tmp_path))) == str(tmp_path / "data" / "alone")
    joined = Arguments(node_id="3", home=str(tmp_path))
    assert data_dir_of(joined) == str(tmp_path / "data" / "node-3")
