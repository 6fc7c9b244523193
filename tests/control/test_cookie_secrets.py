"""The secrets of cookies: staged, sealed, renewed by the leader, read with the cluster's key."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.shared_block import SECRETS_MAX, TimedSecret, secrets_at
from dns_node.cluster.command import Done, Refused, Unknown
from dns_node.cluster.sealing import key_id, seal, sealing_key_id, unseal
from dns_node.control.api import Answer
from dns_node.control.cookie_secrets import (
    DAY_S,
    FOREVER_S,
    GIVE_UP_S,
    KEY,
    PURPOSE,
    STAGED_S,
    CookieSecretKeeper,
    compose_secrets,
    is_due,
    parse_secrets,
    rolled,
)

NOW_S = 1_795_219_200
OLD, NEW = b"o" * 16, b"n" * 16
SECRETS = st.lists(
    st.builds(
        TimedSecret,
        st.integers(0, 2**62),
        st.integers(0, 2**62),
        st.binary(min_size=16, max_size=16),
    ),
    max_size=SECRETS_MAX,
).map(tuple)


class FakeLog:
    """A key-value space with conditions, a clock, and members that have keys."""

    def __init__(self):
        self.now_s = float(NOW_S)
        self.values = {}
        self.is_unknown = False
        self.proposals = 0

    def now_ms(self):
        return int(self.now_s * 1000)

    def value(self, key):
        return self.values.get(key)

    async def change_if(self, door, operation, precondition):
        self.proposals += 1
        assert (precondition.key, operation.key) == (KEY, KEY)
        if self.values.get(KEY) != precondition.value:
            return Answer(Refused(("it is another one by now",)))
        self.values[KEY] = operation.value
        if self.is_unknown:
            return Answer(Unknown(b"", "lost"))
        return Answer(Done(1, True))


class FakeKeys:
    """The keys of one node; *others* are those of the members that answer."""

    def __init__(self, *others, is_certain=True):
        self.keys = {}
        self.others = others
        self.is_certain = is_certain

    def newest(self):
        if not self.keys:
            key = bytes([id(self) % 251]) * 32
            self.keys[key_id(key)] = key
        return next(reversed(self.keys.values()))

    async def fetch(self, wanted):
        for other in self.others:
            if wanted in other.keys:
                self.keys[wanted] = other.keys[wanted]
                return True
        return False if self.is_certain else None


class Node:
    """A keeper with its surroundings."""

    def __init__(self, log, keys, is_leading):
        self.log, self.keys, self.is_leading = log, keys, is_leading
        self.put = []
        self.keeper = CookieSecretKeeper(
            log, keys, self.put.append, lambda: self.is_leading, lambda: 30
        )

    def step(self):
        asyncio.run(self.keeper.step())

    def roll(self, is_at_once=False):
        return asyncio.run(self.keeper.roll(is_at_once)).outcome


def cluster():
    """Return a log, a leader and a follower."""
    log = FakeLog()
    leader_keys = FakeKeys()
    follower_keys = FakeKeys(leader_keys)
    leader_keys.others = (follower_keys,)
    return log, Node(log, leader_keys, True), Node(log, follower_keys, False)


def test_the_leader_makes_the_first_secret_and_the_follower_has_it_too():
    log, leader, follower = cluster()
    follower.step()
    assert not log.values and not follower.put
    leader.step()
    follower.step()
    assert leader.put[-1] == follower.put[-1]
    assert secrets_at(follower.put[-1], NOW_S).making
    leader.step()
    assert log.proposals == 1


def test_in_the_log_the_secret_is_sealed():
    log, leader, _ = cluster()
    leader.step()
    secret = leader.put[-1][0].secret
    assert secret.hex() not in log.values[KEY]
    assert secret not in bytes.fromhex(log.values[KEY].encode().hex())
    assert sealing_key_id(log.values[KEY]) in leader.keys.keys


def test_a_secret_of_30_days_is_renewed_in_stages_once():
    log, leader, follower = cluster()
    leader.step()
    first = leader.put[-1][0].secret
    log.now_s += 30 * DAY_S - 2
    leader.step()
    assert log.proposals == 1
    log.now_s += 3
    leader.step()
    leader.step()
    follower.step()
    assert log.proposals == 2
    now_s, secrets = int(log.now_s), follower.put[-1]
    staged = secrets_at(secrets, now_s)
    assert staged.making == first and len(staged.others) == 1
    used = secrets_at(secrets, now_s + STAGED_S)
    assert used.making == staged.others[0] and used.others == (first,)
    assert secrets_at(secrets, now_s + STAGED_S + 3900).others == ()


def test_a_follower_never_proposes():
    log, leader, follower = cluster()
    leader.step()
    log.now_s += 100 * DAY_S
    follower.step()
    assert log.proposals == 1


def test_a_roll_over_by_hand_works_on_any_node_and_waits_for_the_one_before():
    log, leader, follower = cluster()
    leader.step()
    follower.step()
    assert isinstance(follower.roll(), Done)
    leader.step()
    assert leader.put[-1] == follower.put[-1]
    assert isinstance(leader.roll(), Refused)
    log.now_s += STAGED_S
    assert isinstance(leader.roll(), Done)


def test_a_roll_over_at_once_ends_all_others():
    log, leader, _ = cluster()
    leader.step()
    first = leader.put[-1][0].secret
    assert isinstance(leader.roll(True), Done)
    found = secrets_at(leader.put[-1], NOW_S)
    assert found.making != first and not found.others


def test_a_leader_without_the_key_waits_for_members_that_may_have_it_and_then_begins_anew():
    log, leader, _ = cluster()
    leader.step()
    orphan = Node(log, FakeKeys(is_certain=False), True)
    orphan.step()
    assert log.proposals == 1 and not orphan.put
    for _ in range(10):
        log.now_s += GIVE_UP_S / 2
        orphan.step()
    assert log.proposals == 2
    orphan.step()
    assert orphan.put and log.proposals == 2


def test_a_leader_begins_anew_at_once_when_no_member_has_the_key():
    log, leader, _ = cluster()
    leader.step()
    restored = Node(log, FakeKeys(), True)
    restored.step()
    assert log.proposals == 2 and restored.put


@pytest.mark.parametrize("value", ["", "nonsense", "v1.0011223344556677.AAAA"])
def test_a_value_that_nobody_can_read_is_replaced(value):
    log, leader, _ = cluster()
    log.values[KEY] = value
    for _ in range(3):
        log.now_s += 40
        leader.step()
    assert leader.put and sealing_key_id(log.values[KEY]) in leader.keys.keys


def test_an_outcome_that_is_unknown_is_found_out_by_the_next_look():
    log, leader, _ = cluster()
    log.is_unknown = True
    leader.step()
    assert not leader.put
    log.now_s += 1
    leader.step()
    assert leader.put and log.proposals == 1


def test_what_was_undone_is_taken_as_it_is():
    log, leader, follower = cluster()
    leader.step()
    follower.step()
    before, first = log.values[KEY], follower.put[-1]
    leader.roll()
    follower.step()
    log.values[KEY] = before
    follower.step()
    leader.step()
    assert follower.put[-1] == leader.put[-1] == first


@given(SECRETS)
def test_parse_undoes_compose(secrets):
    assert parse_secrets(compose_secrets(secrets)) == secrets


@given(SECRETS, st.integers(0, 2**40), st.booleans())
def test_a_roll_over_never_leaves_the_cluster_without_a_secret_nor_ends_one_in_use(
    secrets, now_s, is_at_once
):
    following = rolled(secrets, now_s, NEW, is_at_once)
    if following is None:
        return
    assert len(following) <= SECRETS_MAX
    before, after = secrets_at(secrets, now_s), secrets_at(following, now_s)
    assert after.making
    if not is_at_once and before.making:
        assert after.making == before.making, "first it is only good"
        assert NEW in after.others
    assert secrets_at(following, now_s + STAGED_S).making == NEW
    assert parse_secrets(compose_secrets(following)) == following


def test_a_secret_is_due_by_its_age():
    secrets = (TimedSecret(NOW_S, FOREVER_S, OLD),)
    assert not is_due(secrets, NOW_S + 30 * DAY_S - 1, 30)
    assert is_due(secrets, NOW_S + 30 * DAY_S, 30)


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32),
       st.binary(min_size=12, max_size=12))  # fmt: skip
def test_what_is_sealed_is_read_with_the_key_and_the_purpose_alone(plain, key, nonce):
    sealed = seal(plain, PURPOSE, key, nonce)
    keys = {key_id(key): key}
    assert sealing_key_id(sealed) == key_id(key)
    assert unseal(sealed, PURPOSE, keys) == plain
    assert unseal(sealed, "something else", keys) is None
    assert unseal(sealed, PURPOSE, {}) is None
    assert unseal(sealed, PURPOSE, {key_id(key): bytes(32)}) is None or key == bytes(32)


@given(st.text())
def test_no_text_is_unsealed_by_chance(text):
    assert unseal(text, PURPOSE, {key_id(bytes(32)): bytes(32)}) is None
