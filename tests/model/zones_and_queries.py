"""Small zones in which every case of an answer comes up, and queries about them, made by chance.

All functions take a `random.Random`: one of hypothesis, which makes failing examples small, or one
with a seed, which spreads more evenly.
"""

import struct

from dns_node.zone.rrset import RRset
from tests.answer.dict_view import DictZone

A, NS, CNAME, SOA, PTR, MINFO, MX, TXT = 1, 2, 5, 6, 12, 14, 15, 16
AAAA, SRV, DNAME, OPT, DS, RRSIG, NSEC, SVCB, HTTPS = 28, 33, 39, 41, 43, 46, 47, 64, 65
ANY = 255

LABELS = [b"a", b"b", b"www", b"*", b"ns", b"\0", b"\1", b"\1\2", b"z" * 63, b"0", b"\xff"]
ODD_LABELS = [b"nosuch", b"!", b"zz", b"\0\0", b"_tcp", b"*a"]
APEXES = [b"\1a\0", b"\1b\1a\0", b"\7example\3com\0", b"\3com\0", b"\0", b"\1*\1a\0"]
_OUTSIDE = b"\5other\0"

_DATA_TYPES = [A, A, AAAA, TXT, MX, NS, SRV, SVCB, HTTPS, PTR, MINFO, DS, 65400]
_QTYPES = [
    A, A, A, A, AAAA, NS, CNAME, SOA, PTR, MINFO, MX, MX, TXT, SRV, DNAME, DS, DS, RRSIG, NSEC,
    SVCB, HTTPS, 65400, ANY, ANY, 99,
]  # fmt: skip
_ODD_QTYPES = [0, OPT, 128, 249, 250, 251, 252, 253, 254]
_OPTIONS = [
    (3, b""), (3, b"x"), (10, b"12345678"), (10, b"12345678" * 2), (11, b""), (12, bytes(30)),
    (8, b"\0\1\0\0"), (65001, b"?"),
]  # fmt: skip
_ODD_OPTIONS = [(10, b"short"), (10, bytes(41)), (11, b"\0\1")]


def wire(labels, rest=b"\0"):
    """Return the name of *labels* in front of *rest*, without what makes it too long."""
    for label in reversed(labels):
        longer = bytes([len(label)]) + label + rest
        if len(longer) <= 255:
            rest = longer
    return rest


def some_labels(random, most=3):
    """Return up to *most* labels; now and then as many as a name can have."""
    if random.randrange(40) == 0:
        return [random.choice(LABELS) for _ in range(140)]
    return [random.choice(LABELS) for _ in range(random.randrange(most + 1))]


def a_name(random):
    """Return a name in one of the zones that may be there, or outside them."""
    return wire(some_labels(random), random.choice([*APEXES, _OUTSIDE]))


def _rdata(random, rrtype):
    """Return an rdata as the store would hold it."""
    name = a_name(random)
    match rrtype:
        case 1:
            return random.randbytes(4)
        case 28:
            return random.randbytes(16)
        case 2 | 5 | 12 | 39:
            return name
        case 6:
            numbers = struct.pack("!IIIII", 7, 1, 2, 3, random.choice([5, 300, 7200]))
            return name + a_name(random) + numbers
        case 14:
            return name + a_name(random)
        case 15:
            return b"\0\5" + name
        case 33:
            return b"\0\1\0\2\0\3" + name
        case 47:
            return name + b"\0\1\x40"
        case 64 | 65:
            target = random.choice([name, name.upper(), b"\0"])
            parameters = random.choice([b"", b"\0\1\0\3\2h2"])
            return random.choice([b"\0\0", b"\0\1"]) + target + parameters
    return random.randbytes(random.choice([1, 8, 40, 280]))


def an_rrset(random, rrtype, is_signed):
    """Return an RRset of *rrtype*, at times a large one."""
    most = random.choice([1, 1, 1, 1, 2, 4, 30, random.choice([60, 400])])
    if rrtype in (CNAME, SOA, DNAME, NSEC):
        most = 1
    rdatas = tuple(sorted({_rdata(random, rrtype) for _ in range(most)}))
    signatures = ()
    if is_signed and random.randrange(8):
        size = random.choice([20, 90, 280])
        signatures = tuple(random.randbytes(size) for _ in range(random.choice([1, 1, 2])))
    return RRset(rrtype, random.choice([0, 60, 3600, 0x7FFFFFFF]), rdatas, signatures)


