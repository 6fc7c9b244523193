from dataclasses import replace

import pytest

from dns_node.cluster.guard import Deliver, Facts, Guard, NeedSnapshot, Send, Stop
from dns_node.cluster.message import (
    ALIVE,
    Ack,
    AppendEntries,
    Quiet,
    RequestVote,
    ResponseVote,
    Snapshot,
    TimeoutNow,
)


class Log:
    """Entries with the given terms, from index *first* on."""

    def __init__(self, *terms, first=1, durable=None, placeholder=0):
        self.terms, self.first_index = terms, first
        self.last_index = first + len(terms) - 1
        self.durable_index = self.last_index if durable is None else durable
        self.placeholder_index, self.is_term_durable = placeholder, True

    def term_at(self, index):
        held = self.first_index <= index <= self.last_index
        return self.terms[index - self.first_index] if held else None


OTHERS = frozenset("12")
FOLLOWER = Facts(100.0, 5, 3, 3, False, True, OTHERS, OTHERS)
LEADER = replace(FOLLOWER, is_leader=True)
LOG = Log(0, 1, 1, 5, 5)


def entry(index, term):
    return (b"\x00", index, term)


@pytest.fixture
def guard():
    return Guard(1.0)


def test_g1_an_ack_of_another_term_never_counts(guard):
    ack = Ack(6, reset=False, success=True)
    assert guard.receive("1", 4, ack, LEADER, LOG) == []
    assert guard.receive("1", 6, ack, LEADER, LOG) == [Deliver("1", RequestVote(6, -1, -1))]
    assert guard.receive("1", 5, ack, LEADER, LOG) == [Deliver("1", ack)]
    assert guard.receive("9", 5, ack, LEADER, LOG) == [], "9 is no member"


def test_g2_a_vote_counts_once_and_from_members_in_this_term(guard):
    vote = ResponseVote(5)
    assert guard.receive("1", 5, vote, FOLLOWER, LOG) == [Deliver("1", vote)]
    assert guard.receive("1", 5, vote, FOLLOWER, LOG) == []
    assert guard.receive("9", 5, vote, FOLLOWER, LOG) == []
    assert guard.receive("2", 4, ResponseVote(4), FOLLOWER, LOG) == []


def test_g3_who_hears_its_leader_ignores_candidates_unless_the_leader_sent_them(guard):
    guard.receive("1", 5, Quiet(5, 0), FOLLOWER, LOG)
    candidate = RequestVote(6, 9, 9)
    soon, later = replace(FOLLOWER, now_s=100.8), replace(FOLLOWER, now_s=101.0)
    assert guard.receive("2", 6, candidate, soon, LOG) == []
    sent = RequestVote(6, 9, 9, is_transfer=True)
    assert guard.receive("2", 6, sent, soon, LOG) == [Deliver("2", sent)]
    assert guard.receive("2", 6, candidate, later, LOG) == [Deliver("2", candidate)]


def test_g3_a_leader_with_a_majority_ignores_candidates(guard):
    candidate = RequestVote(6, 9, 9)
    guard.receive("1", 5, ALIVE, LEADER, LOG)
    assert guard.receive("2", 6, candidate, LEADER, LOG) == []
    alone = replace(LEADER, now_s=101.0)
    assert guard.receive("2", 6, candidate, alone, LOG) == [Deliver("2", candidate)]


def test_g4_entries_that_are_held_are_not_truncated(guard):
    known = AppendEntries(5, 3, 2, 1, (entry(3, 1), entry(4, 5)))
    assert guard.receive("1", 5, known, FOLLOWER, LOG) == [
        Deliver("1", Quiet(5, 3)),
        Send("1", Ack(5, reset=False, success=True), is_held=True),
    ]
    partly = AppendEntries(5, 3, 3, 1, (entry(4, 5), entry(5, 5), entry(6, 5)))
    [deliver] = guard.receive("1", 5, partly, FOLLOWER, LOG)
    assert deliver == Deliver("1", AppendEntries(5, 3, 5, 5, (entry(6, 5),)))


def test_g4_a_conflict_rolls_back_but_never_what_is_committed(guard):
    conflict = AppendEntries(6, 3, 3, 1, (entry(4, 6),))
    [deliver] = guard.receive("1", 6, conflict, FOLLOWER, LOG)
    assert deliver == Deliver("1", AppendEntries(6, 3, 3, 1, (entry(4, 6),)), is_rollback=True)
    committed = replace(FOLLOWER, commit_index=4)
    [stop] = guard.receive("1", 6, conflict, committed, LOG)
    assert isinstance(stop, Stop)
    differs = AppendEntries(6, 3, 3, 2, ())
    [stop] = guard.receive("1", 6, differs, committed, LOG)
    assert isinstance(stop, Stop)


def test_g5_a_heartbeat_without_a_check_moves_no_commit_index(guard):
    actions = guard.receive("1", 5, Quiet(5, 99), FOLLOWER, LOG)
    assert actions == [Deliver("1", Quiet(5, 3)), Send("1", ALIVE)]


def test_g6_a_dump_is_never_sent_and_the_base_of_the_log_is_probed_instead(guard):
    log = Log(1, 1, 5, 5, first=20)
    leader = replace(LEADER, commit_index=23)
    probe = Send("1", AppendEntries(5, 23, 20, 1, ()))
    assert guard.send("1", Snapshot(5), leader, log) == [probe]
    more = AppendEntries(5, 23, 21, 1, (entry(22, 5),))
    assert guard.send("1", more, leader, log) == [probe], "no entries to who can't take them"
    behind = Ack(4, reset=True, success=False)
    need = NeedSnapshot("1")
    assert guard.receive("1", 5, behind, leader, log) == [Deliver("1", ALIVE), need]
    cured = Ack(21, reset=False, success=True)
    assert guard.receive("1", 5, cured, leader, log) == [Deliver("1", cured)]
    assert guard.send("1", more, leader, log) == [Send("1", more)]


