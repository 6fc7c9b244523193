"""Who belongs to the cluster: the decisions, without a network."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.command import Member
from dns_node.cluster.hello import Peer
from dns_node.cluster.membership import (
    LEAVING,
    AddVoter,
    Drop,
    Form,
    HandOver,
    Put,
    RemoveVoter,
    SendWelcome,
    Situation,
    check_removal,
    find_change,
    find_words,
    may_form,
)
from dns_node.cluster.welcome import (
    No,
    NotNow,
    Redirect,
    Welcome,
    compose,
    hash_token,
    make_token,
    parse,
)
from dns_node.errors import WireError

CONFIGURED = {"0": "h:0", "1": "h:1", "2": "h:2"}


def peer(node, uuid=None, cluster="c", virgin=False, raft_loc=None):
    """Return a connected peer."""
    return Peer(
        node,
        uuid or f"u{node}",
        cluster_uuid=cluster,
        virgin=virgin,
        raft_loc=raft_loc or f"h:{node}",
    )


def fresh(node, uuid=None):
    """Return a connected peer with an empty data directory."""
    return peer(node, uuid, cluster="", virgin=True)


def member(node, uuid=None, role="voter"):
    """Return a row of the member table."""
    return Member(node, f"u{node}" if uuid is None else uuid, role, f"h:{node}")


def situation(members="012", voters=None, peers=(), caught_up=(), configured=None, roles=None):
    """Return what leader 0 knows; *members* are ids, or rows."""
    rows = [each if isinstance(each, Member) else member(each) for each in members]
    return Situation(
        "0",
        "c",
        CONFIGURED if configured is None else configured,
        {row.node: row for row in rows},
        frozenset({row.node for row in rows if row.role == "voter"} if voters is None else voters),
        {each.node: each for each in peers},
        frozenset(caught_up),
        roles or {},
    )


def test_virgin_nodes_form_when_a_majority_is_connected_and_knows_no_cluster():
    assert not may_form("0", CONFIGURED, {})
    assert may_form("0", CONFIGURED, {"1": fresh("1")})
    assert may_form("2", CONFIGURED, {"0": fresh("0"), "1": fresh("1")})


def test_a_single_configured_node_forms_at_once():
    assert may_form("0", {"0": "h:0"}, {})


def test_a_node_that_reaches_a_cluster_forms_none():
    assert not may_form("0", CONFIGURED, {"1": fresh("1"), "2": peer("2")})


def test_strangers_do_not_count_for_forming():
    assert not may_form("0", CONFIGURED, {"8": fresh("8"), "9": fresh("9")})
    assert not may_form("9", CONFIGURED, {"0": fresh("0"), "1": fresh("1")})


def test_first_command_names_every_voter_and_the_uuids_that_were_heard():
    change = find_change(situation(members="", voters="012", peers=[fresh("1")]))
    assert change == Form((member("0", ""), member("1"), member("2", "")))


def test_nothing_is_to_be_done_when_all_is_well():
    well = situation(peers=[peer("1"), peer("2")])
    assert find_change(well) is None
    assert find_words(well) == ()


def test_a_node_that_comes_late_is_bound_and_welcomed():
    rows = [member("0"), member("1"), member("2", "")]
    late = situation(rows, peers=[peer("1"), fresh("2")])
    assert find_change(late) == Put(member("2"))
    assert find_words(situation(peers=[fresh("2")])) == (SendWelcome("2"),)


def test_a_wiped_node_loses_its_vote_then_gets_its_row_then_learns_then_votes():
    wiped = fresh("2", "new")
    peers = [peer("1"), wiped]
    assert find_change(situation(peers=peers)) == RemoveVoter("2")
    assert find_words(situation(peers=peers)) == ()
    rebound = find_change(situation(voters="01", peers=peers))
    assert rebound == Put(member("2", "new", "learner"))
    rows = [member("0"), member("1"), rebound.member]
    assert find_change(situation(rows, "01", peers)) is None
    assert find_words(situation(rows, "01", peers)) == (SendWelcome("2"),)
    peers = [peer("1"), peer("2", "new")]
    assert find_change(situation(rows, "01", peers, "2")) == AddVoter("2")
    promoted = find_change(situation(rows, "012", peers, "2"))
    assert promoted == Put(member("2", "new", "voter"))


def test_a_vote_is_not_taken_when_the_rest_has_no_majority():
    assert find_change(situation(peers=[fresh("2", "new")])) is None
    assert find_change(situation("01", peers=[fresh("1", "new")])) == RemoveVoter("1")


def test_another_directory_that_is_not_empty_replaces_nobody():
    assert find_change(situation(peers=[peer("1"), peer("2", "other")])) is None


def test_learner_waits_until_it_is_close_and_every_voter_is_here():
    rows = [member("0"), member("1"), member("2"), member("3", role="learner")]
    here = [peer("1"), peer("2"), peer("3")]
    assert find_change(situation(rows, peers=here)) is None
    assert find_change(situation(rows, peers=here[1:], caught_up="3")) is None
    assert find_change(situation(rows, peers=here, caught_up="3")) == AddVoter("3")


def test_an_edge_never_becomes_a_voter():
    rows = [member("0"), member("9", role="edge")]
    assert find_change(situation(rows, peers=[peer("9")], caught_up="9")) is None


def test_a_learner_by_configuration_stays_one_wherever_that_is_said():
    rows = [member("0"), member("1", role="learner")]
    follows = replace(peer("1"), role="learner")
    for change in (
        find_change(situation(rows, peers=[peer("1")], caught_up="1", roles={"1": "learner"})),
        find_change(situation(rows, peers=[follows], caught_up="1")),
    ):
        assert change is None
    wants = replace(peer("1"), role="joiner")
    assert find_change(situation(rows, peers=[wants], caught_up="1")) == AddVoter("1")


def test_a_configured_edge_is_let_in_as_one_and_a_learner_that_is_to_be_one_becomes_it():
    configured = {"0": "h:0", "e": "h:e"}
    for roles, said in (({"e": "edge"}, ""), ({}, "edge")):
        newcomer = replace(fresh("e"), role=said)
        change = find_change(situation("0", peers=[newcomer], configured=configured, roles=roles))
        assert change == Put(member("e", role="edge"))
        rows = [member("0"), member("e", role="learner")]
        here = replace(peer("e"), role=said)
        change = find_change(situation(rows, peers=[here], caught_up="e", roles=roles))
        assert change == Put(member("e", role="edge"))


def test_a_wiped_edge_comes_back_as_an_edge():
    rows = [member("0"), member("e", role="edge")]
    change = find_change(situation(rows, peers=[fresh("e", "new")], roles={"e": "edge"}))
    assert change == Put(member("e", "new", "edge"))


def test_who_leaves_loses_its_vote_then_its_row_and_is_told():
    peers = [peer("1"), peer("2")]
    rows = [member("0"), member("1"), member("2", role=LEAVING)]
    assert find_change(situation(rows, "012", peers)) == RemoveVoter("2")
    assert find_change(situation(rows, "01", peers)) == Drop("2")
    [word] = find_words(situation("01", peers=peers))
    assert (word.node, word.code) == ("2", "removed")


def test_a_voter_without_a_row_loses_its_vote():
    assert find_change(situation("01", voters="012")) == RemoveVoter("2")


def test_a_leader_that_leaves_lets_another_lead():
    rows = [member("0", role=LEAVING), member("1"), member("2")]
    assert find_change(situation(rows, "012", [peer("1")])) == HandOver()


def test_the_last_voter_stays():
    assert find_change(situation([member("0", role=LEAVING)], "0")) is None


def test_a_removed_node_that_is_configured_is_not_let_in_again_until_it_is_empty():
    assert find_change(situation("01", peers=[peer("1"), peer("2")])) is None
    change = find_change(situation("01", peers=[peer("1"), fresh("2", "new")]))
    assert change == Put(member("2", "new", "learner"))


def test_a_stranger_is_told_what_to_do():
    [word] = find_words(situation(peers=[fresh("9")]))
    assert word.code == "stranger"
    assert "--join" in word.text


def test_a_moved_node_gets_its_new_address():
    change = find_change(situation(peers=[peer("1", raft_loc="h:9")]))
    assert change == Put(Member("1", "u1", "voter", "h:9"))


def test_removal_is_refused_when_it_would_end_the_cluster():
    rows = {each: member(each) for each in "012"}
    assert check_removal("2", rows, frozenset("012")) == ""
    assert check_removal("2", rows, frozenset("01")) == ""
    assert "majority" in check_removal("2", rows, frozenset("02"))
    assert "only voter" in check_removal("0", {"0": member("0")}, frozenset("0"))
    assert "no member 7" in check_removal("7", rows, frozenset("012"))
    rows["3"] = member("3", role="learner")
    assert check_removal("3", rows, frozenset("0")) == ""


nodes = st.sampled_from("01234")
uuids = st.sampled_from(["", "a", "b"])
roles = st.sampled_from(["voter", "learner", "edge", LEAVING])
tables = st.dictionaries(nodes, st.tuples(uuids, roles))
link_peers = st.dictionaries(
    nodes, st.tuples(uuids.filter(bool), st.sampled_from(["", "c"]), st.booleans())
)


@given(tables, st.frozensets(nodes), link_peers, st.frozensets(nodes))
def test_no_change_ever_gives_a_vote_to_a_directory_that_was_not_a_learner(
    table, voters, connected, caught_up
):
    rows = {n: Member(n, uuid, role, "") for n, (uuid, role) in table.items()}
    peers = {
        n: Peer(n, uuid, cluster_uuid=cluster, virgin=virgin)
        for n, (uuid, cluster, virgin) in connected.items()
        if n != "0"
    }
    change = find_change(Situation("0", "c", CONFIGURED, rows, voters, peers, caught_up))
    match change:
        case AddVoter(node):
            assert rows[node].role == "learner"
            assert rows[node].uuid == peers[node].uuid
        case Put(row) if row.node in rows and rows[row.node].uuid not in ("", row.uuid):
            assert row.role != "voter"
            assert row.node not in voters
        case RemoveVoter(node):
            assert node != "0"
            assert node in voters
        case Form():
            assert not rows


answers = st.one_of(
    st.builds(Welcome, st.text(), st.just(("0",)), st.just((member("0"),))),
    st.builds(Redirect, st.text(), st.text()),
    st.builds(NotNow, st.text()),
    st.builds(No, st.tuples(st.text())),
)


@given(answers)
def test_parse_undoes_compose(answer):
    assert parse(compose(answer)) == answer


@given(st.binary(max_size=100))
def test_any_octets_are_an_answer_or_a_wire_error(octets):
    try:
        parse(octets)
    except WireError as error:
        assert "no answer" in str(error)


def test_tokens_are_known_by_their_hash_only():
    token = make_token(bytes(range(16)))
    assert hash_token(f" {token}\n") == hash_token(token)
    assert len(hash_token(token)) == 32
    with pytest.raises(AssertionError):
        make_token(b"short")
