"""The zone cuts that are known, and the names that are asked on the way down."""

from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from dns_node.resolver import delegation as room
from dns_node.resolver.delegation import CUT_FAILURE_MAX_S, Delegation, Delegations
from dns_node.resolver.minimise import MINIMISE_COUNT_MAX, label_offsets, next_name
from dns_node.resolver.name_servers import NameServer
from dns_node.resolver.question import Server
from dns_node.zone.names import is_subdomain, parse_name
from tests.resolver.world import NOW_S

NAMES = [parse_name(name) for name in (".", "a.", "b.a.", "c.b.a.", "x.a.", "y.", "b.y.")]


def cut(apex: bytes, *, ttl_s: float = 100, servers: int = 1) -> Delegation:
    known = [NameServer(Server(f"192.0.2.{number}")) for number in range(servers)]
    return Delegation(apex, (b"\x02ns" + apex,), known, [], NOW_S + ttl_s)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "find", "deepest", "flush", "sweep", "add", "wait"]),
            st.sampled_from(NAMES),
            st.integers(0, 6),
        )
    )
)
def test_the_deepest_cut_that_lives_is_found_and_the_cost_is_bounded(steps):
    with mock.patch.object(room, "DELEGATIONS_COST_MAX", 12):
        delegations, now_s = Delegations(), NOW_S
        for step, name, number in steps:
            if step == "put":
                made = cut(name, ttl_s=now_s - NOW_S + number, servers=number)
                delegations.put(made)
            elif step == "find":
                found = delegations.find(name, now_s)
                assert found is None or found.apex == name
            elif step == "deepest":
                found = delegations.deepest(name, now_s)
                living = [each.apex for each in delegations if each.expires_s > now_s]
                above = [apex for apex in living if is_subdomain(name, apex)]
                assert (found.apex if found else None) == max(above, key=len, default=None)
            elif step == "flush":
                delegations.flush(name)
                assert not any(is_subdomain(each.apex, name) for each in delegations)
            elif step == "sweep":
                delegations.sweep(now_s, 100)
                assert all(each.expires_s > now_s for each in delegations)
            elif step == "add" and (found := delegations.find(name, now_s)) is not None:
                delegations.add_servers(found, [NameServer(Server(f"10.0.0.{number}"))])
            elif step == "wait":
                now_s += number
            cost = sum(each.cost for each in delegations)
            assert cost == delegations._cost
            # What is found for a cut that is kept may exceed the bound until the next one comes.
            assert step != "put" or cost <= 12


def test_a_configured_cut_is_never_replaced_nor_forgotten():
    delegations = Delegations()
    configured = cut(parse_name("corp."), ttl_s=float("inf"))
    delegations.configure(configured)
    delegations.put(cut(parse_name("corp.")))
    delegations.flush()
    assert delegations.deepest(parse_name("www.corp."), NOW_S + 1e9) is configured


def test_a_cut_that_fails_again_is_left_alone_for_longer_up_to_a_bound():
    delegation = cut(parse_name("a."))
    pauses = []
    for _ in range(8):
        delegation.note_failure(NOW_S)
        pauses.append(delegation.failed_until_s - NOW_S)
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1] and pauses[-1] == CUT_FAILURE_MAX_S
    delegation.note_answer()
    delegation.note_failure(NOW_S)
    assert delegation.failed_until_s - NOW_S == pauses[0]


labels = st.sampled_from([b"a", b"b", b"host", b"xyz"])
names = st.lists(labels, min_size=1, max_size=40).map(
    lambda made: b"".join(bytes((len(label),)) + label for label in made) + b"\0"
)


@settings(max_examples=200)
@given(names, st.data())
def test_rfc9156_every_step_goes_down_and_the_end_is_reached_in_time(qname, data):
    offsets = label_offsets(qname)
    known = qname[data.draw(st.sampled_from(offsets)) :]
    step = 0
    while known != qname:
        name = next_name(qname, known, step)
        assert is_subdomain(qname, name) and is_subdomain(name, known)
        assert len(name) > len(known)
        known, step = name, step + 1
    assert step <= MINIMISE_COUNT_MAX + 1


def test_rfc9156_after_four_labels_what_is_missing_is_spread_over_the_steps_that_are_left():
    qname = b"\x01a" * 24 + b"\0"
    known, added = b"\0", []
    for step in range(11):
        if known == qname:
            break
        name = next_name(qname, known, step)
        added.append(len(label_offsets(name)) - len(label_offsets(known)))
        known = name
    assert added == [1, 1, 1, 1, 4, 4, 3, 3, 3, 3]