def test_who_commits_below_the_base_but_logs_beyond_it_needs_no_snapshot(guard):
    log = Log(1, 1, 5, 5, first=20)
    behind = Ack(4, reset=True, success=False)
    assert guard.receive("1", 5, behind, LEADER, log) == [Deliver("1", ALIVE)]


def test_g7_a_failed_check_is_answered_by_the_commit_index(guard):
    for append in (AppendEntries(5, 9, 8, 5, ()), AppendEntries(5, 9, 5, 6, (entry(6, 6),))):
        assert guard.receive("1", 5, append, FOLLOWER, LOG) == [
            Deliver("1", Quiet(5, 3)),
            Send("1", Ack(4, reset=True, success=False)),
        ]


def test_g8_a_stale_leader_learns_the_term(guard):
    for message in (AppendEntries(4, 9, 5, 5, ()), Quiet(4, 9)):
        assert guard.receive("1", 4, message, FOLLOWER, LOG) == [Send("1", ALIVE)]


def test_d1_votes_and_acks_wait_for_the_disk_and_heartbeats_do_not(guard):
    held = (RequestVote(5, 5, 5), ResponseVote(5), Ack(6, reset=False, success=True))
    for message in held:
        assert guard.send("1", message, FOLLOWER, LOG) == [Send("1", message, is_held=True)]
    heartbeat = AppendEntries(5, 3, 5, 5, ())
    assert guard.send("1", heartbeat, LEADER, LOG) == [Send("1", heartbeat)]


def test_d2_an_ack_beyond_the_own_durable_index_waits(guard):
    slow, ack = Log(0, 1, 1, 5, 5, durable=4), Ack(6, reset=False, success=True)
    assert guard.receive("1", 5, ack, LEADER, slow) == [Deliver("1", ALIVE)]
    assert guard.on_durable(LEADER, slow) == []
    assert guard.on_durable(LEADER, LOG) == [Deliver("1", ack)]
    assert guard.on_durable(LEADER, LOG) == []


def test_d3_the_commit_index_waits_for_the_own_disk_and_follows_it(guard):
    slow = Log(0, 1, 1, 5, 5, durable=4)
    append = AppendEntries(5, 5, 5, 5, ())
    assert guard.receive("1", 5, append, FOLLOWER, slow) == [
        Deliver("1", AppendEntries(5, 4, 5, 5, ()))
    ]
    at_4 = replace(FOLLOWER, commit_index=4)
    assert guard.on_durable(at_4, slow) == []
    assert guard.on_durable(at_4, LOG) == [Deliver("1", Quiet(5, 5))]


def test_d3_entries_that_replace_durable_ones_are_committed_when_they_are_durable(guard):
    conflict = AppendEntries(6, 5, 3, 1, (entry(4, 6), entry(5, 6)))
    [deliver] = guard.receive("1", 6, conflict, FOLLOWER, LOG)
    assert deliver.message.commit_index == 3
    replaced = Log(0, 1, 1, 6, 6, durable=3)
    at_6 = replace(FOLLOWER, term=6)
    assert guard.on_durable(at_6, replaced) == []
    replaced.durable_index = 5
    assert guard.on_durable(at_6, replaced) == [Deliver("1", Quiet(6, 5))]


def test_what_was_sent_on_a_connection_is_not_sent_again(guard):
    first = AppendEntries(5, 3, 3, 1, (entry(4, 5), entry(5, 5)))
    guard.send("1", first, LEADER, LOG)
    guard.sent("1", first)
    again = AppendEntries(5, 3, 4, 5, (entry(5, 5),))
    assert guard.send("1", again, LEADER, LOG) == [Send("1", AppendEntries(5, 3, 5, 5, ()))]
    guard.lose("1")
    assert guard.send("1", again, LEADER, LOG) == [Send("1", again)]


def test_placeholders_are_never_sent(guard):
    log = Log(0, 4, 5, first=49, placeholder=50)
    append = AppendEntries(5, 50, 49, 0, (entry(50, 4), entry(51, 5)))
    assert guard.send("1", append, LEADER, log) == [Send("1", AppendEntries(5, 50, 50, 4, ()))]


def test_a_transfer_is_asked_for_by_the_leader_only(guard):
    guard.receive("1", 5, Quiet(5, 0), FOLLOWER, LOG)
    assert guard.receive("2", 5, TimeoutNow(5), FOLLOWER, LOG) == []
    assert guard.receive("1", 5, TimeoutNow(5), FOLLOWER, LOG) == [Deliver("1", TimeoutNow(5))]
    [sent] = guard.send("2", RequestVote(6, 5, 5), replace(FOLLOWER, term=6), LOG)
    assert sent.message.is_transfer


def test_d3_and_d4_what_a_leader_sends_waits_for_its_term_and_tells_what_is_durable(guard):
    log = Log(0, 1, 1, 5, 5, durable=4)
    append = AppendEntries(5, 5, 4, 5, (entry(5, 5),))
    told = AppendEntries(5, 4, 4, 5, (entry(5, 5),))
    assert guard.send("1", append, LEADER, log) == [Send("1", told)]
    log.is_term_durable = False
    assert guard.send("1", append, LEADER, log) == [Send("1", told, is_held=True)]
    probe = AppendEntries(5, 3, 1, 0, ())
    assert guard.send("1", Snapshot(5), LEADER, log) == [Send("1", probe, is_held=True)]
