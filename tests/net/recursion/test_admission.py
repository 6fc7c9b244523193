"""Limits of questions, by all sequences of coming and going over several workers."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.shared_block import SharedBlock, block_size_octets, compose_head
from dns_node.net.recursion.admission import Admission, Admitted, Excess, QuestionLimits
from dns_node.resolver.question import Question

CLIENTS = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
NAMES = [b"\1a\0", b"\1b\0"]
LIMITS = QuestionLimits(
    questions=8, questions_per_client=4, questions_per_known_client=6, questions_per_name=7
)

comings = st.tuples(
    st.integers(0, 2), st.sampled_from(CLIENTS), st.booleans(), st.sampled_from(NAMES),
    st.sampled_from([1, 28]),
)  # fmt: skip
steps = st.lists(comings | st.integers(0, 30), max_size=120)


def network(address):
    return address if ":" not in address else address.rpartition("::")[0]


def new_block(workers):
    octets = bytearray(block_size_octets(workers))
    head = compose_head(b"0123456789abcdef")
    octets[: len(head)] = head
    return octets


@given(steps)
def test_no_limit_is_ever_passed_and_nobody_below_all_of_them_is_refused(steps):
    octets = new_block(3)
    workers = [Admission(SharedBlock(octets, number), LIMITS) for number in range(3)]
    held = []
    for step in steps:
        if isinstance(step, int):
            if held:
                number, admitted, *_ = held.pop(step % len(held))
                workers[number].release(admitted)
            continue
        number, address, is_known, qname, qtype = step
        found = workers[number].admit(address, is_known, Question(qname, qtype))
        by_worker = Counter(one[0] for one in held)[number]
        by_client = Counter(one[2] for one in held)[network(address)]
        by_name = Counter(one[3] for one in held)[qname, qtype]
        if by_worker >= 8:
            expected = Excess.WORKER
        elif by_client >= (6 if is_known else 4):
            expected = Excess.CLIENT
        elif by_name >= 7:
            expected = Excess.NAME
        else:
            expected = Admitted
            held.append((number, found, network(address), (qname, qtype)))
        assert found is expected or isinstance(found, Admitted) and expected is Admitted
        assert [len(worker) for worker in workers] == [
            Counter(one[0] for one in held)[each] for each in range(3)
        ]
    for number, admitted, *_ in held:
        workers[number].release(admitted)
    assert not any(map(len, workers))
    assert not any(any(table) for table in SharedBlock(octets).clients)
    assert not any(any(table) for table in SharedBlock(octets).names)


def test_what_a_worker_that_died_had_on_its_way_counts_no_more():
    octets = new_block(2)
    dying, other = (Admission(SharedBlock(octets, number), LIMITS) for number in range(2))
    question = Question(b"\1a\0", 1)
    for _ in range(4):
        assert isinstance(dying.admit("192.0.2.1", False, question), Admitted)
    assert other.admit("192.0.2.1", False, question) is Excess.CLIENT
    Admission(SharedBlock(octets, 0), LIMITS)
    assert isinstance(other.admit("192.0.2.1", False, question), Admitted)
