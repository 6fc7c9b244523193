"""How a server of a scenario behaves: `server` statements as rules, from honest to malign."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.resolver.scenario import authority
from tests.resolver.scenario.malice import MALICE
from tests.resolver.scenario.script import ScriptError, Statement
from tests.resolver.scenario.zones import Zone, record_of

NETWORK_S = 0.01
"""How long a reply is on its way."""


@dataclass(frozen=True)
class Sent:
    """What comes back, *after_s* the query left: octets, or None for an unreachable server."""

    after_s: float
    octets: bytes | None


@dataclass(frozen=True)
class Query:
    """A query at a server, parsed."""

    address: str
    is_udp: bool
    octets: bytes
    message: dns.message.Message
    now_s: float

    @property
    def name(self) -> dns.name.Name:
        """The name asked for, in the letters of the query."""
        return self.message.question[0].name


@dataclass
class Rule:
    """One `server` statement: for which queries it holds, and what the server does then."""

    address: str
    tests: list[Callable[[Query, int], bool]]
    actions: list[list[str]]
    block: tuple[str, ...]
    matched: int = 0
    served: int = 0

    def holds(self, query: Query) -> bool:
        """Whether the query is one of those; ordinals (`first`, `after`) count such queries."""
        prefix = self.address.removesuffix("*")
        if query.address != prefix and (
            prefix == self.address or not query.address.startswith(prefix)
        ):
            return False
        if not all(test(query, self.matched) for test in self.tests if test not in _ordinals(self)):
            return False
        self.matched += 1
        return all(test(query, self.matched) for test in _ordinals(self))

    def serve(self, query: Query, zones: list[Zone]) -> list[Sent]:
        """Return what the server sends back, in its order."""
        self.served += 1
        sent: list[Sent] = []
        after_s = NETWORK_S
        for words in self.actions:
            if words[0] == "silent":
                continue
            if words[0] == "slow":
                after_s += float(words[1])
                words = words[2:] or ["zone"]
            if words[0] == "unreachable":
                sent.append(Sent(after_s, None))
                continue
            times = 1
            if words[0].isdigit():
                times, words = int(words[0]), words[1:]
            sent += [Sent(after_s, self._octets(words, query, zones)) for _ in range(times)]
        return sent

    def _octets(self, words: list[str], query: Query, zones: list[Zone]) -> bytes:
        base, mangles = words[0], words[1:]
        if base == "zone":
            octets = authority.answer(query.octets, zones, query.is_udp)
        elif base == "rcode":
            reply = _bare_reply(query, "bare" in mangles)
            reply.set_rcode(dns.rcode.from_text(mangles[0]))
            octets, mangles = reply.to_wire(), [word for word in mangles[1:] if word != "bare"]
        elif base == "truncated":
            reply = _bare_reply(query, False)
            reply.flags |= dns.flags.TC
            octets = reply.to_wire()
        elif base == "reply":
            octets = authority.compose(self._filled(query), query.message, query.is_udp)
        elif base == "malice":
            octets, mangles = MALICE[mangles[0]](query.octets), mangles[1:]
        else:
            raise ScriptError(f"a server can't {base!r}")
        for word in mangles:
            octets = MANGLES[word](octets)
        return octets

    def _filled(self, query: Query) -> dns.message.Message:
        reply = authority.make_reply(query.message)
        qname = query.name.to_text()
        places = {
            "qname": qname,
            "lower": qname.lower(),
            "label": qname.partition(".")[0],
            "above": qname.partition(".")[2] or ".",
            "qtype": dns.rdatatype.to_text(query.message.question[0].rdtype),
            "n": str(self.served),
        }
        for line in self.block:
            word, _, rest = line.partition(" ")
            times = 1
            if word.endswith("x") and word[:-1].isdigit():
                times = int(word[:-1])
                word, _, rest = rest.strip().partition(" ")
            if word == "rcode":
                reply.set_rcode(dns.rcode.from_text(rest))
            elif word == "flags":
                reply.flags = dns.flags.QR | dns.flags.from_text(rest.upper())
            elif word == "no-edns":
                reply.use_edns(False)
            elif word == "zone":
                continue
            else:
                section = {"answer": reply.answer, "authority": reply.authority,
                           "additional": reply.additional}[word]  # fmt: skip
                for number in range(1, times + 1):
                    text = _fill(rest, {**places, "i": str(number)})
                    owner, ttl_s, rrtype, rdata = record_of(text, dns.name.root)
                    section.append(dns.rrset.from_text(owner, ttl_s, 1, rrtype, rdata))
        return reply


def _fill(text: str, places: dict[str, str]) -> str:
    for key, value in places.items():
        text = text.replace("{" + key + "}", value)
    return text


def _ordinals(rule: Rule) -> list:
    return [test for test in rule.tests if getattr(test, "is_ordinal", False)]


def _bare_reply(query: Query, without_edns: bool) -> dns.message.Message:
    reply = authority.make_reply(query.message)
    if without_edns:
        reply.use_edns(False)
    return reply


def rule_of(statement: Statement) -> Rule:
    """Return the rule of a `server` statement; raises ScriptError."""
    words = list(statement.words)
    address = words.pop(0)
    tests: list = []
    while words:
        word = words.pop(0)
        if word == "for":
            tests.append(_for_name(words.pop(0)))
            if words and words[0].isupper():
                tests.append(_for_type(words.pop(0)))
        elif word == "over":
            is_udp = words.pop(0) == "udp"
            tests.append(lambda query, _, is_udp=is_udp: query.is_udp == is_udp)
        elif word in ("with", "without"):
            tests.append(_with(words.pop(0), word == "with"))
        elif word in ("first", "after"):
            tests.append(_ordinal(word, int(words.pop(0))))
        else:
            raise ScriptError(f"line {statement.line}: {word} is no condition of a server")
    actions = [action.split() for action in statement.tail.split(" then ")]
    if actions == [[]]:
        actions = [["reply"]]
    return Rule(address, tests, actions, statement.block)


def _for_name(text: str) -> Callable[[Query, int], bool]:
    if text.startswith("*"):
        suffix = dns.name.from_text(text[2:] or ".")
        return lambda query, _: query.name.is_subdomain(suffix) and query.name != suffix
    name = dns.name.from_text(text)
    return lambda query, _: query.name == name


def _for_type(text: str) -> Callable[[Query, int], bool]:
    types = {dns.rdatatype.from_text(word) for word in text.split(",")}
    return lambda query, _: query.message.question[0].rdtype in types


def _with(what: str, wanted: bool) -> Callable[[Query, int], bool]:
    tests = {
        "edns": lambda query: query.message.edns >= 0,
        "do": lambda query: bool(query.message.ednsflags & dns.flags.DO),
        "cookie": lambda query: any(int(option.otype) == 10 for option in query.message.options),
        "rd": lambda query: bool(query.message.flags & dns.flags.RD),
        "ecs": lambda query: any(int(option.otype) == 8 for option in query.message.options),
    }
    test = tests[what]
    return lambda query, _: test(query) == wanted


def _ordinal(word: str, number: int) -> Callable[[Query, int], bool]:
    def test(query: Query, matched: int) -> bool:
        return matched <= number if word == "first" else matched > number

    test.is_ordinal = True  # type: ignore[attr-defined]
    return test


def _edited(edit: Callable[[dns.message.Message], None]) -> Callable[[bytes], bytes]:
    def mangle(octets: bytes) -> bytes:
        message = dns.message.from_wire(octets)
        edit(message)
        return message.to_wire(max_size=65535)

    return mangle


def _without(*types: int) -> Callable[[bytes], bytes]:
    def edit(message: dns.message.Message) -> None:
        for section in (message.answer, message.authority):
            section[:] = [rrset for rrset in section if rrset.rdtype not in types]

    return _edited(edit)


def _break_signatures(message: dns.message.Message) -> None:
    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.RRSIG:
                rdatas = [
                    rdata.replace(signature=rdata.signature[:-1] + bytes([rdata.signature[-1] ^ 1]))
                    for rdata in rrset
                ]
                rrset.clear()
                for rdata in rdatas:
                    rrset.add(rdata, rrset.ttl)


def _flip_case(octets: bytes) -> bytes:
    end = octets.index(0, 12)
    return octets[:12] + octets[12:end].swapcase() + octets[end:]


MANGLES: dict[str, Callable[[bytes], bytes]] = {
    "wrong-id": lambda octets: struct.pack("!H", octets[0] << 8 ^ octets[1] ^ 0x0101) + octets[2:],
    "wrong-case": _flip_case,
    "lower-case": lambda octets: (
        octets[:12] + octets[12 : octets.index(0, 12)].lower() + octets[octets.index(0, 12) :]
    ),
    "wrong-question": lambda octets: octets[:13] + bytes([octets[13] ^ 3]) + octets[14:],
    "no-question": lambda octets: octets[:4] + bytes(8),
    "not-a-reply": lambda octets: octets[:2] + bytes([octets[2] & 0x7F]) + octets[3:],
    "wrong-opcode": lambda octets: octets[:2] + bytes([octets[2] | 0x20]) + octets[3:],
    "cut-short": lambda octets: octets[:-3],
    "header-only": lambda octets: octets[:12],
    "three-octets": lambda octets: octets[:3],
    "trailing": lambda octets: octets + b"more",
    "without-edns": _edited(lambda message: message.use_edns(False)),
    "without-signatures": _without(dns.rdatatype.RRSIG),
    "without-proofs": _without(dns.rdatatype.NSEC, dns.rdatatype.NSEC3),
    "without-authority": _edited(lambda message: message.authority.clear()),
    "broken-signatures": _edited(_break_signatures),
    "not-authoritative": lambda octets: octets[:2] + bytes([octets[2] & 0xFB]) + octets[3:],
    "ad": lambda octets: octets[:3] + bytes([octets[3] | 0x20]) + octets[4:],
}


@dataclass
class Servers:
    """All servers: the zones of each address, and the rules, of which the newest comes first."""

    zones: dict[str, list[Zone]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)

    def serve(self, query: Query) -> list[Sent]:
        """Return what the server at the query's address sends back; nothing from where no server
        is."""
        for rule in self.rules:
            if rule.holds(query):
                return rule.serve(query, self.zones.get(query.address, []))
        zones = self.zones.get(query.address)
        if zones is None:
            return []
        return [Sent(NETWORK_S, authority.answer(query.octets, zones, query.is_udp))]
