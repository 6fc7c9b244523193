"""Signing the zones of a scenario, with the proofs of what they do not hold, and a few diseases.

Words of a `zone` statement: ``signed``; ``alg=13,15`` (one KSK and one ZSK of each); ``nsec3``,
``iterations=N``, ``salt=HEX``, ``opt-out``; ``no-ds`` (an island); ``expired``, ``future``;
``collision`` (a second ZSK with the tag of the first that signs nothing); ``keytrap=KEYSxSIGS``
(made-up keys of one tag, made-up signatures by it in place of the good ones); ``ds=N`` (so many DS
records before the good one).
"""

import base64
from functools import lru_cache

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset

from dns_node.zone.names import canonical_key
from tests.resolver import signing
from tests.resolver.scenario.zones import DEFAULT_TTL_S, Denial, Zone

NS, SOA, RRSIG, DS, NSEC, DNSKEY, NSEC3, NSEC3PARAM = 2, 6, 46, 43, 47, 48, 50, 51
TRAP_ALGORITHM = 8
TRAP_TAG = 12345
DAY_S = 86_400


def sign(zone: Zone, now_s: float) -> None:
    """Add keys, proofs and signatures; delegations and DS records are in the zone already."""
    algorithms = [int(word) for word in zone.options.get("alg", "13").split(",")]
    label = zone.apex.to_text()
    ksks = [signing.key(number, f"{label} ksk", 257) for number in algorithms]
    zsks = [signing.key(number, f"{label} zsk", 256) for number in algorithms]
    published = [each.dnskey for each in ksks + zsks]
    if "collision" in zone.options:
        zsks[0], idle = _keys_of_one_tag(algorithms[0], f"{label} zsk")
        published += [zsks[0].dnskey, idle.dnskey]
    trap = zone.options.get("keytrap")
    if trap:
        published += [_trap_key(number) for number in range(int(trap.partition("x")[0]))]
    for rdata in published:
        zone.put(zone.apex, DEFAULT_TTL_S, DNSKEY, rdata.to_text())
    zone.denial = (_Nsec3 if "nsec3" in zone.options else _Nsec)(zone)
    for owner, node in list(zone.nodes.items()):
        for rrtype, rrset in list(node.items()):
            if _is_signed(zone, owner, rrtype):
                by = ksks if rrtype == DNSKEY else zsks
                zone.signatures[owner, rrtype] = _signatures(zone, rrset, by, now_s)
                if trap and rrtype not in (DNSKEY, NSEC, NSEC3, SOA):
                    _spoil(zone, rrset, int(trap.partition("x")[2]), now_s)
    for rrset in zone.denial.rrsets():
        zone.signatures[rrset.name, rrset.rdtype] = _signatures(zone, rrset, zsks, now_s)


def ds_records(zone: Zone) -> list[dns.rdata.Rdata]:
    """Return the DS records for the parent."""
    algorithms = [int(word) for word in zone.options.get("alg", "13").split(",")]
    label = f"{zone.apex.to_text()} ksk"
    good = [
        dns.dnssec.make_ds(zone.apex, signing.key(number, label, 257).dnskey, "SHA256")
        for number in algorithms
    ]
    bad = [
        dns.rdata.from_text("IN", DS, f"{good[0].key_tag} {algorithms[0]} 2 {number:064x}")
        for number in range(int(zone.options.get("ds", "0")))
    ]
    return bad + good


def _cut_above(zone: Zone, owner: dns.name.Name) -> dns.name.Name | None:
    """Return the highest cut at or above a name."""
    for depth in range(len(zone.apex) + 1, len(owner) + 1):
        name = dns.name.Name(owner[len(owner) - depth :])
        if zone.is_cut(name):
            return name
    return None


def _is_signed(zone: Zone, owner: dns.name.Name, rrtype: int) -> bool:
    cut = _cut_above(zone, owner)
    return cut is None or (cut == owner and rrtype == DS)


def _signatures(zone: Zone, rrset, by, now_s: float) -> dns.rrset.RRset:
    inception_s, expiration_s = now_s - DAY_S, now_s + 30 * DAY_S
    if "expired" in zone.options:
        inception_s, expiration_s = now_s - 3 * DAY_S, now_s - DAY_S
    if "future" in zone.options:
        inception_s = now_s + DAY_S
    rdatas = [signing.sign(rrset, each, zone.apex, inception_s, expiration_s) for each in by]
    made = [dns.rdata.from_wire(1, RRSIG, octets, 0, len(octets)) for octets in rdatas]
    return _rrsig_rrset(rrset, made)


def _rrsig_rrset(rrset, rdatas) -> dns.rrset.RRset:
    made = dns.rrset.RRset(rrset.name, 1, RRSIG, covers=rrset.rdtype)
    for rdata in rdatas:
        made.add(rdata, rrset.ttl)
    return made


@lru_cache
def _keys_of_one_tag(algorithm: int, label: str) -> tuple[signing.Key, signing.Key]:
    """Return two keys with one tag; by the birthday paradox there are two among a few hundred."""
    seen: dict[int, signing.Key] = {}
    make = signing.key.__wrapped__
    for number in range(5000):
        made = make(algorithm, f"{label} {number}", 256)
        if made.tag in seen:
            return seen[made.tag], made
        seen[made.tag] = made
    raise AssertionError("no two keys have one tag")


