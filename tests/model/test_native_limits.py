"""The native core's limits and cookies are the definition's, to the last bit of the block."""

import mmap
import os
from types import SimpleNamespace

import dns.edns
import dns.message
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from dns_node.answer.access import Networks
from dns_node.answer.rate_limit import RateLimiter, RateLimits, Verdict
from dns_node.answer.respond import AnswerSettings, Client, Drop, respond, respond_limited
from dns_node.answer.shared_block import (
    SharedBlock,
    TimedSecret,
    block_size_octets,
    compose_head,
    secrets_at,
)
from dns_node.store.generation import current_generation, generation_path
from tests.answer.dict_view import view_of, zone_from_text
from tests.answer.example_zones import EXAMPLE, OTHER
from tests.model.native import native
from tests.net.worker_process import fill

pytestmark = pytest.mark.skipif(native is None, reason="there is no native core")

VIEW = view_of(example=EXAMPLE, other=OTHER)
HASH_KEY = b"sixteen octets.."
NOW_S = 1_795_219_200
NOW_US = 77_000_000_000
ADDRESSES = ("192.0.2.1", "192.0.2.77", "192.0.3.1", "127.0.0.1", "::ffff:192.0.2.5", "::1",
             "2001:db8::1", "2001:db8:0:ff::1", "2001:db8:0:100::1")  # fmt: skip
QUESTIONS = [
    ("web.example.", "A"), ("WEB.example.", "A"), ("web.example.", "AAAA"), ("x.example.", "A"),
    ("y.x.example.", "MX"), ("a.wild.example.", "TXT"), ("b.wild.example.", "TXT"),
    ("a.child.example.", "A"), ("b.child.example.", "A"), ("nosuch.invalid.", "A"),
    ("www.tree.example.", "A"), ("farther.example.", "A"), ("c0.example.", "A"),
    ("example.", "ANY"), ("example.", "AXFR"),
]  # fmt: skip
COOKIES = [None, b"clientck", b"clientck" + bytes(16), b"short"]


def queries():
    """Return some requests: every question without EDNS, with it, with cookies."""
    found = [b"\0\1" + b"\0\0\0\2" + bytes(6), b"\0\1\x80\0" + bytes(8), b"x"]
    for name, rrtype in QUESTIONS:
        found.append(dns.message.make_query(name, rrtype, id=1).to_wire())
        for cookie in COOKIES:
            options = [] if cookie is None else [dns.edns.GenericOption(10, cookie)]
            query = dns.message.make_query(name, rrtype, id=1, use_edns=0, options=options)
            found.append(query.to_wire())
    return found


QUERIES = queries()

