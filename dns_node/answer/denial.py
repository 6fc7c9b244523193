"""The NSEC records that prove what a zone does not hold (RFC 4035 section 3.1.3)."""

from dns_node.answer.sections import AUTHORITY, Sections
from dns_node.zone.find import NSEC, parent
from dns_node.zone.rrset import Node, WireName
from dns_node.zone.view import View


class Prover:
    """Puts the NSEC records of one zone into the authority section.

    It does nothing in a zone that is not signed with NSEC, and puts no record there twice.
    """

    def __init__(self, view: View, apex: WireName, zone_id: int, sections: Sections):
        self._view, self._apex, self._zone_id, self._sections = view, apex, zone_id, sections
        apex_node = view.node(zone_id, apex)
        self.is_signed = apex_node is not None and NSEC in apex_node

    def put_at(self, owner: WireName, node: Node | None) -> None:
        """Prove which types *owner* has: its own NSEC, or the one across an empty non-terminal."""
        if self.is_signed and node is not None and NSEC in node:
            self._put(owner, node)
        else:
            self.put_across(owner)

    def put_across(self, name: WireName) -> None:
        """Prove that *name* does not exist, or holds no record: the NSEC that goes across it."""
        if not self.is_signed or len(name) > 255:
            return
        preceding = self._view.predecessor(self._zone_id, name)
        while preceding is not None:
            node = self._view.node(self._zone_id, preceding)
            if node is not None and NSEC in node:
                self._put(preceding, node)
                return
            if len(preceding) <= len(self._apex):
                return
            # What has no NSEC lies below a zone cut (glue): the NSEC across it is the cut's.
            preceding = parent(preceding)

    def _put(self, owner: WireName, node: Node) -> None:
        self._sections.put(AUTHORITY, owner, node[NSEC])
