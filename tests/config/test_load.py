"""Reading a configuration: what it means, and everything that is wrong with it at once."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.config.load import embedded, load, parse
from dns_node.errors import InputError

NODE = {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:10053"}


def problems_of(value):
    with pytest.raises(InputError) as caught:
        parse(value)
    return [str(problem) for problem in caught.value.problems]


def with_general(**general):
    return {"nodes": {"0": NODE}, **general}


def test_the_shipped_configuration_has_three_nodes_and_no_advice():
    settings = load(os.path.join(os.path.dirname(__file__), "../../dns-config.json"))
    assert list(settings.nodes) == ["0", "1", "2"]
    assert str(settings.node("2").query_loc[0]) == "127.0.0.1:10073"
    assert settings.advice == ()


def test_a_file_with_only_nodes_takes_every_default():
    settings = parse(with_general(), base_dir="/srv/dns")
    assert settings.node("0").data_dir == "/srv/dns/data/node-0"
    assert settings.default_ttl_s == 3600
    assert settings.access.query == ("any",)
    assert settings.auto_zones.enabled
    assert not settings.leave_on_stop


def test_query_loc_is_one_address_or_a_list_and_may_be_ipv6_or_a_wildcard():
    entry = {**NODE, "query_loc": ["0.0.0.0:53", "[::]:53", "[2001:db8::1]:5353"]}
    settings = parse({"nodes": {"0": entry}})
    assert [str(one) for one in settings.nodes["0"].query_loc] == entry["query_loc"]


def test_an_unknown_key_is_refused_with_its_path_and_the_nearest_key():
    entry = {**NODE, "qurey_loc": "127.0.0.1:1"}
    [problem] = problems_of({"nodes": {"1": entry}})
    assert problem.startswith("nodes.1.qurey_loc: ")
    assert 'Did you mean "query_loc"?' in problem


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [("node", "nodes"), ("worker", "workers"), ("zonefiles", "zone_files"), ("Limits", "limits")],
)
def test_a_misspelt_key_of_the_top_level_names_the_nearest(misspelt, nearest):
    assert any(f'"{nearest}"' in problem for problem in problems_of(with_general(**{misspelt: 1})))


def test_every_wrong_value_is_said_at_once_with_its_path_and_what_was_expected():
    found = problems_of(
        {
            "nodes": {"0": {"raft_loc": "localhost:1"}, "no space": NODE},
            "workers": True,
            "limits": {"tcp_idle_s": "ten"},
            "access": {"query": ["any", "300.1.1.1"]},
            "logging": {"level": "loud"},
            "zone_files": [{"origin": "example.com"}, 7],
        }
    )
    paths = [problem.split(": ")[0] for problem in found]
    assert sorted(paths) == sorted(
        [
            "nodes.0.raft_loc",
            "nodes.0.query_loc",
            "nodes.no space",
            "workers",
            "limits.tcp_idle_s",
            "access.query.1",
            "logging.level",
            "zone_files.0.file",
            "zone_files.1",
        ]
    )
    assert any('expected one of "debug", "info"' in problem for problem in found)


@pytest.mark.parametrize(
    "address",
    ["10053", "127.0.0.1", "::1:53", "[127.0.0.1]:53", "a.b:53", "127.0.0.1:0", "127.0.0.1:65536",
     "127.0.0.1:\u0663", 53, None],
)  # fmt: skip
def test_what_is_no_address_is_refused(address):
    [problem] = problems_of({"nodes": {"0": {**NODE, "query_loc": address}}})
    assert problem.startswith("nodes.0.query_loc: expected an address like")


@pytest.mark.parametrize("nodes", [{}, [], None, "0"])
def test_a_configuration_without_nodes_is_refused(nodes):
    assert problems_of({"nodes": nodes})[0].startswith("nodes: expected an object")


def test_a_raft_address_off_loopback_needs_certificates_and_says_the_command():
    [problem] = problems_of({"nodes": {"0": {**NODE, "raft_loc": "192.0.2.1:4321"}}})
    assert problem.startswith("nodes.0.raft_loc: ")
    assert "dns-node certs init DIR" in problem
    settings = parse(
        {"nodes": {"0": {**NODE, "raft_loc": "192.0.2.1:4321"}}, "cluster": {"tls": {}}},
        base_dir="/srv",
    )
    assert settings.node("0").tls.key == "/srv/certs/node-0.key"


def test_a_raft_address_that_nobody_could_reach_is_refused():
    [problem] = problems_of({"nodes": {"0": {**NODE, "raft_loc": "0.0.0.0:4321"}}})
    assert "can't reach a wildcard" in problem


def test_kv_off_loopback_needs_a_list_of_who_may_use_it():
    entry = {**NODE, "kv_loc": "192.0.2.1:8300"}
    [problem] = problems_of({"nodes": {"0": entry}})
    assert "access.kv" in problem
    assert parse({"nodes": {"0": entry}, "access": {"kv": ["192.0.2.0/24"]}})


def test_two_listeners_on_one_port_are_refused():
    one = {"raft_loc": "127.0.0.1:4321", "query_loc": "127.0.0.1:53"}
    two = {"raft_loc": "127.0.0.1:4322", "query_loc": "127.0.0.1:53"}
    [problem] = problems_of({"nodes": {"a": one, "b": two}})
    assert problem.startswith("nodes.b.query_loc: 127.0.0.1:53 is taken by nodes.a.query_loc")


def test_wildcards_of_one_port_meet_on_one_machine_only():
    def cluster(host_of_b):
        return {
            "nodes": {
                "a": {"raft_loc": "192.0.2.1:4321", "query_loc": "0.0.0.0:53"},
                "b": {"raft_loc": f"{host_of_b}:4322", "query_loc": "0.0.0.0:53"},
                "c": {"raft_loc": "192.0.2.3:4321", "query_loc": "0.0.0.0:53"},
            },
            "cluster": {"tls": {}},
        }

    assert parse(cluster("192.0.2.2"))
    assert problems_of(cluster("192.0.2.1"))


def test_nodes_may_not_share_a_data_directory():
    two = {"raft_loc": "127.0.0.1:4322", "query_loc": "127.0.0.1:10063"}
    [problem] = problems_of({"nodes": {"0": NODE, "1": two}, "data_dir": "data"})
    assert problem.startswith("nodes.1.data_dir: ")


def test_two_voters_get_the_advice_that_they_tolerate_no_failure():
    two = {"raft_loc": "127.0.0.1:4322", "query_loc": "127.0.0.1:10063"}
    [advice] = parse({"nodes": {"0": NODE, "1": two}}).advice
    assert "tolerate no failure" in advice
    assert parse({"nodes": {"0": NODE, "1": {**two, "role": "learner"}}}).advice == ()


def test_a_user_that_does_not_exist_is_refused():
    assert "no user" in problems_of(with_general(user="no-such-user-here"))[0]


def test_auto_zones_false_means_that_none_is_made():
    assert not parse(with_general(auto_zones=False)).auto_zones.enabled


def test_zone_files_are_paths_globs_or_objects_and_those_of_the_node_come_last():
    entry = {**NODE, "zone_files": ["own.zone"]}
    value = {"nodes": {"0": entry}, "zone_files": ["z/*.zone", {"origin": "a.", "file": "/b"}]}
    files = parse(value, base_dir="/srv").node("0").zone_files
    assert [(one.file, one.origin) for one in files] == [
        ("/srv/z/*.zone", None),
        ("/b", "a."),
        ("/srv/own.zone", None),
    ]


def test_relative_paths_count_from_the_file(tmp_path):
    path = tmp_path / "conf.json"
    path.write_text(json.dumps(with_general(logging={"query_log": "q.log"})))
    assert load(str(path)).logging.query_log == str(tmp_path / "q.log")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"nodes": {\n  "0" 7}}', "conf.json:2:7: this is no JSON"),
        ("", "conf.json:1:1: this is no JSON"),
        ("[]", "conf.json: expected an object"),
        ('{"workers": 1, "workers": 2}', 'the key "workers" stands twice'),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration_says_where(tmp_path, written, said):
    path = tmp_path / "conf.json"
    path.write_text(written)
    with pytest.raises(InputError, match="conf.json") as caught:
        load(str(path))
    assert said in str(caught.value)


def test_a_file_that_is_absent_or_no_text_says_so(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load(str(tmp_path / "absent.json"))
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load(str(tmp_path / "binary.json"))


def test_the_embedded_default_is_a_cluster_of_one_beside_the_launcher(tmp_path):
    (tmp_path / "zone-files").mkdir()
    (tmp_path / "zone-files" / "zf0.txt").touch()
    node = embedded(str(tmp_path)).node("0")
    assert str(node.query_loc[0]) == "127.0.0.1:10053"
    assert str(node.raft_loc) == "127.0.0.1:4321"
    assert node.data_dir == str(tmp_path / "data" / "alone")
    assert [one.file for one in node.zone_files] == [str(tmp_path / "zone-files" / "zf0.txt")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.sampled_from(
    ["nodes", "workers", "data_dir", "zone_files", "auto_zones", "access", "limits", "cluster"]
)


@given(st.dictionaries(keys, json_values) | json_values)
def test_any_json_is_read_or_refused_with_input_error(value):
    try:
        parse(value)
    except InputError as error:
        assert all(str(problem) for problem in error.problems)


@given(json_values)
def test_any_node_entry_is_read_or_refused_with_paths_below_it(value):
    try:
        parse({"nodes": {"0": value}})
    except InputError as error:
        assert all(problem.where.startswith("nodes.0") for problem in error.problems)
