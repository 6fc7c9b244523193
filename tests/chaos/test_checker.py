"""The checker can fail: what is planted into a history is reported, and nothing else."""

import random
import threading
import time
from collections import Counter
from dataclasses import replace

import dns.exception
import dns.message
import dns.rrset
import pytest

from tests.chaos import __main__ as command
from tests.chaos.askers import Asker
from tests.chaos.checker import Holding, Verdict, check
from tests.chaos.clients import ZONE
from tests.chaos.network import CannotRun
from tests.chaos.record import DONE, REFUSED, UNKNOWN, Change, Record
from tests.chaos.run import Report, chaos

NODES = range(3)
NAMES = 40


def true_run() -> tuple[Record, dict[int, Holding]]:
    """Return a history with every outcome, and what three nodes hold after it."""
    record, chance = Record(), random.Random(7)
    holding = Holding(0, "", {}, Counter(), [])
    added = []
    for number in range(NAMES):
        kind = chance.choice(["record", "key"])
        change = record.new(kind, f"n#.{ZONE}", f"10.0.0.{number}", number % 3, "ctl")
        outcome = (DONE, DONE, DONE, REFUSED, UNKNOWN)[number % 5]
        record.told(change, outcome, outcome)
        if outcome == DONE or (outcome == UNKNOWN and chance.random() < 0.5):
            added.append(change)
            holding.values[kind, change.name] = [f"10.0.0.{number}"]
            holding.additions[kind, change.name] += 1
            holding.history.append(change.name.encode())
    for change in added[::4]:
        removal = record.new(change.kind, change.name, None, 0, "kv", change)
        record.told(removal, DONE, DONE)
        holding.values[change.kind, change.name] = []
    holding.revision, holding.digest = len(holding.history), "digest"
    return record, {n: copy_of(holding) for n in NODES}


def copy_of(holding: Holding) -> Holding:
    return replace(
        holding, values=dict(holding.values), additions=Counter(holding.additions),
        history=list(holding.history),
    )  # fmt: skip


def report_of(record: Record, verdict: Verdict) -> Report:
    return Report(record, verdict, Counter(), Counter(), 0, 1.0, 60.0, 1)


def kept(record: Record, holdings: dict[int, Holding]) -> Change:
    """Return a change that was acknowledged and not removed."""
    removed = {id(change.removes) for change in record.changes}
    return next(
        change for change in record.changes
        if change.outcome == DONE and change.value and id(change) not in removed
    )  # fmt: skip


def test_a_history_without_a_fault_has_no_problem() -> None:
    assert report_of(*judged(*true_run())).problems() == []


def judged(record: Record, holdings: dict[int, Holding]) -> tuple[Record, Verdict]:
    return record, check(record, holdings)


def test_a_lost_write_is_reported() -> None:
    record, holdings = true_run()
    change = kept(record, holdings)
    for holding in holdings.values():
        del holding.values[change.kind, change.name]
    problems = report_of(*judged(record, holdings)).problems()
    assert len(problems) == 3  # by each node
    assert all(problem.startswith("lost: ") and change.name in problem for problem in problems)


def test_a_removal_that_came_back_is_reported() -> None:
    record, holdings = true_run()
    removal = next(change for change in record.changes if change.removes is not None)
    assert removal.removes is not None and removal.removes.value is not None
    holdings[1].values[removal.kind, removal.name] = [removal.removes.value]
    (problem,) = report_of(*judged(record, holdings)).problems()
    assert problem.startswith("lost: node 1")


def test_a_write_that_was_refused_and_done_is_reported() -> None:
    record, holdings = true_run()
    change = next(change for change in record.changes if change.outcome == REFUSED)
    assert change.value is not None
    for holding in holdings.values():
        holding.values[change.kind, change.name] = [change.value]
    problems = report_of(*judged(record, holdings)).problems()
    assert [problem[:18] for problem in problems] == ["not what was told:"] * 3


def test_a_write_that_was_done_twice_is_reported() -> None:
    record, holdings = true_run()
    change = kept(record, holdings)
    for holding in holdings.values():
        holding.additions[change.kind, change.name] += 1
    problems = report_of(*judged(record, holdings)).problems()
    assert [problem[:11] for problem in problems] == ["duplicated:"] * 3


