"""The native core against the definition, octet for octet, and what no reply may ever be."""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dns_node.answer.access import Networks
from dns_node.answer.cookies import CookieSecrets
from dns_node.answer.respond import AnswerSettings, Client, Recurse, respond
from dns_node.store.generation import current_generation, generation_path
from dns_node.store.reader import Reader
from tests.answer.ask import TCP, UDP
from tests.model.native import NativeCore, native
from tests.model.zones_and_queries import a_query, an_odd_query, some_zones
from tests.net.worker_process import fill

pytestmark = pytest.mark.skipif(native is None, reason="the native core is not built")

NOW_S = 1_750_000_000.0
SECRETS = CookieSecrets(b"0123456789abcdef", (b"fedcba9876543210",))
SETTINGS = AnswerSettings(
    identity=b"node-0", version=b"dns-node 1", cookie_secrets=SECRETS,
    recursion=Networks(["2001:db8::1", "192.0.2.54"]),
)  # fmt: skip
CLIENTS = [UDP, UDP, TCP, Client("2001:db8::1", 5353), Client("::ffff:192.0.2.1", 53),
           Client("192.0.2.1", 0), Client("192.0.2.54", 4000)]  # fmt: skip


@contextmanager
def stores(*zones):
    """Yield the definition's view of a store and a native core over a copy of it: two LMDB
    libraries may not have the same one open in one process."""
    path = Path(tempfile.mkdtemp(prefix="native-"))
    try:
        fill(path, *zones)
        shutil.copytree(path / "store", path / "copy" / "store")
        reader = Reader(path)
        core = NativeCore(generation_path(path / "copy", current_generation(path)))
        try:
            yield reader, core
        finally:
            core.close()
            reader.close()
    finally:
        shutil.rmtree(path)


def compare(view, core, octets, client):
    """Ask both; return the native reply, which is the definition's, or False for a punt."""
    reply = core.respond(octets, client, NOW_S, SETTINGS)
    if reply is False:
        return False
    expected = respond(octets, view, client, NOW_S, SETTINGS)
    assert not isinstance(expected, Recurse), "only the definition knows what to resolve"
    assert reply == getattr(expected, "octets", None)
    if reply is None:
        return None
    assert len(reply) <= (65535 if client.is_tcp else 1232)
    is_cookie = expected.has_cookie, expected.has_good_cookie
    assert core.facts() in (None, (expected.kind, expected.subject, *is_cookie))
    return reply


def ask_around(random, queries):
    """Compare *queries* queries about zones that are made by chance."""
    zones = some_zones(random)
    with stores(*zones) as (view, core):
        for _ in range(queries):
            client = random.choice(CLIENTS)
            query = a_query(random, zones)
            if compare(view, core, query, client) is False:
                assert isinstance(respond(query, view, client, NOW_S, SETTINGS), Recurse)
            compare(view, core, an_odd_query(random, zones), client)


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_native_reply_is_the_definitions_reply_octet_for_octet(random):
    ask_around(random, 20)


@pytest.mark.parametrize("seed", range(40))
def test_native_reply_is_the_definitions_reply_for_zones_and_queries_of_a_seed(seed):
    ask_around(Random(seed), 100)


@settings(max_examples=300)
@given(st.binary(max_size=600), st.sampled_from(CLIENTS))
def test_no_octets_bring_a_reply_that_is_larger_than_allowed_or_to_one_who_gets_none(
    octets, client
):
    core = NativeCore(None)
    reply = core.respond(octets, client, NOW_S, SETTINGS)
    expected = respond(octets, None, client, NOW_S, SETTINGS)
    assert reply == getattr(expected, "octets", None)
    if len(octets) < 12 or octets[2] & 0x80 or not client.port:
        assert reply is None
    else:
        assert len(reply) <= (len(octets) + 200 if client.is_tcp else 512)


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "198.51.100.9", "2001:db8::1", "::ffff:192.0.2.9"]
)
def test_who_may_not_ask_is_refused_as_the_definition_does(address):
    allowed = AnswerSettings(query=Networks(["192.0.2.0/29", "2001:db8::/32"]))
    octets = b"\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"
    core, client = NativeCore(None), Client(address, 4000)
    expected = respond(octets, None, client, NOW_S, allowed)
    assert core.respond(octets, client, NOW_S, allowed) == expected.octets
