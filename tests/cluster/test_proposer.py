import msgspec
import pytest
from twisted.internet.task import Clock

from dns_node.cluster import proposer
from dns_node.cluster.command import (
    ENTRY_SIZE_OCTETS_MAX,
    Command,
    Done,
    PutKey,
    Refused,
    RunStaged,
    Unknown,
    compose_command,
    parse_command,
    parse_entry,
)
from dns_node.cluster.proposer import COMMAND_OCTETS_MAX, Forward, Refusal
from dns_node.cluster.staging import slice_command


class Desk:
    """A proposer at node "0" with what it has sent, and a store to look into."""

    def __init__(self):
        self.clock = Clock()
        self.frames, self.store, self.is_connected = [], {}, True
        self.proposer = proposer.Proposer(
            "0",
            self.clock.seconds,
            self.send,
            self.store.get,
            lambda: (1, 3),
            lambda: None,
        )

    def send(self, node, kind, body):
        if self.is_connected:
            self.frames.append((node, kind, body))
        return self.is_connected

    def propose(self, number, size=1):
        answers = []
        self.proposer.propose(command(number, size)).addCallback(answers.append)
        return answers

    def pass_time(self, seconds):
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)
            self.proposer.tick()


def command(number, size=1):
    return Command(number.to_bytes(16, "big"), 0, "t", "t", (PutKey("k", "v" * size),))


@pytest.fixture
def desk():
    return Desk()


def test_the_leader_puts_what_waits_into_one_entry(desk):
    desk.proposer.on_leader("0", 1)
    answers = [desk.propose(number) for number in range(3)]
    payload = desk.proposer.next_entry()
    assert parse_entry(payload) == tuple(command(number) for number in range(3))
    assert desk.proposer.next_entry() is None
    desk.proposer.on_outcomes(
        [(command(number).operation_id, Done(number, True)) for number in (1,)]
    )
    assert answers == [[], [Done(1, True)], []]


def test_an_entry_is_at_most_256_kib(desk):
    desk.proposer.on_leader("0", 1)
    for number in range(8):
        desk.propose(number, 100_000)
    payloads = []
    while payload := desk.proposer.next_entry():
        payloads.append(payload)
    assert [len(parse_entry(payload)) for payload in payloads] == [2, 2, 2, 2]
    assert all(len(payload) <= ENTRY_SIZE_OCTETS_MAX for payload in payloads)


def test_a_follower_forwards_and_hands_on_to_the_next_leader(desk):
    desk.proposer.on_leader("1", 1)
    answers = desk.propose(7)
    desk.proposer.on_leader(None, 1)
    desk.proposer.on_leader("2", 2)
    assert [(node, kind) for node, kind, _ in desk.frames] == [("1", "forward"), ("2", "forward")]
    forward = msgspec.msgpack.decode(desk.frames[-1][2], type=Forward)
    assert parse_command(forward.command) == command(7)
    desk.proposer.on_outcomes([(command(7).operation_id, Done(1, True))])
    assert answers == [Done(1, True)]


def test_without_a_leader_the_change_is_certainly_not_made(desk):
    answers = desk.propose(1)
    desk.pass_time(2.5)
    assert answers == []
    desk.pass_time(1)
    assert answers == [
        Refused(
            (
                "NOT LEADER YET: no leader for 3 s; 1 of 3 nodes reachable. "
                "The change was not made; try again.",
            )
        )
    ]
    assert desk.propose(2), "the next one is told at once"


def test_what_was_handed_on_is_unknown_at_the_deadline_and_never_refused(desk):
    desk.proposer.on_leader("1", 1)
    answers = desk.propose(1)
    desk.proposer.on_leader(None, 2)
    desk.pass_time(6)
    assert isinstance(answers[0], Unknown)
    assert answers[0].operation_id == command(1).operation_id


def test_what_the_leader_refused_counts_as_not_handed_on(desk):
    desk.proposer.on_leader("1", 1)
    answers = desk.propose(1)
    for _, _, body in list(desk.frames):
        attempt = msgspec.msgpack.decode(body, type=Forward).attempt
        refusal = Refusal(attempt, command(1).operation_id, "the leader is too busy")
        desk.proposer.on_refusal("1", msgspec.msgpack.encode(refusal))
    desk.is_connected = False
    desk.pass_time(6)
    assert isinstance(answers[0], Refused)
    assert "too busy" in answers[0].reasons[0]


def test_what_was_refused_at_the_deadline_is_not_handed_on_after_it(desk):
    desk.is_connected = False
    desk.proposer.on_leader("1", 1)
    answers = desk.propose(1)
    desk.clock.advance(6)
    desk.is_connected = True  # The connection is back in the moment of the deadline.
    desk.proposer.tick()
    assert isinstance(answers[0], Refused)
    assert not desk.frames


def test_what_waits_in_the_leaders_queue_is_withdrawn_at_the_deadline(desk):
    desk.proposer.on_leader("0", 1)
    answers = desk.propose(1)
    desk.pass_time(6)
    assert isinstance(answers[0], Refused)
    assert desk.proposer.next_entry() is None


