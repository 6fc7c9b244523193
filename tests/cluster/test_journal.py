import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dns_node.cluster.raft  # noqa: F401
from dns_node.cluster.executor import ManualExecutor, SynchronousExecutor, ThreadExecutor
from dns_node.cluster.journal import Journal
from dns_node.errors import StoreError


def open_journal(path, executor=None, **keywords):
    call = keywords.pop("call", lambda function, *arguments: function(*arguments))
    return Journal(path, executor or SynchronousExecutor(), call, **keywords)


def fill(journal, last, size=10, term=1):
    for index in range(journal.last_index + 1, last + 1):
        journal.add(b"\x00" + bytes((index % 256,)) * size, index, term)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 3000)),
        st.tuples(st.just("cut"), st.integers(0, 30)),
        st.tuples(st.just("trim"), st.integers(0, 30)),
        st.tuples(st.just("write"), st.integers(1, 3)),
        st.just(("reopen", 0)),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(steps)
def test_the_journal_is_the_list_that_the_core_believes_in(tmp_path_factory, script):
    path = tmp_path_factory.mktemp("journal")
    executor = ManualExecutor()
    journal = open_journal(path, executor, cache_octets=4000)
    model = []
    for kind, number in script:
        if kind == "add":
            entry = (b"\x00" * number, model[-1][1] + 1 if model else 1, len(model))
            model.append(entry)
            journal.add(*entry)
        elif kind == "cut" and len(model) > 2:
            position = max(2, len(model) - number)
            if position < len(model):
                del model[position:]
                journal.deleteEntriesFrom(position)
        elif kind == "trim" and len(model) > 2:
            executor.run()
            position = min(number, len(model) - 2)
            journal.trim(model[0][1] + position + 1)
            del model[:position]
        elif kind == "write":
            executor.run(number)
        elif kind == "reopen":
            journal.close()
            executor = ManualExecutor()
            journal = open_journal(path, executor, cache_octets=4000)
        assert len(journal) == len(model)
        assert journal[:] == model
        assert [journal[position] for position in range(len(model))] == model
        assert journal.octets == sum(len(entry[0]) for entry in model)
        if model:
            assert journal[-1] == model[-1]
            assert [journal.term_at(entry[1]) for entry in model] == [e[2] for e in model]
            assert journal.term_at(model[-1][1] + 1) is None
    journal.close()


def test_a_slice_is_capped_but_has_two_entries(tmp_path):
    journal = open_journal(tmp_path, cache_octets=1 << 19)
    fill(journal, 40, size=200_000)
    assert len(journal[0:]) in (6, 7)
    assert journal[10:12] == [journal[10], journal[11]]
    assert [index for _, index, _ in journal[38:]] == [39, 40]
    journal.is_whole = True
    assert len(journal[0:]) == 40


def test_what_is_not_written_is_not_durable_and_is_lost_in_a_crash(tmp_path):
    executor = ManualExecutor()
    journal = open_journal(tmp_path, executor)
    fill(journal, 3)
    executor.run()
    assert journal.durable_index == 3
    assert journal.is_durable
    fill(journal, 5)
    journal.setCurrentTerm(7, "2")
    assert journal.durable_index == 3
    assert not journal.is_durable
    executor.crash()
    journal._disk.close()
    journal = open_journal(tmp_path)
    assert journal.last_index == 3
    assert journal.getCurrentTerm() == 0


def test_term_vote_and_commit_index_survive(tmp_path):
    journal = open_journal(tmp_path)
    fill(journal, 5)
    journal.setCurrentTerm(7, "2")
    journal.setRaftCommitIndex(4)
    journal.onOneSecondTimer()
    journal.close()
    journal = open_journal(tmp_path)
    assert (journal.getCurrentTerm(), journal.getVotedForNodeId()) == (7, "2")
    assert journal.getRaftCommitIndex() == 4
    journal.deleteEntriesFrom(2)
    assert journal.getRaftCommitIndex() == 2, "never beyond the log"


