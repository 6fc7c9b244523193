"""Whether a message is as an entry wants it, and the reply that an entry gives to a query."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from .scenario import Entry, compose

PAYLOAD_SIZE_OCTETS = 4096
_EDE = 15


def differences(entry: Entry, message: dns.message.Message, transport: str = "") -> list[str]:
    """Return what of *message* is not as MATCH of *entry* wants it, in words; [] when all is."""
    found: list[str] = []
    wanted = set(entry.match)
    if wanted & {"all", "all_noedns"}:
        wanted |= {"flags", "rcode", *entry.sections}
    expected = compose(entry)
    if "opcode" in wanted and message.opcode() != entry.opcode:
        found.append(f"opcode {message.opcode()}, expected {entry.opcode}")
    if "rcode" in wanted and message.rcode() != entry.rcode:
        found.append(f"rcode {dns.rcode.to_text(message.rcode())}, "
                     f"expected {dns.rcode.to_text(dns.rcode.Rcode(entry.rcode))}")  # fmt: skip
    if "flags" in wanted and _flags(message) != _flags(expected):
        found.append(f"flags {dns.flags.to_text(_flags(message))}, "
                     f"expected {dns.flags.to_text(_flags(expected))}")  # fmt: skip
    found += _question_differences(entry, wanted, message)
    is_minimal = bool(message.answer) and wanted & {"all", "all_noedns"}
    for name in ("answer", "authority", "additional"):
        # What stands beside an answer may be left out; what stands there is compared.
        is_left_out = is_minimal and name != "answer" and not getattr(message, name)
        if name in wanted and not is_left_out:
            found += _section_differences(
                name, entry.section(name), getattr(message, name), "ttl" in wanted
            )
    found += _edns_differences(entry, wanted, message)
    if transport and wanted & {"udp", "tcp"} and transport not in wanted:
        found.append(f"over {transport}")
    return found


def _flags(message: dns.message.Message) -> int:
    opcode_and_rcode = 0x780F
    return int(message.flags) & ~opcode_and_rcode


def _question_differences(
    entry: Entry, wanted: set[str], message: dns.message.Message
) -> list[str]:  # fmt: skip
    expected = entry.question
    if expected is None:
        return []
    if not message.question:
        return ["no question"] if wanted & {"qname", "qtype", "question", "subdomain"} else []
    asked = message.question[0]
    found = []
    if wanted & {"qname", "question"} and asked.name != expected.name:
        found.append(f"qname {asked.name}, expected {expected.name}")
    if "qcase" in wanted and asked.name.to_text() != expected.name.to_text():
        found.append(f"qname {asked.name}, expected {expected.name} in this case")
    if "subdomain" in wanted and not asked.name.is_subdomain(expected.name):
        found.append(f"qname {asked.name}, expected at or below {expected.name}")
    if wanted & {"qtype", "question"} and asked.rdtype != expected.rdtype:
        found.append(f"qtype {asked.rdtype.name}, expected {expected.rdtype.name}")
    return found


def _edns_differences(entry: Entry, wanted: set[str], message: dns.message.Message) -> list[str]:
    found = []
    if "edns" in wanted and message.edns != 0:
        found.append("no EDNS of version 0")
    if "noedns" in wanted and message.edns >= 0:
        found.append("EDNS")
    if "do" in wanted and not message.ednsflags & dns.flags.DO:
        found.append("no DO")
    if entry.error_code is not None:
        codes = [
            int(option.code) for option in message.options
            if isinstance(option, dns.edns.EDEOption)
        ]  # fmt: skip
        if not codes or (entry.error_code >= 0 and entry.error_code not in codes):
            wish = "any" if entry.error_code < 0 else entry.error_code
            found.append(f"extended errors {codes}, expected {wish}")
    return found


def _records(rrsets: list[dns.rrset.RRset], with_ttl: bool) -> set[str]:
    """Every record as a text; names in lower case, so that case does not matter."""
    return {
        f"{rrset.name.to_text().lower()} {f'{rrset.ttl} ' if with_ttl else ''}"
        f"{rrset.rdclass.name} {rrset.rdtype.name} {rdata.to_digestable().hex()}"
        for rrset in rrsets
        for rdata in rrset
    }


def _section_differences(
    name: str, expected: list[dns.rrset.RRset], seen: list[dns.rrset.RRset], with_ttl: bool
) -> list[str]:
    if _records(expected, with_ttl) == _records(seen, with_ttl):
        return []

    def texts(rrsets: list[dns.rrset.RRset]) -> str:
        return "".join(f"\n      {line}" for one in rrsets for line in str(one).splitlines())

    return [f"{name}:{texts(seen) or ' empty'}\n    expected:{texts(expected) or ' empty'}"]


def find(
    entries: list[Entry], query: dns.message.Message, transport: str
) -> Entry | None:  # fmt: skip
    """Return the first of *entries* that *query* matches."""
    return next((one for one in entries if not differences(one, query, transport)), None)


def reply(entry: Entry, query: dns.message.Message) -> bytes:
    """Return the octets of the reply of *entry* to *query*."""
    if entry.raw is not None:
        is_adjusted = entry.adjust & {"raw_id", "copy_id"}
        return (query.id.to_bytes(2, "big") if is_adjusted else entry.raw[:2]) + entry.raw[2:]
    message = compose(entry, query.id if entry.adjust & {"copy_id", "copy_query"} else 0)
    if "copy_query" in entry.adjust or "question" not in entry.sections:
        message.question = list(query.question)
    elif query.question and entry.question is not None:
        # The letters are the query's: a resolver may have mixed their case.
        asked, own = query.question[0], entry.question
        message.question = [dns.rrset.RRset(asked.name, own.rdclass, own.rdtype)]
    if query.edns >= 0:
        flags = dns.flags.DO if "DO" in entry.flags else 0
        message.use_edns(0, flags, PAYLOAD_SIZE_OCTETS)
    message.set_rcode(dns.rcode.Rcode(entry.rcode))
    return message.to_wire(max_size=65_535)


def failure(query: dns.message.Message) -> bytes:
    """Return SERVFAIL: what a server says to a query that the scenario has no reply for."""
    message = dns.message.make_response(query, our_payload=PAYLOAD_SIZE_OCTETS)
    message.set_rcode(dns.rcode.SERVFAIL)
    return message.to_wire()


def query(entry: Entry, message_id: int) -> bytes:
    """Return the octets of the query that *entry* describes."""
    if entry.raw is not None:
        return entry.raw
    message = compose(entry, message_id)
    message.flags &= ~dns.flags.QR
    flags = dns.flags.DO if "DO" in entry.flags else 0
    message.use_edns(0, flags, PAYLOAD_SIZE_OCTETS)
    return message.to_wire()