def test_a_leader_that_steps_down_gives_back_what_it_has_not_appended(desk):
    desk.proposer.on_leader("0", 1)
    body = msgspec.msgpack.encode(Forward(9, compose_command(command(5))))
    desk.proposer.on_forward("2", body)
    desk.proposer.on_leader("1", 2)
    [(node, kind, body)] = desk.frames
    assert (node, kind) == ("2", "refusal")
    assert msgspec.msgpack.decode(body, type=Refusal).attempt == 9


def test_an_operation_that_was_applied_is_answered_from_the_store(desk):
    desk.store[command(1).operation_id] = Done(4, True)
    assert desk.propose(1) == [Done(4, True)]


def test_the_same_operation_twice_gets_the_same_answer(desk):
    desk.proposer.on_leader("0", 1)
    first, second = desk.propose(1), desk.propose(1)
    desk.proposer.on_outcomes([(command(1).operation_id, Done(1, True))])
    assert first == second == [Done(1, True)]


def test_a_stopped_node_says_why(desk):
    answers = desk.propose(1)
    desk.proposer.stop("REPLICATION STOPPED: no space left on device.")
    assert "no space left" in answers[0].reasons[0]
    assert "no space left" in desk.propose(2)[0].reasons[0]


def test_a_large_command_is_staged_in_slices_that_fit():
    large = command(1, 1_000_000)
    staging, run = slice_command(large)
    assert all(len(compose_command(piece)) <= COMMAND_OCTETS_MAX for piece in staging)
    octets = b"".join(piece.operations[0].octets for piece in staging)
    assert parse_command(octets) == large
    assert isinstance(run.operations[0], RunStaged)
    ids = [piece.operation_id for piece in (*staging, run)]
    assert len(set(ids)) == len(ids)
    assert slice_command(large) == (staging, run), "proposing again stages the same"


def test_a_bounded_number_of_changes_is_in_flight_and_the_next_is_refused_at_once(
    desk, monkeypatch
):
    monkeypatch.setattr(proposer, "PENDING_MAX", 3)
    waiting = [desk.propose(number) for number in range(3)]
    refused = desk.propose(3)
    assert isinstance(refused[0], Refused)
    assert "TOO BUSY" in refused[0].reasons[0]
    assert "at most 3" in refused[0].reasons[0]
    again = desk.propose(1)
    assert not again, "asking again for one that waits is not one more"
    desk.proposer.on_outcomes([(command(1).operation_id, Done(1, True))])
    assert waiting[1] == again == [Done(1, True)]
    assert not desk.propose(4)


def test_octets_in_flight_are_bounded_and_given_back(desk, monkeypatch):
    monkeypatch.setattr(proposer, "PENDING_OCTETS_MAX", 5000)
    first = desk.propose(1, 3000)
    assert "TOO BUSY" in desk.propose(2, 3000)[0].reasons[0]
    desk.proposer.on_outcomes([(command(1).operation_id, Done(1, True))])
    assert first
    assert not desk.propose(2, 3000)


def test_a_full_queue_of_the_leader_refuses_at_once_at_every_node(desk, monkeypatch):
    monkeypatch.setattr(proposer, "QUEUE_OCTETS_MAX", 1000)
    desk.proposer.on_leader("0", 1)
    desk.propose(1, 2000)
    assert "TOO BUSY" in desk.propose(2)[0].reasons[0]
    forward = Forward(7, compose_command(command(3)))
    desk.proposer.on_forward("1", msgspec.msgpack.encode(forward))
    [(node, kind, body)] = desk.frames
    follower = Desk()
    follower.proposer.on_leader("2", 1)
    answers = follower.propose(3)
    refusal = msgspec.structs.replace(
        msgspec.msgpack.decode(body, type=Refusal),
        attempt=msgspec.msgpack.decode(follower.frames[0][2], type=Forward).attempt,
    )
    assert (node, kind) == ("1", "refusal")
    follower.proposer.on_refusal("2", msgspec.msgpack.encode(refusal))
    assert isinstance(answers[0], Refused)
    assert "node 2 leads: TOO BUSY" in answers[0].reasons[0]


def test_what_was_handed_on_elsewhere_too_is_not_refused_by_one_leader(desk):
    desk.proposer.on_leader("1", 1)
    answers = desk.propose(1)
    desk.proposer.on_leader("2", 2)
    second = msgspec.msgpack.decode(desk.frames[1][2], type=Forward).attempt
    refusal = Refusal(second, command(1).operation_id, "TOO BUSY.", True)
    desk.proposer.on_refusal("2", msgspec.msgpack.encode(refusal))
    assert not answers
    desk.pass_time(6)
    assert isinstance(answers[0], Unknown)


def test_a_nearly_full_disk_refuses_all_but_what_the_cluster_does_for_itself(desk):
    desk.proposer.on_leader("0", 1)
    desk.proposer.reserve = "DISK LOW: 3 MiB are free."
    assert "DISK LOW: 3 MiB" in desk.propose(1)[0].reasons[0]
    forward = Forward(7, compose_command(command(2)))
    desk.proposer.on_forward("1", msgspec.msgpack.encode(forward))
    refusal = msgspec.msgpack.decode(desk.frames[0][2], type=Refusal)
    assert refusal.is_final
    assert "DISK LOW" in refusal.reason
    trim = msgspec.structs.replace(command(3), door="upkeep")
    answers = []
    desk.proposer.propose(trim).addCallback(answers.append)
    assert not answers
    assert desk.proposer.next_entry()