def _trap_key(number: int) -> dns.rdata.Rdata:
    """Return a made-up RSA key; all of them have one tag, which two octets of each make up for."""
    modulus = bytearray(number.to_bytes(4, "big") * 64)
    modulus[0] |= 0x80
    modulus[-1] |= 1
    modulus[100:102] = b"\0\0"
    missing = (TRAP_TAG - dns.dnssec.key_id(_rsa_key(modulus))) % 65535
    for octets in (missing, missing + 1, missing - 1):
        modulus[100:102] = (octets % 65536).to_bytes(2, "big")
        made = _rsa_key(modulus)
        if dns.dnssec.key_id(made) == TRAP_TAG:
            return made
    raise AssertionError("no key has that tag")


def _rsa_key(modulus: bytearray) -> dns.rdata.Rdata:
    text = base64.b64encode(b"\3\1\0\1" + bytes(modulus)).decode()
    return dns.rdata.from_text("IN", DNSKEY, f"256 3 {TRAP_ALGORITHM} {text}")


def _spoil(zone: Zone, rrset, signatures: int, now_s: float) -> None:
    """Put made-up signatures by the made-up keys in place of the good ones."""
    good = zone.signatures[rrset.name, rrset.rdtype][0]
    rdatas = [
        good.replace(
            algorithm=TRAP_ALGORITHM, key_tag=TRAP_TAG, signature=number.to_bytes(256, "big")
        )
        for number in range(1, signatures + 1)
    ]
    zone.signatures[rrset.name, rrset.rdtype] = _rrsig_rrset(rrset, rdatas)


class _Nsec(Denial):
    """NSEC records (RFC 4034 section 4)."""

    def __init__(self, zone: Zone):
        owners = [owner for owner in zone.nodes if _cut_above(zone, owner) in (None, owner)]
        self._owners = sorted(owners, key=_key)
        self._rrsets = {}
        ttl_s = zone.soa().ttl
        for owner, following in zip(self._owners, self._owners[1:] + self._owners[:1], strict=True):
            types = _types_at(zone, owner) | {RRSIG, NSEC}
            rdata = following.to_digestable() + signing.bitmap(types)
            made = dns.rdata.from_wire(1, NSEC, rdata, 0, len(rdata))
            self._rrsets[owner] = dns.rrset.from_rdata(owner, ttl_s, made)

    def rrsets(self):
        return list(self._rrsets.values())

    def _at(self, name: dns.name.Name):
        before = [owner for owner in self._owners if _key(owner) <= _key(name)]
        return self._rrsets[before[-1]]

    def of_type(self, name):
        return [self._at(name)]

    def of_name(self, name, encloser, *, with_wildcard):
        found = [self._at(name)]
        if with_wildcard:
            found.append(self._at(dns.name.Name((b"*", *encloser.labels))))
        return found


class _Nsec3(Denial):
    """NSEC3 records (RFC 5155)."""

    def __init__(self, zone: Zone):
        options = zone.options
        self._salt = bytes.fromhex(options.get("salt", ""))
        self._iterations = int(options.get("iterations", "0"))
        self._zone, self._rrsets, ttl_s = zone, {}, zone.soa().ttl
        flags = 1 if "opt-out" in options else 0
        names = set()
        for owner in zone.nodes:
            if _cut_above(zone, owner) not in (None, owner):
                continue
            if flags and zone.is_cut(owner) and DS not in zone.nodes[owner]:
                continue
            while owner != zone.apex:
                names.add(owner)
                owner = owner.parent()
        names.add(zone.apex)
        hashed = {self._hash(name): name for name in names}
        self._hashes = sorted(hashed)
        head = bytes((1, flags)) + self._iterations.to_bytes(2, "big")
        head += bytes((len(self._salt),)) + self._salt
        for digest, following in zip(
            self._hashes, self._hashes[1:] + self._hashes[:1], strict=True
        ):
            types = _types_at(zone, hashed[digest])
            types |= {RRSIG} if types - {NS} else set()
            types |= {NSEC3PARAM} if hashed[digest] == zone.apex else set()
            rdata = head + b"\x14" + following + signing.bitmap(types)
            made = dns.rdata.from_wire(1, NSEC3, rdata, 0, len(rdata))
            label = base64.b32hexencode(digest).lower()
            owner = dns.name.Name((label, *zone.apex.labels))
            self._rrsets[digest] = dns.rrset.from_rdata(owner, ttl_s, made)

    def rrsets(self):
        return list(self._rrsets.values())

    def _hash(self, name: dns.name.Name) -> bytes:
        return signing.nsec3_hash(name.to_digestable(), self._salt, self._iterations)

    def _at(self, name: dns.name.Name):
        wanted = self._hash(name)
        before = [digest for digest in self._hashes if digest <= wanted]
        return self._rrsets[before[-1] if before else self._hashes[-1]]

    def of_type(self, name):
        if self._hash(name) in self._rrsets:
            found = [self._at(name)]
            if name.labels[0] == b"*":
                found.append(self._at(name.parent()))
            return found
        encloser = name.parent()
        while self._hash(encloser) not in self._rrsets:
            encloser = encloser.parent()
        return self.of_name(name, encloser, with_wildcard=False)

    def of_name(self, name, encloser, *, with_wildcard):
        closer = dns.name.Name(name[len(name) - len(encloser) - 1 :])
        found = [self._at(encloser), self._at(closer)]
        if with_wildcard:
            found.append(self._at(dns.name.Name((b"*", *encloser.labels))))
        return found


def _types_at(zone: Zone, owner: dns.name.Name) -> set[int]:
    node = set(zone.nodes.get(owner, ()))
    return node & {NS, DS} if zone.is_cut(owner) else node


def _key(name: dns.name.Name):
    return canonical_key(name.to_digestable())
