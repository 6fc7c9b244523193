"""The records of a zone for tests, signed: keys, signatures and NSEC or NSEC3 chains."""

import base64
from dataclasses import dataclass, field

import dns.dnssec
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

from dns_node.resolver.question import Held
from dns_node.zone.names import ancestors, canonical_key
from dns_node.zone.rrset import RRset, WireName
from tests.resolver.signing import (
    DAY_S,
    DNSKEY,
    DS,
    NOW_S,
    NS,
    NSEC,
    NSEC3,
    NSEC3PARAM,
    RRSIG,
    SOA,
    Key,
    bitmap,
    dnspython_name,
    key,
    nsec3_hash,
    sign,
    wire,
)


@dataclass
class SignedRecords:
    """The records of a zone, signed.

    *lines* are records in zone-file text relative to *apex* (owner, type, data; SOA and NS are
    added); the DS RRs of *children* that are signed are put in, and NS for all.  *algorithms*: one
    KSK and one ZSK of each; or else *ksks* and *zsks*.  *denial* is "nsec", "nsec3" or None.
    *skips* are (owner, type) that get no signature; none does without *has_signatures*.
    """

    apex: str
    lines: str = ""
    denial: str | None = "nsec"
    algorithms: tuple[int, ...] = (13,)
    ksks: tuple[Key, ...] = ()
    zsks: tuple[Key, ...] = ()
    iterations: int = 0
    salt: bytes = b""
    is_opt_out: bool = False
    inception_s: float = NOW_S - DAY_S
    expiration_s: float = NOW_S + 7 * DAY_S
    ttl_s: int = 3600
    children: tuple["SignedRecords", ...] = ()
    digest: str = "SHA256"
    skips: tuple[tuple[str, int], ...] = ()
    is_signed: bool = True
    has_signatures: bool = True
    nodes: dict[WireName, dict[int, RRset]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.origin = dnspython_name(self.apex)
        self.zone_name = wire(self.apex)
        if not self.ksks:
            label = f"{self.apex} "
            self.ksks = tuple(key(number, label + "ksk", 257) for number in self.algorithms)
            self.zsks = tuple(key(number, label + "zsk", 256) for number in self.algorithms)
        text = f"$TTL {self.ttl_s}\n@ SOA ns hostmaster 1 3600 600 604800 300\n@ NS ns\n"
        text += "\n".join(line.strip() for line in self.lines.splitlines()) + "\n"
        for child in self.children:
            text += f"{child.apex} NS ns.{child.apex.lstrip('.')}\n"
        zone = dns.zone.from_text(text, self.origin, relativize=False, check_origin=False)
        self._rdatasets: dict[tuple[WireName, int], dns.rrset.RRset] = {}
        for owner, rdataset in zone.iterate_rdatasets():
            self._put(dns.rrset.from_rdata_list(owner, rdataset.ttl, list(rdataset)))
        for child in self.children:
            if child.is_signed:
                for rdata in child.ds(self.digest):
                    self._put(dns.rrset.from_rdata(dnspython_name(child.apex), self.ttl_s, rdata))
        if self.is_signed:
            keys = [each.dnskey for each in self.ksks + self.zsks]
            self._put(dns.rrset.from_rdata_list(self.origin, self.ttl_s, keys))
            if self.denial == "nsec3":
                self._put_rdata(self.zone_name, NSEC3PARAM, 0, self._nsec3_head(0))
        self._find_names()
        if self.is_signed and self.denial:
            (self._add_nsec if self.denial == "nsec" else self._add_nsec3)()
        for (owner, rrtype), rrset in self._rdatasets.items():
            node = self.nodes.setdefault(owner, {})
            rdatas = tuple(sorted({rdata.to_digestable() for rdata in rrset}))
            signatures = self._signatures(owner, rrtype, rrset)
            node[rrtype] = RRset(rrtype, rrset.ttl, rdatas, signatures)

    def _put(self, rrset: dns.rrset.RRset) -> None:
        place = (wire(rrset.name), int(rrset.rdtype))
        held = self._rdatasets.get(place)
        if held is None:
            self._rdatasets[place] = rrset
        else:
            held.update(rrset)

    def _put_rdata(self, owner: WireName, rrtype: int, ttl_s: int, rdata: bytes) -> None:
        made = dns.rdata.from_wire(dns.rdataclass.IN, rrtype, rdata, 0, len(rdata))
        self._put(dns.rrset.from_rdata(dnspython_name(owner), ttl_s, made))

    def _find_names(self) -> None:
        """Names with types (not glue), and all names that exist, empty ones too."""
        self.cuts = {o for o, t in self._rdatasets if t == NS and o != self.zone_name}
        self._types: dict[WireName, set[int]] = {}
        for owner, rrtype in self._rdatasets:
            cut = self.cut_of(owner)
            if cut is None or (cut == owner and rrtype in (NS, DS)):
                self._types.setdefault(owner, set()).add(rrtype)
        self.existing: set[WireName] = set()
        for owner in [*self._types, self.zone_name]:
            for name in ancestors(owner):
                self.existing.add(name)
                if name == self.zone_name:
                    break

    def cut_of(self, name: WireName) -> WireName | None:
        """Return the zone cut at or above *name*, the highest one."""
        found = None
        for at in ancestors(name):
            if at == self.zone_name:
                break
            if at in self.cuts:
                found = at
        return found

    def _add_nsec(self) -> None:
        owners = sorted(self._types, key=canonical_key)
        for owner, following in zip(owners, owners[1:] + owners[:1], strict=True):
            types = self._types[owner] | {NSEC, RRSIG}
            self._put_rdata(owner, NSEC, 300, following + bitmap(types))

    def _nsec3_head(self, flags: int) -> bytes:
        head = bytes((1, flags)) + self.iterations.to_bytes(2, "big")
        return head + bytes((len(self.salt),)) + self.salt

    def hash_of(self, name: WireName) -> bytes:
        """Return the NSEC3 hash of *name* in this zone."""
        return nsec3_hash(name, self.salt, self.iterations)

    def _add_nsec3(self) -> None:
        self._hashed: dict[bytes, WireName] = {}
        for name in sorted(self.existing):
            types = self._types.get(name, set())
            if self.is_opt_out and name in self.cuts and DS not in types:
                continue
            self._hashed[self.hash_of(name)] = name
        hashes = sorted(self._hashed)
        for digest, following in zip(hashes, hashes[1:] + hashes[:1], strict=True):
            types = set(self._types.get(self._hashed[digest], ()))
            is_cut_only = types == {NS}
            if types and not is_cut_only:
                types.add(RRSIG)
            owner = self.nsec3_owner(digest)
            rdata = self._nsec3_head(1 if self.is_opt_out else 0)
            rdata += bytes((20,)) + following + bitmap(types)
            self._put_rdata(owner, NSEC3, 300, rdata)

    def nsec3_owner(self, digest: bytes) -> WireName:
        """Return the owner name of the NSEC3 record with the hash *digest*."""
        label = base64.b32hexencode(digest).decode().lower().encode()
        return bytes((len(label),)) + label + self.zone_name

    def _signatures(self, owner: WireName, rrtype: int, rrset) -> tuple[bytes, ...]:
        if (
            not self.is_signed
            or not self.has_signatures
            or any(wire(name) == owner and kind == rrtype for name, kind in self.skips)
        ):
            return ()
        cut = self.cut_of(owner)
        if cut is not None and not (cut == owner and rrtype in (DS, NSEC)):
            return ()
        by = self.ksks if rrtype == DNSKEY else self.zsks or self.ksks
        return tuple(
            sorted(
                sign(rrset, each, self.origin, self.inception_s, self.expiration_s) for each in by
            )
        )

    def ds(self, digest: str = "SHA256") -> list[dns.rdata.Rdata]:
        """Return the DS records of the zone's KSKs."""
        return [
            dns.dnssec.make_ds(self.origin, each.dnskey, digest, validating=True)
            for each in self.ksks
        ]

    def anchors(self) -> tuple[tuple[WireName, int, bytes], ...]:
        """Return the DS records as `ResolverSettings.trust_anchors` has them."""
        return tuple((self.zone_name, DS, rdata.to_digestable()) for rdata in self.ds())

    def held(self, owner: str | WireName, rrtype: int, at: str | WireName | None = None) -> Held:
        """Return an RRset of the zone, at the name *at* when given (a wildcard's)."""
        owner = wire(owner)
        return Held(owner if at is None else wire(at), self.nodes[owner][rrtype])

    def nsec_for(self, name: str | WireName) -> Held:
        """Return the NSEC record at *name*, or across it."""
        wanted = canonical_key(wire(name))
        owners = sorted((o for o in self.nodes if NSEC in self.nodes[o]), key=canonical_key)
        return self.held([o for o in owners if canonical_key(o) <= wanted][-1], NSEC)

    def nsec3_for(self, name: str | WireName) -> Held:
        """Return the NSEC3 record at the hash of *name*, or across it."""
        wanted = self.hash_of(wire(name))
        before = [digest for digest in sorted(self._hashed) if digest <= wanted]
        digest = before[-1] if before else max(self._hashed)
        return self.held(self.nsec3_owner(digest), NSEC3)

    def text(self) -> str:
        """Return the zone as a zone file, with the signatures."""
        lines = []
        for owner, node in sorted(self.nodes.items(), key=lambda item: canonical_key(item[0])):
            for rrtype, rrset in sorted(node.items(), key=lambda item: (item[0] != SOA, item[0])):
                for kind, rdatas in ((rrtype, rrset.rdatas), (RRSIG, rrset.signatures)):
                    for octets in rdatas:
                        rdata = dns.rdata.from_wire(1, kind, octets, 0, len(octets))
                        mnemonic = dns.rdatatype.to_text(kind)
                        lines.append(f"{dnspython_name(owner)} {rrset.ttl_s} IN {mnemonic} {rdata}")
        return "\n".join(lines) + "\n"
