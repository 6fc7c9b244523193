"""DNS64 (RFC 6147): IPv6 addresses for names that have IPv4 addresses alone.

An IPv4 address goes into a prefix of 32, 40, 48, 56, 64 or 96 bits (RFC 6052 section 2.2); bits 64
to 71 stay 0.
"""

import ipaddress
from collections.abc import Generator, Iterable
from typing import Final

from dns_node.answer.query import NOERROR, NXDOMAIN
from dns_node.resolver.policy.rebinding import PRIVATE, Rebinding
from dns_node.resolver.policy.special_names import IPV4ONLY
from dns_node.resolver.policy.verdict import Answered, Request, Verdict, is_bogus
from dns_node.resolver.question import Held, Outcome, Question, Security
from dns_node.zone.names import is_subdomain, labels, parse_name
from dns_node.zone.rrset import RRset, WireName

A, CNAME, SOA, PTR, AAAA = 1, 5, 6, 12, 28
WELL_KNOWN: Final = "64:ff9b::/96"
TTL_MAX_S: Final = 600
"""The longest TTL of a synthesized address where no SOA says how long there is no AAAA
(RFC 6147 section 5.1.7)."""

EXCLUDED: Final = ("::ffff:0:0/96",)
"""AAAA records that count as absent (RFC 6147 section 5.1.4)."""

_IP6_ARPA: Final = parse_name("ip6.arpa.")
_OFFSETS: Final = {
    32: (4, 5, 6, 7), 40: (5, 6, 7, 9), 48: (6, 7, 9, 10),
    56: (7, 9, 10, 11), 64: (9, 10, 11, 12), 96: (12, 13, 14, 15),
}  # fmt: skip
"""Where the four octets of the IPv4 address go, by prefix length."""

Ask = Generator[Question, Verdict, Verdict]
"""Yields questions that pass all other policy, and takes what they are answered with."""


def check_prefix(text: str) -> str:
    """Return the canonical text of a prefix for DNS64; raises ValueError that says why not."""
    network = ipaddress.IPv6Network(text)
    if network.prefixlen not in _OFFSETS:
        raise ValueError("the length is none of 32, 40, 48, 56, 64 and 96")
    if network.network_address.packed[8]:
        raise ValueError("bits 64 to 71 are not 0")
    return str(network)


class _Prefix:
    """One prefix."""

    def __init__(self, text: str):
        network = ipaddress.IPv6Network(check_prefix(text))
        self._octets, self._offsets = network.network_address.packed, _OFFSETS[network.prefixlen]
        self._number = int(network.network_address)
        self._shift = 128 - network.prefixlen
        self.is_well_known = str(network) == WELL_KNOWN

    def embed(self, ipv4: bytes) -> bytes:
        """Return the IPv6 address of an IPv4 address."""
        octets = bytearray(self._octets)
        for offset, octet in zip(self._offsets, ipv4, strict=True):
            octets[offset] = octet
        return bytes(octets)

    def extract(self, ipv6: bytes) -> bytes | None:
        """Return the IPv4 address in *ipv6*; None outside the prefix."""
        if (int.from_bytes(ipv6, "big") ^ self._number) >> self._shift:
            return None
        return bytes(ipv6[offset] for offset in self._offsets)