def test_entries_written_after_a_cut_are_durable_only_when_written(tmp_path):
    executor = ManualExecutor()
    journal = open_journal(tmp_path, executor)
    fill(journal, 6)
    executor.run()
    journal.deleteEntriesFrom(3)
    assert journal.durable_index == 3
    journal.add(b"\x00new", 4, 2)
    assert journal.durable_index == 3
    executor.run()
    assert journal.durable_index == 4
    journal.close()
    assert open_journal(tmp_path)[-1] == (b"\x00new", 4, 2)


def test_the_base_voters_follow_what_is_trimmed(tmp_path):
    import pysyncobj.pickle as core_pickle

    journal = open_journal(tmp_path)
    journal.set_base_voters(frozenset("12"))
    fill(journal, 3)
    journal.add(b"\x02" + core_pickle.dumps(["add", "3"]), 4, 1)
    fill(journal, 6)
    journal.add(b"\x02" + core_pickle.dumps(["rem", "1"]), 7, 1)
    fill(journal, 9)
    assert journal.voters() == {"2", "3"}
    assert journal.voters(5) == {"1", "2", "3"}
    journal.trim(5)
    assert journal.base_voters == {"1", "2", "3"}
    journal.close()
    journal = open_journal(tmp_path)
    assert journal.base_voters == {"1", "2", "3"}
    assert journal.voters() == {"2", "3"}
    journal.deleteEntriesFrom(7 - journal.first_index)
    assert journal.voters() == {"1", "2", "3"}, "a change that is cut off is undone"


def test_the_core_can_drop_only_what_every_member_holds(tmp_path):
    journal = open_journal(tmp_path)
    fill(journal, 9)
    journal.retain_from = 4
    journal.deleteEntriesTo(7)
    assert (journal.first_index, journal.last_index) == (3, 9)
    journal.clear()
    assert journal.violation
    assert len(journal) == 7


def test_a_reset_journal_begins_with_two_placeholders(tmp_path):
    journal = open_journal(tmp_path)
    fill(journal, 9)
    journal.setCurrentTerm(3, "1")
    journal.reset(50, 2, frozenset("12"))
    for _ in range(2):
        assert (journal.first_index, journal.last_index, len(journal)) == (49, 50, 2)
        assert (journal.term_at(50), journal.placeholder_index) == (2, 50)
        assert journal.base_voters == {"1", "2"}
        assert journal.getCurrentTerm() == 3
        journal.close()
        journal = open_journal(tmp_path)


def test_a_write_failure_is_reported_and_not_raised(tmp_path, monkeypatch):
    failures = []
    journal = open_journal(tmp_path, on_failure=failures.append)
    fill(journal, 2)

    def refuse(operations):
        raise StoreError("no space left on device")

    monkeypatch.setattr(journal._disk, "write", refuse)
    fill(journal, 3)
    assert [str(failure) for failure in failures] == ["no space left on device"]
    assert journal.durable_index == 2


def test_a_journal_of_a_newer_format_is_not_touched(tmp_path):
    from dns_node.cluster.journal_disk import JournalDisk, Set

    disk = JournalDisk(tmp_path)
    disk.write([Set(b"format", 99)])
    disk.close()
    with pytest.raises(StoreError, match="a journal of format 99, and this release reads 1"):
        open_journal(tmp_path)


def test_a_thread_writes_and_the_reader_is_never_behind(tmp_path):
    calls = []
    journal = open_journal(
        tmp_path, ThreadExecutor("journal"), call=lambda f, *a: calls.append((f, a))
    )
    chance = random.Random(1)
    for index in range(1, 400):
        journal.add(b"\x00" * chance.randrange(1, 3000), index, 1)
        while calls:
            function, arguments = calls.pop(0)
            function(*arguments)
    journal.close()
    for function, arguments in calls:
        function(*arguments)
    assert journal.durable_index == 399
    assert open_journal(tmp_path).last_index == 399
