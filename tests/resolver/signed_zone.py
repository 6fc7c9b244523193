"""Signed zones for tests: keys, signatures and proofs made with dnspython, and what an
authoritative server of such a zone would say to a question.

    zone = SignedZone("example.", "www A 192.0.2.1", denial="nsec3", algorithms=(13,))
    zone.claim("www.example.", "A")       # what its servers say, as the validator is told it
    zone.text()                           # a zone file, for a real server

The knobs make what is wrong, too: other keys, other times, opt-out, iterations, missing parts.
"""

from dns_node.resolver.dnssec.verdict import Claim
from dns_node.resolver.question import Held, Question
from dns_node.zone.names import ancestors, is_subdomain, parent
from dns_node.zone.rrset import RRset, WireName
from tests.resolver.signed_records import SignedRecords
from tests.resolver.signing import CNAME, DNAME, DS, SOA, question


class SignedZone(SignedRecords):
    """A signed zone, and what its servers say."""

    def claim(self, qname: str | WireName, qtype: str | int) -> Claim:
        """Return what a server of the zone says; for a name below a cut, the referral's DS part."""
        asked = question(qname, qtype)
        qname, qtype = asked.qname, asked.qtype
        cut = self.cut_of(qname)
        if cut is not None and not (cut == qname and qtype == DS):
            return self.referral(cut)
        answer: list[Held] = []
        authority: list[Held] = []
        for _ in range(10):
            rcode, following = self._look_up(qname, qtype, answer, authority)
            if following is None:
                break
            qname = following
            if not is_subdomain(qname, self.zone_name) or self.cut_of(qname):
                unique = tuple(dict.fromkeys(authority))
                return Claim(asked, 0, tuple(answer), unique, self.zone_name, is_open=True)
        unique = tuple(dict.fromkeys(authority))
        return Claim(asked, rcode, tuple(answer), unique, self.zone_name)

    def referral(self, cut: WireName) -> Claim:
        """Return what a referral to *cut* says of its DS."""
        asked = Question(cut, DS)
        if DS in self.nodes[cut]:
            return Claim(asked, 0, (self.held(cut, DS),), (), self.zone_name)
        authority: list[Held] = []
        self._prove_types(cut, authority)
        return Claim(asked, 0, (), tuple(authority), self.zone_name)

    def _look_up(self, qname: WireName, qtype: int, answer: list[Held], authority: list[Held]):
        if qname in self.existing:
            return self._node(self.nodes.get(qname, {}), qname, qname, qtype, answer, authority)
        encloser = next(name for name in ancestors(qname) if name in self.existing)
        for name in ancestors(encloser):
            if DNAME in self.nodes.get(name, {}):
                held = self.held(name, DNAME)
                target = qname[: -len(name)] + held.rrset.rdatas[0]
                answer += [held, Held(qname, RRset(CNAME, held.rrset.ttl_s, (target,)))]
                return 0, target
            if name == self.zone_name:
                break
        wildcard = b"\1*" + encloser
        if wildcard in self.existing:
            self._prove_absent(qname, encloser, authority, with_wildcard=False)
            node = self.nodes.get(wildcard, {})
            return self._node(node, wildcard, qname, qtype, answer, authority)
        authority.append(self.held(self.zone_name, SOA))
        self._prove_absent(qname, encloser, authority, with_wildcard=True)
        return 3, None

    def _node(self, node, owner, qname, qtype, answer, authority):
        if qtype in node:
            answer.append(Held(qname, node[qtype]))
            return 0, None
        if CNAME in node:
            answer.append(Held(qname, node[CNAME]))
            return 0, node[CNAME].rdatas[0]
        authority.append(self.held(self.zone_name, SOA))
        if owner != qname and self.denial == "nsec3":
            encloser = parent(owner)
            self._prove_nsec3(encloser, authority)
        self._prove_types(owner, authority)
        return 0, None

    # Its proofs.

    def _prove_types(self, owner: WireName, authority: list[Held]) -> None:
        if not self.is_signed or not self.denial:
            return
        if self.denial == "nsec":
            self._prove_nsec(owner, authority)
        elif self.hash_of(owner) in self._hashed:
            self._prove_nsec3(owner, authority)
        else:
            encloser = next(n for n in ancestors(parent(owner)) if self.hash_of(n) in self._hashed)
            self._prove_nsec3(encloser, authority)
            self._prove_nsec3(_next_closer(owner, encloser), authority)

    def _prove_absent(self, qname, encloser, authority, with_wildcard) -> None:
        if not self.is_signed or not self.denial:
            return
        if self.denial == "nsec":
            self._prove_nsec(qname, authority)
            if with_wildcard:
                self._prove_nsec(b"\1*" + encloser, authority)
            return
        if with_wildcard:
            self._prove_nsec3(encloser, authority)
            self._prove_nsec3(b"\1*" + encloser, authority)
        self._prove_nsec3(_next_closer(qname, encloser), authority)

    def _prove_nsec(self, name: WireName, authority: list[Held]) -> None:
        authority.append(self.nsec_for(name))

    def _prove_nsec3(self, name: WireName, authority: list[Held]) -> None:
        authority.append(self.nsec3_for(name))


class UnsignedZone(SignedZone):
    """A zone without keys."""

    def __init__(self, apex: str, lines: str = "", children: tuple = ()):
        super().__init__(apex, lines, denial=None, is_signed=False, children=children)


def _next_closer(qname: WireName, encloser: WireName) -> WireName:
    return next(name for name in ancestors(qname) if parent(name) == encloser)
