"""Our own zones as a resolution sees them, in the newest revision at each look."""

from itertools import islice
from typing import Final

from dns_node.answer.lookup import look_up
from dns_node.answer.query import REFUSED
from dns_node.answer.sections import Sections
from dns_node.net.answering import Answering
from dns_node.resolver.question import Question
from dns_node.zone.rrset import WireName

ZONES_MAX: Final = 2000
"""Zones that are looked at after a change: there may be a million."""


class LocalZones:
    """What `resolver.resolver.LocalData` asks for."""

    def __init__(self, answering: Answering):
        self._answering = answering
        self._revision = -1
        self._apexes: frozenset[WireName] = frozenset()

    def have_changed(self) -> bool:
        """Say whether a zone came or went since the last call, as far as that is looked at: what
        is kept may lead into it."""
        reader = self._answering.reader
        if reader is None:
            return False
        reader.renew()
        try:
            revision = reader.revision()
            if revision == self._revision:
                return False
            is_first, self._revision = self._revision < 0, revision
            apexes = frozenset(apex for apex, _ in islice(reader.zones(), ZONES_MAX))
        finally:
            reader.reset()
        before, self._apexes = self._apexes, apexes
        return apexes != before and not is_first

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
