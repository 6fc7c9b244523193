"""Our own zones as a resolution sees them, in the newest revision at each look."""

from dns_node.answer.lookup import look_up
from dns_node.answer.query import REFUSED
from dns_node.answer.sections import Sections
from dns_node.net.answering import Answering
from dns_node.resolver.question import Question
from dns_node.zone.rrset import WireName


class LocalZones:
    """What `resolver.resolver.LocalData` asks for."""

    def __init__(self, answering: Answering):
        self._answering = answering

    def enclosing(self, name: WireName) -> WireName | None:
        """Return the apex of our zone that encloses *name*, None when none does."""
        reader = self._answering.reader
        if reader is None:
            return None
        reader.renew()
        try:
            found = reader.enclosing_zone(name)
            return None if found is None else found[0]
        finally:
            reader.reset()

    def look_up(self, question: Question) -> Sections | None:
        """Return what our zones say to *question*, with proofs: an answer, aliases that lead out of
        them, or a referral where one of our cuts leads on; None outside of them."""
        reader = self._answering.reader
        if reader is None:
            return None
        reader.renew()
        try:
            found = look_up(reader, question.qname, question.qtype, True, True)
            if found.onward is None:
                return found
            if found.onward == question.qname and found.rcode == REFUSED:
                return None
            return look_up(reader, question.qname, question.qtype, True)
        finally:
            reader.reset()
