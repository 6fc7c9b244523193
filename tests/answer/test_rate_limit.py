"""Response rate limiting, and the block of memory that holds its accounts."""

import ipaddress

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.access import Networks, netblock
from dns_node.answer.cookies import NO_SECRETS, CookieSecrets
from dns_node.answer.rate_limit import (
    CELLS_PER_ROW,
    Kind,
    RateLimiter,
    RateLimits,
    Verdict,
    charge,
    hash_account,
)
from dns_node.answer.respond import respond
from dns_node.answer.shared_block import (
    CELLS,
    NOTICES,
    Notice,
    SharedBlock,
    TimedSecret,
    block_size_octets,
    compose_head,
    secrets_at,
)
from tests.answer.ask import SETTINGS, UDP
from tests.answer.dict_view import view_of, wire
from tests.answer.example_zones import EXAMPLE, OTHER

SEND, SLIP, DROP, NOTE = Verdict.SEND, Verdict.SLIP, Verdict.DROP, Verdict.NOTE
VIEW = view_of(example=EXAMPLE, other=OTHER)
NAME = wire("web.example.")
SECOND_US = 1_000_000


def limiter(**limits):
    return RateLimiter(SharedBlock.private(b"sixteen octets.."), RateLimits(**limits))


def judge_many(
    judged, number, address="192.0.2.1", kind=Kind.ANSWER, name=NAME, now_us=0, port=999
):
    """Return the verdicts of *number* equal answers at one moment."""
    return [judged.judge(address, port, kind, name, now_us) for _ in range(number)]


# ---- how many


def test_a_netblock_gets_200_equal_answers_a_second_and_every_second_one_after_that_is_short():
    judged = limiter()
    assert judge_many(judged, 200) == [SEND] * 200
    assert judge_many(judged, 6) == [SLIP, DROP] * 3


@given(st.integers(1, 1000), st.lists(st.integers(0, 20_000), min_size=1, max_size=400),
       st.integers(0, 2**41))  # fmt: skip
def test_in_no_stretch_of_time_more_are_sent_than_the_rate_and_one_bucket(rate, gaps_us, now_us):
    cells = SharedBlock.private().cells
    sent = []
    for gap_us in gaps_us:
        now_us += gap_us
        verdict, _ = charge(cells, 12345, now_us, rate, 2)
        if verdict is SEND:
            sent.append(now_us)
    each_us = SECOND_US // rate
    for first in range(0, len(sent), 7):
        for last in range(first, len(sent), 11):
            most = rate + (sent[last] - sent[first]) // each_us + 1
            assert last - first + 1 <= most


@given(st.integers(1, 500), st.integers(0, 2**41), st.integers(0, 7))
def test_who_asks_at_the_rate_is_never_limited(rate, now_us, slip):
    cells = SharedBlock.private().cells
    each_us = SECOND_US // rate
    for number in range(300):
        assert charge(cells, 7, now_us + number * each_us, rate, slip) == (SEND, False)


def test_a_second_later_everything_is_as_before():
    judged = limiter()
    judge_many(judged, 1000)
    assert judge_many(judged, 201, now_us=SECOND_US) == [SEND] * 200 + [SLIP]


@pytest.mark.parametrize(
    ("slip", "wanted"),
    [(0, [DROP] * 6), (1, [SLIP] * 6), (2, [SLIP, DROP] * 3), (3, [SLIP, DROP, DROP] * 2)],
)
def test_slip_says_each_how_manieth_is_replaced(slip, wanted):
    judged = limiter(slip=slip, answers_per_s=10)
    assert judge_many(judged, 16)[10:] == wanted


def test_no_limit_no_account():
    judged = limiter(answers_per_s=0, errors_per_s=0)
    assert set(judge_many(judged, 1000)) == {SEND}
    assert set(judge_many(judged, 1000, kind=Kind.ERROR)) == {SEND}
    assert set(judge_many(limiter(mode="off"), 1000)) == {SEND}


def test_log_mode_sends_everything_and_says_what_it_would_not_have_sent():
    assert judge_many(limiter(mode="log"), 210) == [SEND] * 200 + [NOTE] * 10


# ---- whose account


def test_the_clients_of_one_netblock_have_one_account():
    judged = limiter()
    judge_many(judged, 200, "192.0.2.1")
    assert judge_many(judged, 1, "192.0.2.254") == [SLIP]
    assert judge_many(judged, 1, "::ffff:192.0.2.77") == [DROP]
    assert judge_many(judged, 1, "192.0.3.1") == [SEND]
    judge_many(judged, 200, "2001:db8:0:1200::1")
    assert judge_many(judged, 1, "2001:db8:0:12ff::2") == [SLIP]
    assert judge_many(judged, 1, "2001:db8:0:1300::1") == [SEND]


