"""Reading a `.rpl` file: settings, ranges of canned replies, steps.

    stub-addr: 193.0.14.129            what the resolver is told (`settings`), up to CONFIG_END
    CONFIG_END
    SCENARIO_BEGIN a title
    RANGE_BEGIN 0 100                  what servers say between these steps
    ADDRESS 193.0.14.129
    ENTRY_BEGIN … ENTRY_END
    RANGE_END
    STEP 1 QUERY                       what happens, in this order
    ENTRY_BEGIN … ENTRY_END
    SCENARIO_END

An entry holds a message, and says what of a query must be as in it (MATCH) and what is taken from
the query for the reply (ADJUST).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

DEFAULT_TTL_S: Final = 3600
_SECTIONS: Final = ("question", "answer", "authority", "additional")
_FLAGS: Final = ("QR", "AA", "TC", "RD", "RA", "AD", "CD")
_OPCODES: Final = ("QUERY", "IQUERY", "STATUS", "NOTIFY", "UPDATE")
_RCODES: Final = {"NOTIMPL": "NOTIMP"}
_STEPS_WITH_ENTRY: Final = {"QUERY", "CHECK_ANSWER", "CHECK_OUT_QUERY", "REPLY"}
_STEPS: Final = _STEPS_WITH_ENTRY | {"NOTHING", "TIME_PASSES", "TIMEOUT", "ERROR"}
MATCHES: Final = {
    "opcode", "qtype", "qname", "qcase", "subdomain", "flags", "rcode", "question", "answer",
    "authority", "additional", "edns", "all", "all_noedns", "udp", "tcp", "do", "noedns", "ttl",
}  # fmt: skip
ADJUSTMENTS: Final = {"copy_id", "copy_query", "raw_id", "do_not_answer"}


class ScenarioError(Exception):
    """What can't be read, and where."""


class UnsupportedError(ScenarioError):
    """What this player can't play."""


@dataclass
class Entry:
    """A message, what of it must match, and how it is adjusted to a query."""

    line: int
    match: set[str] = field(default_factory=set)
    adjust: set[str] = field(default_factory=set)
    sleep_s: float = 0.0
    opcode: int = dns.opcode.QUERY
    rcode: int = dns.rcode.NOERROR
    flags: set[str] = field(default_factory=set)
    sections: dict[str, list[dns.rrset.RRset]] = field(default_factory=dict)
    raw: bytes | None = None
    error_code: int | None = None
    """The info code of an extended DNS error that must be there; -1 for any."""

    @property
    def question(self) -> dns.rrset.RRset | None:
        """The question, None when there is none."""
        return next(iter(self.sections.get("question", ())), None)

    def section(self, name: str) -> list[dns.rrset.RRset]:
        """Return a section, empty when the entry has none."""
        return self.sections.get(name, [])


@dataclass
class Range:
    """What the servers at *addresses* (all, when empty) say from step *first* to *last*."""

    first: int
    last: int
    addresses: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Step:
    """One step.  *elapse_s* is of TIME_PASSES, *address* is who asks (QUERY) or is asked."""

    number: int
    kind: str
    line: int
    entry: Entry | None = None
    elapse_s: float = 0.0
    address: str = ""


@dataclass
class Scenario:
    """A whole file; *settings* are the lines before CONFIG_END, comments kept."""

    title: str
    settings: list[str]
    ranges: list[Range]
    steps: list[Step]

    def addresses(self) -> list[str]:
        """Return all addresses that servers have, each once.

        Those in records of REPLY steps are among them: to whom it may be sent is not said there.
        """
        found = [one for part in self.ranges for one in part.addresses]
        for step in self.steps:
            if step.kind == "REPLY" and step.entry:
                found += [
                    rdata.address
                    for rrsets in step.entry.sections.values()
                    for rrset in rrsets
                    if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
                    for rdata in rrset
                ]
        return list(dict.fromkeys(found))


class _Lines:
    """Numbered lines without comments and margins; empty ones are left out."""

    def __init__(self, lines: list[tuple[int, str]]):
        self._lines = lines
        self._at = 0

    def __iter__(self) -> Iterator[tuple[int, list[str], str]]:
        while self._at < len(self._lines):
            number, line = self._lines[self._at]
            self._at += 1
            yield number, line.split(), line

    def again(self) -> None:
        """Yield the last line once more."""
        self._at -= 1


