"""Which name a server is asked for on the way down (RFC 9156).

A server hears no more of the name than it needs to refer on: one label below the zone that it is
asked for, then more.  Long names do not cost a query per label: after MINIMISE_ONE_LABEL steps
several labels are added at once, so that MINIMISE_COUNT_MAX steps reach the end (section 2.3).
"""

from typing import Final

from dns_node.zone.rrset import WireName

MINIMISE_COUNT_MAX: Final = 10
MINIMISE_ONE_LABEL: Final = 4


def label_offsets(name: WireName) -> list[int]:
    """Return where the labels of *name* begin, the root's last."""
    offsets = [0]
    offset = 0
    while name[offset]:
        offset += name[offset] + 1
        offsets.append(offset)
    return offsets


def next_name(qname: WireName, known: WireName, step: int) -> WireName:
    """Return the name to ask next for *qname* on its way down from *known*, an ancestor or itself.

    *known* is the longest name so far that is known to exist (at first the zone's apex); *step*
    counts the names that were asked already, through all zones of the question.
    """
    offsets = label_offsets(qname)
    missing = len(offsets) - len(label_offsets(known))
    assert missing >= 0, "the name is below what is known of it"
    if missing <= 1 or step >= MINIMISE_COUNT_MAX:
        return qname
    labels = 1
    if step >= MINIMISE_ONE_LABEL:
        # What is missing is spread over the steps that are left, the later ones take more.
        left = MINIMISE_COUNT_MAX - step
        labels = -(-missing // left)
    return qname[offsets[missing - labels] :]