limits = st.builds(
    RateLimits,
    st.sampled_from(["on", "on", "on", "log", "off"]),
    st.integers(0, 12),
    st.integers(0, 6),
    st.integers(0, 7),
    st.integers(8, 32),
    st.integers(16, 128),
    st.sampled_from(
        [Networks(()), Networks(("127.0.0.0/8", "::1")), Networks(("2001:db8::/32",))]
    ),
)
secrets = st.lists(
    st.builds(
        TimedSecret,
        st.integers(NOW_S - 100, NOW_S + 100),
        st.integers(NOW_S - 100, NOW_S + 200),
        st.binary(min_size=16, max_size=16),
    ),
    max_size=4,
).map(tuple)
steps = st.lists(
    st.tuples(
        st.sampled_from(ADDRESSES),
        st.sampled_from([53, 7, 4000]),
        st.integers(0, len(QUERIES) - 1),
        st.integers(0, 60_000),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=30,
)


class Block(SharedBlock):
    """A shared block of one worker, with its descriptor."""

    def __init__(self):
        self.descriptor = os.memfd_create("limits")
        os.ftruncate(self.descriptor, block_size_octets(1))
        os.pwrite(self.descriptor, compose_head(HASH_KEY), 0)
        super().__init__(mmap.mmap(self.descriptor, 0), 0)
        self._nothing = bytes(len(self.octets) - 24)

    def clear(self):
        self.octets[24:] = self._nothing


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Return a core and a definition, each with a block of its own."""
    path = tmp_path_factory.mktemp("limits")
    texts = {"example.": EXAMPLE, "other.": OTHER}
    fill(path, *(zone_from_text(name, text, n) for n, (name, text) in enumerate(texts.items(), 1)))
    generation = current_generation(path)
    ours, theirs = Block(), Block()
    core = native.Core(limits=theirs.descriptor, worker=0)
    core.open(str(generation_path(path, generation)))
    core.renew()
    yield SimpleNamespace(core=core, ours=ours, theirs=theirs)
    core.close()


def define(block, octets, client, now_s, now_us, limits):
    """Return the octets that the definition sends, None for nothing."""
    found = secrets_at(block.secrets(), int(now_s))
    answers = AnswerSettings(b"node-0", b"dns-node", cookie_secrets=found)
    reply = respond(octets, VIEW, client, now_s, answers)
    if isinstance(reply, Drop):
        return None
    if not client.is_tcp and not reply.has_good_cookie:
        judged = RateLimiter(block, limits)
        verdict = judged.judge(client.address, client.port, reply.kind, reply.subject, now_us)
        if verdict is Verdict.DROP:
            return None
        if verdict is Verdict.SLIP:
            reply = respond_limited(octets, client, now_s, answers)
    return reply.octets


def configure(core, limits):
    core.configure(b"node-0", b"dns-node", ["any"], 10)
    core.configure_limits(
        limits.mode, limits.answers_per_s, limits.errors_per_s, limits.slip, limits.ipv4_prefix,
        limits.ipv6_prefix, list(limits.exempt.texts), True,
    )  # fmt: skip


@given(limits, secrets, steps)
def test_the_same_is_sent_and_the_same_stands_in_the_block(sides, limits, secrets, steps):
    for block in (sides.ours, sides.theirs):
        block.clear()
        block.put_secrets(secrets)
    configure(sides.core, limits)
    now_us = NOW_US
    for address, port, number, gap_us, times in steps:
        now_us += gap_us
        client = Client(address, port)
        for _ in range(times):
            wanted = define(sides.ours, QUERIES[number], client, NOW_S, now_us, limits)
            found = sides.core.respond(QUERIES[number], address, port, False, NOW_S, now_us)
            assert found is not False, "it is not handed up"
            assert found == wanted
        event("nothing" if wanted is None else "whole" if wanted[6:8] != b"\0\0" else "short")
    assert sides.ours.octets == sides.theirs.octets


@given(secrets, st.integers(NOW_S - 101, NOW_S + 201), st.integers(0, 24), st.integers(0, 255),
       st.sampled_from(ADDRESSES), st.booleans())  # fmt: skip
def test_cookies_are_answered_alike_at_every_stage_of_a_roll_over(
    sides, secrets, now_s, at, change, address, is_tcp
):
    for block in (sides.ours, sides.theirs):
        block.clear()
        block.put_secrets(secrets)
    off = RateLimits("off")
    configure(sides.core, off)
    client = Client(address, 4000, is_tcp)
    cookie = b"clientck"
    for _ in range(3):
        option = dns.edns.GenericOption(10, cookie)
        query = dns.message.make_query("web.example.", "A", id=1, use_edns=0, options=[option])
        octets = query.to_wire()
        wanted = define(sides.ours, octets, client, now_s, NOW_US, off)
        found = sides.core.respond(octets, address, 4000, is_tcp, now_s, NOW_US)
        assert found == wanted
        options = dns.message.from_wire(found).options
        if not options:
            return
        cookie = options[0].to_wire()
        if at < 24 and _ == 1:
            cookie = cookie[:at] + bytes((cookie[at] ^ change,)) + cookie[at + 1 :]


def test_a_request_for_nothing_but_a_cookie_is_answered_alike(sides):
    for cookie in (b"clientck", b"clientck" + bytes(16), b"short"):
        option = dns.edns.GenericOption(10, cookie)
        octets = bytearray(
            dns.message.make_query(".", "A", id=1, use_edns=0, options=[option]).to_wire()
        )
        octets[4:6] = b"\0\0"
        del octets[12:17]
        for secrets in ((), (TimedSecret(0, NOW_S + 9, b"s" * 16),)):
            for block in (sides.ours, sides.theirs):
                block.clear()
                block.put_secrets(secrets)
            configure(sides.core, RateLimits("off"))
            wanted = define(
                sides.ours, bytes(octets), Client("192.0.2.1", 4000), NOW_S, 0, RateLimits("off")
            )
            found = sides.core.respond(bytes(octets), "192.0.2.1", 4000, False, NOW_S, 0)
            assert found == wanted


def test_nothing_over_tcp_is_limited(sides):
    for block in (sides.ours, sides.theirs):
        block.clear()
    configure(sides.core, RateLimits("on", 1, 1, exempt=Networks(())))
    octets = QUERIES[3]
    for _ in range(20):
        assert sides.core.respond(octets, "192.0.2.1", 4000, True, NOW_S, NOW_US)
    assert sides.ours.octets == sides.theirs.octets