@pytest.mark.parametrize("what", ["digest", "revision", "history", "value"])
def test_a_divergent_node_is_reported(what: str) -> None:
    record, holdings = true_run()
    change = kept(record, holdings)
    holding = holdings[2]
    match what:
        case "digest":
            holding.digest = "another"
        case "revision":
            holding.revision -= 1
        case "history":
            holding.history[3] = b"something else"
        case _:  # although the digest says nothing
            holding.values[change.kind, change.name] = ["10.9.9.9"]
    (problem,) = report_of(*judged(record, holdings)).problems()
    assert problem.startswith(("divergent: node 2", "not what was told: node 2"))


class OneNode:
    """A node that gives the prepared replies, then ends the asker."""

    def __init__(self, replies: list[object], stop: threading.Event, must_answer: bool = True,
                 lost_power: bool = False):  # fmt: skip
        self._replies, self._stop = replies, stop
        self._must_answer, self._lost_power = must_answer, lost_power

    def ask(self, n: int, name: str, rrtype: str, *, timeout_s: float) -> dns.message.Message:
        reply = self._replies.pop(0)
        if not self._replies:
            self._stop.set()
        if isinstance(reply, Exception):
            raise reply
        query = dns.message.make_query(name, rrtype)
        message = dns.message.make_response(query)
        if isinstance(reply, str):
            message.set_rcode(dns.rcode.from_text(reply))
        else:
            soa = f"ns.{ZONE}. host.{ZONE}. {reply} 1 1 1 1"
            message.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "SOA", soa))
        return message

    def answered(self, n: int, asked_s: float) -> None:
        assert asked_s <= time.monotonic()

    def power_losses(self, n: int) -> int:
        return int(self._lost_power and len(self._replies) == 1)

    def must_answer(self, n: int, since_s: float) -> bool:
        return self._must_answer


def told_by(replies: list[object], **how: bool) -> Record:
    record, stop = Record(), threading.Event()
    Asker(OneNode([*replies], stop, **how), record, 0, stop).run()
    return record


def test_good_answers_are_counted() -> None:
    record = told_by([1, 2, 2, 2**31, 2**32 - 1, 5])  # serials go round (RFC 1982)
    assert (record.answers, record.failed_answers, record.fallen_serials) == (6, [], [])


@pytest.mark.parametrize("reply", ["SERVFAIL", "NXDOMAIN", "NOERROR", dns.exception.Timeout()])
def test_a_failed_dns_answer_is_reported(reply: object) -> None:
    record = told_by([1, reply, 2])
    problems = report_of(record, Verdict()).problems()
    assert len(problems) == 1
    assert problems[0].startswith("answer failed: node 0")


def test_a_node_that_is_down_need_not_answer() -> None:
    record = told_by([1, dns.exception.Timeout(), 2], must_answer=False)
    assert (record.failed_answers, record.unanswered_in_faults) == ([], 1)


def test_a_serial_that_falls_is_reported() -> None:
    problems = report_of(told_by([5, 4]), Verdict()).problems()
    assert problems == ["serial fell: node 0: serial 4 after 5"]


def test_a_node_that_lost_its_power_may_begin_with_an_older_serial() -> None:
    assert told_by([1, 5, 4], lost_power=True).fallen_serials == []


@pytest.mark.parametrize("is_good", [True, False])
def test_the_exit_status_and_the_closing_report_say_what_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_good: bool
) -> None:
    record, holdings = true_run()
    if not is_good:
        del holdings[0].values[kept(record, holdings).kind, kept(record, holdings).name]
    report = report_of(*judged(record, holdings))
    monkeypatch.setattr(command, "chaos", lambda *_, **__: report)
    monkeypatch.setattr("sys.argv", ["chaos", "--minutes", "1", "--seed", "5"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert command.main() == (0 if is_good else 1)
    said = capsys.readouterr().out
    assert "seed 5" in said
    for name in ("acknowledged", "refused", "unknown", "duplicated", "divergent",
                 "longest write pause", "DNS answers that failed"):  # fmt: skip
        assert name in said
    assert ("lost                     0" in said) is is_good


def test_a_machine_that_cannot_run_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(CannotRun, match="root"):
        chaos(1, 3, 1)
