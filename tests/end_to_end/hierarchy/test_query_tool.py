"""`dns-node query` over the hierarchy."""

import sys
from pathlib import Path

from . import plan
from .hierarchy import Hierarchy

ROOT = Path(__file__).resolve().parents[3]


def query(hierarchy: Hierarchy, *words: str) -> str:
    """What the tool says in the hierarchy."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from dns_node.query_tool.run import run"
    )
    return hierarchy.run(sys.executable, "-c", f"{script}; sys.exit(run(sys.argv[1:]))", *words)


def test_a_trace_goes_from_the_root_down_and_names_who_said_what(hierarchy: Hierarchy) -> None:
    out = query(hierarchy, f"@{hierarchy.place.address(plan.ROOT_A)}", "+trace", "www.signed.north")
    steps = [line for line in out.splitlines() if " ms: " in line]
    assert [step.split()[0] for step in steps] == [".", "north.", "signed.north."]
    assert "a.root. (" in steps[0] and steps[0].endswith("NOERROR, referral")
    assert steps[-1].endswith("NOERROR, answer")
    assert "  www.signed.north.  3600  A   192.0.2.11" in out


def test_a_trace_follows_aliases_into_other_zones(hierarchy: Hierarchy) -> None:
    root = f"@{hierarchy.place.address(plan.ROOT_B)}"
    out = query(hierarchy, root, "+trace", "+dnssec", "to-nsec3.signed.north")
    assert "on with www.nsec3.north." in out
    assert " RRSIG " in out and " DS " in out


def test_a_trace_passes_over_servers_that_do_not_answer(hierarchy: Hierarchy) -> None:
    root = f"@{hierarchy.place.address(plan.ROOT_A)}"
    out = query(hierarchy, root, "+trace", "+timeout=0.2", "+tries=1", "www.dead.north")
    assert "no reply within 0.2 s" in out and "  www.dead.north.  3600  A   192.0.2.1" in out
    out = query(hierarchy, root, "+trace", "+timeout=0.2", "+tries=1", "www.nobody.south")
    assert out.rstrip().endswith("none of the servers of nobody.south. answers")
