"""Managed zone files: what a load proposes."""

from hypothesis import given
from hypothesis import strategies as st

from dns_node.control.sources import difference, plan_import
from dns_node.store.layout import rows_digest
from dns_node.zone.change import SourceKey
from dns_node.zone.names import parse_name
from dns_node.zone.rrset import RRset
from dns_node.zone.view import SourceHeader, ZoneHeader

ORIGIN = parse_name("example.com")
KEY = SourceKey("0", "/zones/example.com.zone", ORIGIN)
OTHER = SourceKey("1", "/other/example.com.zone", ORIGIN)
OWNERS = [parse_name(f"{label}.example.com") for label in ("a", "b", "c")]


def rrsets(rrtype):
    """One RRset of *rrtype* with up to three records."""
    rdatas = st.lists(st.integers(1, 4), min_size=1, unique=True).map(
        lambda numbers: tuple(bytes((10, 0, 0, number)) for number in sorted(numbers))
    )
    return st.builds(RRset, st.just(rrtype), st.sampled_from([60, 300]), rdatas)


contents = st.dictionaries(
    st.sampled_from(OWNERS),
    st.dictionaries(st.sampled_from([1, 99]), st.nothing(), max_size=0)
    | st.fixed_dictionaries({1: rrsets(1)})
    | st.fixed_dictionaries({1: rrsets(1), 99: rrsets(99)}),
).map(lambda nodes: {owner: node for owner, node in nodes.items() if node})


class FakeView:
    """The zones and sources of a test; zone id 1 is the zone, 2 a source's memory."""

    def __init__(self, zone=None, sources=None):
        self._zone, self._sources = zone, sources or {}

    def zone(self, apex):
        """Return the header of the one zone, if there is one."""
        if self._zone is None or apex != ORIGIN:
            return None
        return ZoneHeader(1, 1, 0, "primary", 300, 0, 0, 0, 0, 0, bytes(32), "")

    def source(self, key):
        """Return what is remembered of *key*."""
        known = self._sources.get(key)
        return None if known is None else SourceHeader(2, rows_digest(known), 1)

    def sources(self):
        """Yield every remembered source."""
        return ((key, self.source(key)) for key in self._sources)

    def walk(self, zone_id):
        """Yield the rows of the zone, or of the one source."""
        rows = self._zone if zone_id == 1 else next(iter(self._sources.values()))
        return iter(sorted(rows.items()))


def carried_out(before, removes, adds):
    """Apply a difference as the state machine does."""
    nodes = {owner: dict(node) for owner, node in before.items()}
    for owner, rrset in removes:
        old = nodes[owner][rrset.rrtype]
        left = tuple(rdata for rdata in old.rdatas if rdata not in rrset.rdatas)
        if left:
            nodes[owner][rrset.rrtype] = RRset(rrset.rrtype, old.ttl_s, left)
        else:
            del nodes[owner][rrset.rrtype]
    for owner, rrset in adds:
        node = nodes.setdefault(owner, {})
        old = node.get(rrset.rrtype)
        rdatas = set(rrset.rdatas) | set(old.rdatas if old else ())
        node[rrset.rrtype] = RRset(rrset.rrtype, rrset.ttl_s, tuple(sorted(rdatas)))
    return {owner: node for owner, node in nodes.items() if node}


@given(contents, contents)
def test_the_difference_turns_the_old_file_into_the_new_one(old, new):
    removes, adds = difference(sorted(old.items()), new)
    assert carried_out(old, removes, adds) == new


@given(contents)
def test_an_unchanged_file_proposes_nothing(rows):
    view = FakeView(zone={}, sources={KEY: rows})
    assert plan_import(view, KEY, rows, rows_digest(rows)).operation is None


@given(contents, contents)
def test_a_known_source_proposes_against_its_own_last_import_and_not_the_zone(old, new):
    view = FakeView(zone={}, sources={KEY: old})
    plan = plan_import(view, KEY, new, rows_digest(new))
    if old == new:
        assert plan.operation is None
    else:
        assert plan.operation.mode == "update"
        assert carried_out(old, plan.operation.removes, plan.operation.adds) == new


@given(contents)
def test_a_file_without_a_zone_creates_it(rows):
    plan = plan_import(FakeView(), KEY, rows, rows_digest(rows))
    assert plan.operation.mode == "new" and not plan.warning


@given(contents)
def test_a_new_source_that_equals_a_recorded_one_is_adopted_silently(rows):
    view = FakeView(zone={}, sources={OTHER: rows})
    plan = plan_import(view, KEY, rows, rows_digest(rows))
    assert plan.operation.mode == "adopt" and not plan.warning


@given(contents, contents)
def test_a_new_source_that_differs_proposes_nothing_and_says_how_to_go_on(known, rows):
    view = FakeView(zone=known, sources={OTHER: known})
    plan = plan_import(view, KEY, rows, rows_digest(rows))
    if known == rows:
        assert plan.operation.mode == "adopt"
    else:
        assert plan.operation is None
        assert f"LOAD {KEY.path} merge" in plan.warning
        assert f"LOAD {KEY.path} replace" in plan.warning


@given(contents, st.sampled_from(["merge", "replace"]))
def test_the_user_s_word_overrides_what_is_there(rows, mode):
    view = FakeView(zone={})
    assert plan_import(view, KEY, rows, rows_digest(rows), mode).operation.mode == mode