def test_another_kind_or_name_has_another_account():
    judged = limiter()
    judge_many(judged, 300)
    assert judge_many(judged, 1, kind=Kind.NODATA) == [SEND]
    assert judge_many(judged, 1, name=wire("www.example.")) == [SEND]


def test_loopback_has_no_limits_unless_it_is_taken_from_the_list():
    for address in ("127.0.0.1", "127.9.9.9", "::1"):
        assert set(judge_many(limiter(), 1000, address)) == {SEND}
        listed = limiter(exempt=Networks(("10.0.0.0/8",)))
        assert SLIP in judge_many(listed, 1000, address)


def test_an_error_is_sent_or_dropped_and_never_replaced():
    judged = limiter()
    assert judge_many(judged, 60, kind=Kind.ERROR, name=b"\0") == [SEND] * 50 + [DROP] * 10


@pytest.mark.parametrize("port", [7, 13, 17, 19, 37, 53])
def test_a_port_that_may_answer_an_error_gets_one_a_second(port):
    judged = limiter()
    assert judge_many(judged, 3, kind=Kind.ERROR, port=port) == [SEND, DROP, DROP]
    assert judge_many(judged, 2, kind=Kind.ERROR, port=port, now_us=SECOND_US) == [SEND, DROP]
    assert judge_many(judged, 3, port=port) == [SEND] * 3, "answers are not errors"


@given(st.ip_addresses(), st.integers(8, 32), st.integers(16, 128))
def test_a_netblock_is_the_network_of_the_address(address, ipv4_prefix, ipv6_prefix):
    found = netblock(str(address), ipv4_prefix, ipv6_prefix)
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    length = ipv4_prefix if address.version == 4 else ipv6_prefix
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    assert found == network.network_address.packed


# ---- many accounts


def test_in_a_full_row_the_account_that_lacks_least_is_forgotten():
    cells = SharedBlock.private().cells
    row = 5
    accounts = [tag << 44 | row for tag in range(1, CELLS_PER_ROW + 2)]
    for number, account in enumerate(accounts[:-1]):
        for _ in range(10 - number):
            charge(cells, account, 0, 10, 2)
    assert charge(cells, accounts[0], 0, 10, 2) == (SLIP, True)
    charge(cells, accounts[-1], 0, 10, 2)
    assert charge(cells, accounts[0], 0, 10, 2) == (DROP, False), "it is still remembered"
    assert charge(cells, accounts[1], 0, 10, 2) == (SEND, False)


def test_a_flood_over_more_accounts_than_there_are_cells_takes_no_more_memory():
    block = SharedBlock.private()
    size = len(block.octets)
    for number in range(3000):
        charge(block.cells, number * 0x9E37_79B9_7F4A_7C15 % 2**64, number, 1, 2)
    assert len(block.octets) == size == block_size_octets(1)
    assert sum(map(bool, block.cells)) <= CELLS


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**64 - 1), min_size=8, max_size=8),
       st.integers(0, 2**63), st.integers(1, 10**6), st.integers(0, 7))  # fmt: skip
