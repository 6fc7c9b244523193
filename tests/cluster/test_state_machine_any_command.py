"""No command, however odd, stops apply: an exception there would stop every node."""

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from dns_node.cluster import command as c
from dns_node.zone import change as z
from dns_node.zone.rrset import RRset
from tests.cluster.commands import NOW_MS, operation_id
from tests.model.test_store_against_dict import APEXES, OWNERS, QUICK, RDATAS, commands, store

NUMBER = st.one_of(
    st.integers(0, 300), st.sampled_from([-1, 65_536, 2**31, 2**32, 2**40, 2**63 - 1])
)
OCTETS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\1A\0", b"\x40" + b"a" * 64 + b"\0", b"a" * 600, b"x" * 70_000, b"\0\0"]),
)
TEXT = st.one_of(st.text(max_size=5), st.sampled_from(["k" * 600, ""]))
NAME = st.one_of(st.sampled_from([*OWNERS, *APEXES, *APEXES]), OCTETS)
RDATA = st.one_of(st.sampled_from([r for found in RDATAS.values() for r in found]), OCTETS)
TYPE = st.one_of(st.sampled_from([*RDATAS, 46, 255, 0]), NUMBER)
MANY = st.lists(RDATA, max_size=3).map(tuple)
TTL = st.one_of(st.none(), NUMBER)
RRSET = st.builds(RRset, TYPE, NUMBER, MANY, MANY)
SOURCE = st.builds(z.SourceKey, TEXT, TEXT, NAME)
PAIRS = st.lists(st.tuples(NAME, RRSET), max_size=3).map(tuple)
MODE = st.sampled_from(["new", "update", "adopt", "merge", "replace", "", "other"])
STAGE = st.one_of(st.sampled_from([b"s", b"t"]), OCTETS)
MEMBER = st.builds(c.Member, TEXT, TEXT, TEXT, TEXT)
ROW = st.tuples(NAME, st.lists(RRSET, max_size=2).map(tuple))
OPERATION = st.one_of(
    st.builds(z.Add, NAME, TYPE, TTL, MANY, NUMBER),
    st.builds(z.Remove, NAME, TYPE, st.one_of(st.none(), MANY)),
    st.builds(z.Replace, NAME, TYPE, TTL, MANY, NUMBER, st.one_of(st.none(), NAME)),
    st.builds(z.DropZone, NAME),
    st.builds(z.RestoreZone, NAME, NUMBER),
    st.builds(z.Import, SOURCE, MODE, PAIRS, PAIRS, OCTETS),
    st.builds(c.PutKey, TEXT, TEXT),
    st.builds(c.DeleteKey, TEXT),
    st.builds(c.FormCluster, TEXT, st.lists(MEMBER, max_size=2).map(tuple)),
    st.builds(c.PutMember, MEMBER, OCTETS),
    st.builds(c.DropMember, TEXT),
    st.builds(c.PutToken, OCTETS, NUMBER),
    st.builds(c.StageSlice, STAGE, NUMBER, OCTETS),
    st.builds(c.RunStaged, STAGE, NUMBER, OCTETS),
    st.builds(c.StageRows, STAGE, st.lists(ROW, max_size=3).map(tuple)),
    st.builds(c.PublishRows, STAGE, NAME, MODE, OCTETS, TEXT, TEXT),
    st.builds(c.Trim, NUMBER, NUMBER),
)
CONDITION = st.one_of(
    st.builds(c.StoreRevisionIs, NUMBER),
    st.builds(c.ZoneSerialIs, NAME, NUMBER),
    st.builds(c.RRsetIs, NAME, NAME, TYPE, st.one_of(st.none(), RRSET)),
    st.builds(c.ZoneIs, NAME, TTL, TTL),
    st.builds(c.KeyIs, TEXT, st.one_of(st.none(), TEXT)),
)
TEMPLATE = st.builds(z.ZoneTemplate, NAME, RRSET, RRSET)


@st.composite
def odd_commands(draw):
    return c.Command(
        draw(st.one_of(st.builds(operation_id), OCTETS)),
        draw(st.sampled_from([NOW_MS, NOW_MS, NOW_MS, -1, 2**63 - 1])),
        draw(TEXT),
        draw(TEXT),
        tuple(draw(st.lists(OPERATION, max_size=2))),
        tuple(draw(st.one_of(st.just([]), st.lists(CONDITION, max_size=1)))),
        tuple(draw(st.one_of(st.just([]), st.lists(TEMPLATE, max_size=1)))),
        draw(st.sampled_from([0, 5, -1, 2**32])),
    )


@QUICK
@given(st.lists(st.one_of(commands(), odd_commands(), odd_commands()), min_size=1, max_size=10))
def test_every_command_is_answered_and_none_stops_apply(asked):
    with store() as real:
        for command in asked:
            try:
                octets = c.compose_entry((command,))
            except (OverflowError, msgspec.MsgspecError):
                continue
            assert c.parse_entry(octets) == (command,)
            outcome = real.apply(command)
            assert isinstance(outcome, c.Done | c.Refused)
            if isinstance(outcome, c.Refused):
                assert outcome.reasons and all(outcome.reasons)
            event(type(outcome).__name__)
        while real.writer.collect_garbage(50):
            pass