def parse(text: str) -> Scenario:
    """Return the scenario in *text*; raises ScenarioError, UnsupportedError among them."""
    settings: list[str] = []
    numbered = list(enumerate(text.splitlines(), 1))
    ends = [number for number, line in numbered if line.strip().startswith("CONFIG_END")]
    if ends:
        settings = [line for number, line in numbered if number < ends[0]]
        numbered = numbered[ends[0] :]
    lines = _Lines([(n, clean) for n, line in numbered if (clean := _without_comment(line))])
    title, ranges, steps = "", [], []
    for number, words, line in lines:
        keyword = words[0]
        if keyword == "SCENARIO_BEGIN":
            title = line[len(keyword) :].strip()
        elif keyword == "RANGE_BEGIN":
            ranges.append(_parse_range(number, words, lines))
        elif keyword == "STEP":
            steps.append(_parse_step(number, words, lines))
        elif keyword == "SCENARIO_END":
            return Scenario(title, settings, ranges, sorted(steps, key=lambda step: step.number))
        elif keyword != "TITLE":
            raise ScenarioError(f"line {number}: unexpected {keyword}")
    raise ScenarioError("there is no SCENARIO_END")


def _without_comment(line: str) -> str:
    """*line* up to a semicolon that is not in a quoted string, without margins."""
    is_quoted = False
    for position, character in enumerate(line):
        if character == '"' and line[position - 1 : position] != "\\":
            is_quoted = not is_quoted
        elif character == ";" and not is_quoted and line[position - 1 : position] != "\\":
            return line[:position].strip()
    return line.strip()


def _parse_range(number: int, words: list[str], lines: _Lines) -> Range:
    try:
        found = Range(int(words[1]), int(words[2]), words[3:])
    except (IndexError, ValueError):
        raise ScenarioError(f"line {number}: RANGE_BEGIN FIRST LAST") from None
    for number, words, _ in lines:
        if words[0] == "ADDRESS" and len(words) > 1:
            found.addresses.append(words[1])
        elif words[0] == "ENTRY_BEGIN":
            found.entries.append(_parse_entry(number, lines))
        elif words[0] == "RANGE_END":
            return found
        else:
            raise ScenarioError(f"line {number}: unexpected {words[0]} in a range")
    raise ScenarioError("a range has no RANGE_END")


def _parse_step(number: int, words: list[str], lines: _Lines) -> Step:
    if len(words) < 3 or not words[1].isdigit():
        raise ScenarioError(f"line {number}: STEP NUMBER KIND")
    kind = words[2]
    if kind not in _STEPS:
        raise UnsupportedError(f"line {number}: this player has no steps of kind {kind}")
    step = Step(int(words[1]), kind, number)
    if kind == "TIME_PASSES":
        try:
            step.elapse_s = float(words[words.index("ELAPSE") + 1])
        except (ValueError, IndexError):
            raise UnsupportedError(f"line {number}: TIME_PASSES ELAPSE SECONDS") from None
    if "ADDRESS" in words[3:-1]:
        step.address = words[words.index("ADDRESS") + 1]
    for number, words, _ in lines:
        if words[0] == "ADDRESS" and len(words) > 1 and step.entry is None:
            step.address = words[1]
        elif words[0] == "ENTRY_BEGIN" and step.entry is None:
            step.entry = _parse_entry(number, lines)
        else:
            lines.again()
            break
    if kind in _STEPS_WITH_ENTRY - {"CHECK_OUT_QUERY"} and step.entry is None:
        raise ScenarioError(f"line {step.line}: the step has no entry")
    return step


def _parse_entry(begin: int, lines: _Lines) -> Entry:
    entry = Entry(begin)
    texts: dict[str, list[str]] = {}
    section = ""
    has_adjust = False
    for number, words, line in lines:
        keyword = words[0]
        if keyword == "ENTRY_END":
            entry.match = entry.match or {"opcode", "qtype", "qname"}
            entry.adjust |= set() if has_adjust else {"copy_id"}
            entry.sections = {
                name: _parse_section(name, text, begin) for name, text in texts.items()
            }
            return entry
        if keyword == "MATCH":
            for word in words[1:]:
                _take_match(entry, word, number)
        elif keyword == "ADJUST":
            has_adjust = True
            for word in words[1:]:
                _take_adjustment(entry, word, number)
        elif keyword == "REPLY":
            for word in words[1:]:
                _take_reply(entry, word.upper(), number)
        elif keyword == "SECTION" and len(words) > 1:
            section = words[1].lower()
            if section not in _SECTIONS:
                raise UnsupportedError(f"line {number}: section {words[1]}")
            texts[section] = []
        elif keyword in ("RAW", "HEX_ANSWER_BEGIN"):
            entry.raw = b""
        elif keyword == "HEX_ANSWER_END":
            section = ""
        elif entry.raw is not None and re.fullmatch("[0-9A-Fa-f ]+", line):
            entry.raw += bytes.fromhex(line)
        elif section and re.match(r"[A-Z]+_(BEGIN|END|EDNS|PACKET)", keyword) is None:
            texts[section].append(line)
        else:
            raise UnsupportedError(f"line {number}: {keyword} in an entry")
    raise ScenarioError(f"line {begin}: the entry has no ENTRY_END")