def test_whatever_the_cells_hold_the_verdict_is_one_and_the_cells_stay_numbers(
    account, row, now_us, rate, slip
):
    cells = SharedBlock.private().cells
    at = account % (CELLS // CELLS_PER_ROW) * CELLS_PER_ROW
    cells[at : at + 8] = memoryview(b"".join(n.to_bytes(8, "little") for n in row)).cast("Q")
    verdict, _ = charge(cells, account, now_us, rate, slip)
    assert verdict in (SEND, SLIP, DROP)


def test_a_worker_whose_batch_began_earlier_does_not_take_an_empty_bucket_for_a_full_one():
    cells = SharedBlock.private().cells
    for _ in range(10):
        charge(cells, 7, 10 * SECOND_US, 10, 2)
    assert charge(cells, 7, 10 * SECOND_US - 20_000, 10, 2) == (SLIP, True)


def test_the_hash_depends_on_key_netblock_kind_and_name():
    key, block = bytes(16), b"\xc0\0\2\0"
    parts = [(key, block, Kind.ANSWER, NAME), (b"x" * 16, block, Kind.ANSWER, NAME),
             (key, b"\xc0\0\3\0", Kind.ANSWER, NAME), (key, block, Kind.NODATA, NAME),
             (key, block, Kind.ANSWER, b"\0")]  # fmt: skip
    assert len({hash_account(*part) for part in parts}) == len(parts)


# ---- what replies are counted as


@pytest.mark.parametrize(
    ("qname", "qtype", "kind", "subject"),
    [
        ("web.example.", "A", Kind.ANSWER, "web.example."),
        ("WEB.example.", "A", Kind.ANSWER, "web.example."),
        ("www.example.", "A", Kind.ANSWER, "www.example."),
        ("web.example.", "AAAA", Kind.NODATA, "web.example."),
        ("deep.example.", "A", Kind.NODATA, "deep.example."),
        ("a.b.nosuch.example.", "A", Kind.NXDOMAIN, "example."),
        # The rcode is that of the chain's end, the name that of its beginning.
        ("farther.example.", "A", Kind.NXDOMAIN, "farther.example."),
        ("x.wild.example.", "TXT", Kind.ANSWER, "example."),
        ("x.wild.example.", "A", Kind.NODATA, "example."),
        ("x.walias.example.", "A", Kind.ANSWER, "example."),
        ("x.child.example.", "A", Kind.REFERRAL, "example."),
        ("child.example.", "NS", Kind.REFERRAL, "example."),
        ("secure.example.", "DS", Kind.ANSWER, "secure.example."),
        ("www.tree.example.", "A", Kind.ANSWER, "example."),
        ("nosuch.invalid.", "A", Kind.ERROR, "."),
        ("example.", "AXFR", Kind.ERROR, "."),
    ],
)
def test_names_of_which_there_are_any_number_count_as_their_zone(qname, qtype, kind, subject):
    octets = dns.message.make_query(qname, qtype, flags=0).to_wire()
    reply = respond(octets, VIEW, UDP, 0.0, SETTINGS)
    assert (reply.kind, reply.subject) == (kind, wire(subject))


def test_what_can_not_be_read_counts_as_an_error():
    reply = respond(bytes(4) + b"\0\2" + bytes(6), VIEW, UDP, 0.0, SETTINGS)
    assert (reply.kind, reply.subject) == (Kind.ERROR, b"\0")


# ---- notices


def test_a_notice_comes_once_until_the_bucket_has_been_full_again():
    block = SharedBlock.private()
    judged = RateLimiter(block, RateLimits(answers_per_s=10))
    judge_many(judged, 50)
    assert block.notices(0, 0) == (1, [Notice(Kind.ANSWER, False, b"\xc0\0\2\0", NAME)])
    judge_many(judged, 50, now_us=SECOND_US // 2)
    assert block.notices(0, 1) == (1, [])
    judged.limits = RateLimits(answers_per_s=10, mode="log")
    judge_many(judged, 50, "2001:db8::1", now_us=3 * SECOND_US)
    wanted = Notice(Kind.ANSWER, True, bytes.fromhex("20010db8") + bytes(12), NAME)
    assert block.notices(0, 1) == (2, [wanted])


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_ring_keeps_the_last_notices(number, since):
    block = SharedBlock.private()
    names = [bytes((n % 60 + 1,)) * (n % 60 + 2) for n in range(number)]
    for name in names:
        block.put_notice(Notice(0, False, b"\1\2\3\4", name))
    last, found = block.notices(0, since)
    assert last == number
    assert [notice.name for notice in found] == names[max(since, number - NOTICES) :]


def test_each_worker_has_a_ring_of_its_own():
    buffer = bytearray(block_size_octets(3))
    buffer[:24] = compose_head(bytes(16))
    for worker in range(3):
        SharedBlock(buffer, worker).put_notice(Notice(worker, False, b"\1\2\3\4", b"\0"))
    node = SharedBlock(buffer)
    assert [node.notices(worker, 0)[1][0].kind for worker in range(3)] == [0, 1, 2]


# ---- the secrets of cookies


SECRETS = st.lists(
    st.builds(
        TimedSecret,
        st.integers(0, 100),
        st.integers(0, 200),
        st.binary(min_size=16, max_size=16),
    ),
    max_size=4,
).map(tuple)


@given(SECRETS, SECRETS)
def test_secrets_are_read_as_they_were_put(first, second):
    block = SharedBlock.private()
    for secrets in (first, second, ()):
        version = block.secrets_version
        block.put_secrets(secrets)
        assert block.secrets() == secrets
        assert block.secrets_version != version and block.secrets_version % 2 == 0


@given(SECRETS, st.integers(0, 200))
def test_of_the_secrets_that_have_begun_the_latest_makes_cookies_and_all_good_ones_are_good(
    secrets, now_s
):
    found = secrets_at(secrets, now_s)
    good = [one for one in secrets if now_s < one.accepted_until_s]
    if not good:
        assert found == NO_SECRETS
        return
    assert sorted((found.making, *found.others)) == sorted(one.secret for one in good)
    begun = [one.used_from_s for one in good if one.used_from_s <= now_s]
    making = [one for one in good if one.secret == found.making]
    assert any(
        one.used_from_s == (max(begun) if begun else min(o.used_from_s for o in good))
        for one in making
    )


def test_a_rollover_is_staged_used_and_then_the_old_secret_ends():
    old, new = TimedSecret(0, 10_300, b"o" * 16), TimedSecret(1000, 1 << 62, b"n" * 16)
    assert secrets_at((old, new), 999) == CookieSecrets(b"o" * 16, (b"n" * 16,))
    assert secrets_at((old, new), 1000) == CookieSecrets(b"n" * 16, (b"o" * 16,))
    assert secrets_at((old, new), 10_300) == CookieSecrets(b"n" * 16)