class Dns64:
    """DNS64 with one or more prefixes; each gives one address (RFC 6147 section 5.2)."""

    def __init__(self, prefixes: Iterable[str] = (WELL_KNOWN,), excluded: Iterable[str] = EXCLUDED):
        self._prefixes = tuple(_Prefix(text) for text in prefixes)
        self._excluded = Rebinding(excluded)
        # The well-known prefix is for public addresses only (RFC 6052 section 3.1).
        self._private = Rebinding(PRIVATE)

    def concerns(self, request: Request) -> bool:
        """Say whether the answer to *request* may be one of ours: it asks for AAAA, or for the PTR
        of an address, and not as a validator that wants the data as it is (section 5.5)."""
        if request.is_cd and request.is_do:
            return False
        question = request.question
        return question.qtype == AAAA or (
            question.qtype == PTR and is_subdomain(question.qname, _IP6_ARPA)
        )

    def answer(self, question: Question) -> Ask:
        """Answer a question that is our concern."""
        if question.qtype == PTR:
            return (yield from self._reverse(question))
        verdict = yield question
        if not isinstance(verdict, Answered) or not self._lacks_aaaa(verdict.outcome):
            return verdict
        ipv4 = yield Question(question.qname, A)
        if not isinstance(ipv4, Answered) or not _has(ipv4.outcome, A):
            return verdict
        outcome = self._synthesize(verdict.outcome, ipv4.outcome)
        if not _has(outcome, AAAA):
            return verdict
        is_shared = verdict.is_shared and ipv4.is_shared
        return Answered(outcome, is_shared, ipv4.rule or verdict.rule)

    def _lacks_aaaa(self, outcome: Outcome) -> bool:
        """Say whether IPv4 is to be tried (sections 5.1.1 to 5.1.4): there is no AAAA that counts.
        Not for a name that doesn't exist, nor for what is bogus (section 5.5)."""
        if outcome.rcode == NXDOMAIN or is_bogus(outcome):
            return False
        return not any(
            held.rrset.rrtype == AAAA
            and any(not self._excluded.is_inside(rdata) for rdata in held.rrset.rdatas)
            for held in outcome.answer
        )

    def _synthesize(self, ipv6: Outcome, ipv4: Outcome) -> Outcome:
        ttl_max_s = min(
            (min(held.rrset.ttl_s, _minimum_s(held)) for held in ipv6.authority
             if held.rrset.rrtype == SOA),
            default=TTL_MAX_S,
        )  # fmt: skip
        answer = []
        for held in ipv4.answer:
            if held.rrset.rrtype != A:
                answer.append(held)
                continue
            is_any = held.owner == IPV4ONLY
            rdatas = sorted(
                prefix.embed(rdata)
                for prefix in self._prefixes
                for rdata in held.rrset.rdatas
                if is_any or not (prefix.is_well_known and self._private.is_inside(rdata))
            )
            if rdatas:
                rrset = RRset(AAAA, min(held.rrset.ttl_s, ttl_max_s), tuple(rdatas))
                answer.append(Held(held.owner, rrset, Security.INSECURE))
        return Outcome(
            NOERROR,
            tuple(answer),
            (),
            Security.INSECURE,
            min(ipv4.ttl_s, ttl_max_s),
            tuple(dict.fromkeys((*ipv6.errors, *ipv4.errors))),
            ipv6.is_stale or ipv4.is_stale,
            (*ipv6.steps, *ipv4.steps),
            ipv4.additional,
        )

    def _reverse(self, question: Question) -> Ask:
        """Answer the PTR of a synthesized address with a CNAME to that of the IPv4 address
        (section 5.3.1)."""
        address = _address_of(question.qname)
        found = (prefix.extract(address) for prefix in self._prefixes) if address else ()
        ipv4 = next((octets for octets in found if octets is not None), None)
        if ipv4 is None:
            return (yield question)
        target = parse_name(".".join(str(octet) for octet in reversed(ipv4)) + ".in-addr.arpa.")
        verdict = yield Question(target, PTR)
        if not isinstance(verdict, Answered):
            return verdict
        outcome = verdict.outcome
        ttl_s = min(outcome.ttl_s, TTL_MAX_S)
        alias = Held(question.qname, RRset(CNAME, ttl_s, (target,)), Security.INSECURE)
        outcome = Outcome(
            outcome.rcode,
            (alias, *outcome.answer),
            outcome.authority,
            min(outcome.security, Security.INSECURE),
            ttl_s,
            outcome.errors,
            outcome.is_stale,
            outcome.steps,
            outcome.additional,
        )
        return Answered(outcome, verdict.is_shared, verdict.rule)


def _has(outcome: Outcome, rrtype: int) -> bool:
    return outcome.rcode == NOERROR and any(held.rrset.rrtype == rrtype for held in outcome.answer)


def _minimum_s(soa: Held) -> int:
    return int.from_bytes(soa.rrset.rdatas[0][-4:], "big")


def _address_of(name: WireName) -> bytes | None:
    """Return the IPv6 address that a name below ip6.arpa stands for; None when it is no whole
    address."""
    parts = labels(name)
    if len(parts) != 34 or any(len(part) != 1 for part in parts[:32]):
        return None
    try:
        return bytes.fromhex(b"".join(reversed(parts[:32])).decode("ascii"))
    except ValueError:
        return None