def _take_match(entry: Entry, word: str, number: int) -> None:
    name, _, value = word.lower().partition("=")
    if name == "ede" and value:
        entry.error_code = -1 if value == "any" else int(value)
    elif name not in MATCHES:
        raise UnsupportedError(f"line {number}: MATCH {word}")
    entry.match.add(name)


def _take_adjustment(entry: Entry, word: str, number: int) -> None:
    name, _, value = word.lower().partition("=")
    if name in ("sleep", "packet_sleep"):
        entry.sleep_s = float(value)
    elif name in ADJUSTMENTS:
        entry.adjust.add(name)
    else:
        raise UnsupportedError(f"line {number}: ADJUST {word}")


def _take_reply(entry: Entry, word: str, number: int) -> None:
    if word in _FLAGS or word == "DO":
        entry.flags.add(word)
    elif word in _OPCODES:
        entry.opcode = dns.opcode.from_text(word)
    else:
        try:
            entry.rcode = dns.rcode.from_text(_RCODES.get(word, word))
        except dns.exception.DNSException:
            raise UnsupportedError(f"line {number}: REPLY {word}") from None


def _parse_section(name: str, lines: list[str], begin: int) -> list[dns.rrset.RRset]:
    if name == "question":
        return [_parse_question(line, begin) for line in lines]
    found: dict[tuple[object, ...], dns.rrset.RRset] = {}
    origin, default_ttl_s = dns.name.root, DEFAULT_TTL_S
    try:
        for line in _whole_records(lines):
            words = line.split(None, 1)
            if words[0] == "$ORIGIN":
                origin = dns.name.from_text(words[1])
            elif words[0] == "$TTL":
                default_ttl_s = int(words[1])
            else:
                owner, ttl_s, rdata = _parse_record(line, origin, default_ttl_s)
                # Of some types dnspython keeps one record in an RRset; a bad server may say two.
                alone = rdata if dns.rdatatype.is_singleton(rdata.rdtype) else None
                key = (owner, rdata.rdclass, rdata.rdtype, rdata.covers(), alone)
                if key not in found:
                    found[key] = dns.rrset.RRset(owner, rdata.rdclass, rdata.rdtype, key[3])
                found[key].add(rdata, ttl_s)
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        raise UnsupportedError(f"entry at line {begin}: {line!r}: {error}") from None
    return list(found.values())


def _whole_records(lines: list[str]) -> Iterator[str]:
    """The records: what is in parentheses goes over lines."""
    whole = ""
    for line in lines:
        whole = f"{whole} {line}" if whole else line
        if whole.count("(") <= whole.count(")"):
            yield whole
            whole = ""
    if whole:
        yield whole


def _parse_record(
    line: str, origin: dns.name.Name, ttl_s: int
) -> tuple[dns.name.Name, int, dns.rdata.Rdata]:
    """Owner, TTL and rdata of a record; TTL and class may be left out, in any order."""
    owner_text, rest = line.split(None, 1)
    rdclass = dns.rdataclass.IN
    while True:
        word, *others = rest.split(None, 1)
        rest = others[0] if others else ""
        if word.isdigit():
            ttl_s = int(word)
        elif word.upper() in ("IN", "CH", "HS", "CS", "ANY", "NONE"):
            rdclass = dns.rdataclass.from_text(word)
        else:
            break
    rdata = dns.rdata.from_text(
        rdclass, dns.rdatatype.from_text(word), rest, origin=origin, relativize=False
    )
    return dns.name.from_text(owner_text, origin), ttl_s, rdata


def _parse_question(line: str, begin: int) -> dns.rrset.RRset:
    words = line.split()
    try:
        name = dns.name.from_text(words[0])
        rdclass = dns.rdataclass.IN
        for word in words[1:-1]:
            rdclass = dns.rdataclass.from_text(word)
        return dns.rrset.RRset(name, rdclass, dns.rdatatype.from_text(words[-1]))
    except (IndexError, dns.exception.DNSException) as error:
        raise UnsupportedError(f"entry at line {begin}: the question {line!r}: {error}") from None


def compose(entry: Entry, message_id: int = 0) -> dns.message.Message:
    """Return the message that *entry* describes, without EDNS."""
    message = dns.message.Message(message_id)
    message.flags = 0
    for flag in entry.flags - {"DO"}:
        message.flags |= dns.flags.from_text(flag)
    message.set_opcode(entry.opcode)
    message.question = list(entry.section("question"))
    message.answer = list(entry.section("answer"))
    message.authority = list(entry.section("authority"))
    message.additional = list(entry.section("additional"))
    return message