def a_node(random, is_apex, is_signed):
    """Return the RRsets of one owner."""
    kind = random.choice(["data", "data", "data", "alias", "alias", "dname", "cut"])
    if kind == "alias" and not is_apex:
        # Other data beside a CNAME: only the legacy format lets it.
        types = [CNAME] + ([A] if random.randrange(20) == 0 else [])
    elif kind == "dname" and random.randrange(2):
        types = [DNAME]
    elif kind == "cut" and not is_apex:
        types = [NS] + ([DS] if random.randrange(2) else [])
    else:
        types = [random.choice(_DATA_TYPES) for _ in range(random.choice([1, 1, 2, 5]))]
    if is_apex:
        types = [SOA, NS, *types]
    if is_signed and random.randrange(12):
        types = [*types, NSEC]
    return {rrtype: an_rrset(random, rrtype, is_signed) for rrtype in dict.fromkeys(types)}


def some_zones(random):
    """Return one to three zones, some of them below others."""
    zones = []
    for number, apex in enumerate(random.sample(APEXES, random.choice([1, 2, 3])), 1):
        is_signed = random.randrange(2) == 0
        rows = {apex: a_node(random, True, is_signed)}
        for _ in range(random.randrange(16)):
            owner = wire(some_labels(random), apex)
            if owner not in rows:
                rows[owner] = a_node(random, False, is_signed)
        zones.append(DictZone(apex, rows, number * 7))
    return zones


def a_qname(random, zones):
    """Return a name that is in the zones, above, below or beside what is there."""
    nodes = random.choice(zones).nodes
    name = random.choice(list(nodes))
    if random.randrange(4) == 0:
        aliases = [node[kind] for node in nodes.values() for kind in (CNAME, DNAME) if kind in node]
        if aliases:
            name = random.choice(aliases).rdatas[0]
    match random.randrange(5):
        case 0:
            name = wire(some_labels(random), name)
        case 1:
            name = wire([random.choice(ODD_LABELS)], name)
        case 2:
            name = name[name[0] + 1 :] if len(name) > 1 else name
    return name.upper() if random.randrange(3) == 0 else name


def an_opt(random, is_odd):
    """Return an OPT record."""
    choices = _OPTIONS + (_ODD_OPTIONS if is_odd else [])
    options = b"".join(
        struct.pack("!HH", code, len(data)) + data
        for code, data in random.choices(choices, k=random.choice([0, 0, 1, 2, 5, 33]))
    )
    size = random.choice([0, 512, 700, 1232, 1232, 4096, 65535])
    version = random.choice([0, 1]) if is_odd else 0
    flags = random.choice([0, 0x8000, 0x8000, 0xFFFF])
    return b"\0" + struct.pack("!HHBBHH", OPT, size, 0, version, flags, len(options)) + options


def a_query(random, zones):
    """Return the octets of a query about *zones*, in form."""
    records = [an_opt(random, False)] if random.randrange(3) else []
    return _compose(random, zones, random.choice(_QTYPES), 1, random.choice([0, 0x0130]), records)


def an_odd_query(random, zones):
    """Return octets that are nearly a query, or one that gets an error."""
    qtype = random.choice(_ODD_QTYPES + _QTYPES)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 0)
    records = [random.choice([an_opt(random, True), record]) for _ in range(random.randrange(3))]
    flags = random.choice([0, 0x0110, 0x2000, 0x2800, 0x7FFF, 0x1000, 0x8000])
    octets = _compose(random, zones, qtype, random.choice([1, 1, 3, 255]), flags, records)
    at = random.randrange(len(octets))
    match random.randrange(8):
        case 0:
            return octets[:at]
        case 1:
            return octets + random.randbytes(3)
        case 2 | 3:
            return octets[:at] + random.randbytes(random.choice([1, 2])) + octets[at + 1 :]
        case 4:
            return octets[:4] + b"\0\0" + octets[6:12] + b"".join(records)
    return octets


def _compose(random, zones, qtype, qclass, flags, records):
    head = struct.pack("!HHHHHH", random.randrange(65536), flags, 1, 0, 0, len(records))
    question = a_qname(random, zones) + struct.pack("!HH", qtype, qclass)
    return head + question + b"".join(records)
