"""What the resolver does by configuration, as plain values; `config.recursion` fills them."""

from enum import Enum
from typing import Final

import msgspec

from dns_node.resolver.question import Server
from dns_node.zone.rrset import WireName


class Mode(Enum):
    """How a question that no zone of ours answers is resolved."""

    RECURSIVE = "recursive"
    FORWARDING = "forwarding"
    PARALLEL = "parallel"


class Route(msgspec.Struct, frozen=True):
    """What holds for names at and below *suffix* in place of the general mode.

    A stub's servers are authoritative (asked without RD, delegations are followed from there); a
    forward's are resolvers (asked with RD).
    """

    suffix: WireName
    servers: tuple[Server, ...]
    is_stub: bool = False
    is_tls: bool = False


class Limits(msgspec.Struct, frozen=True):
    """The bounds of one client question, which all its parts draw on together."""

    queries_max: int = 50
    octets_max: int = 65_536
    time_max_s: float = 6.0
    restarts_max: int = 11
    depth_max: int = 7
    aliases_max: int = 10
    name_servers_max: int = 13
    addresses_per_name_server_max: int = 6
    address_lookups_per_cut_max: int = 4
    referrals_max: int = 30
    checks_max: int = 64
    checks_per_rrset_max: int = 16
    failures_per_rrset_max: int = 2
    signatures_per_rrset_max: int = 2
    ds_max: int = 8
    keys_of_one_tag_max: int = 2
    nsec3_iterations_max: int = 50
    nsec3_per_answer_max: int = 8
    nsec3_hashes_max: int = 150


class CacheSettings(msgspec.Struct, frozen=True):
    """The caches of one worker."""

    message_cache_octets: int = 32 << 20
    rrset_cache_octets: int = 64 << 20
    ttl_min_s: int = 0
    ttl_max_s: int = 86_400
    negative_ttl_max_s: int = 3600
    bare_negative_ttl_s: int = 0
    """For how long an absence is kept that came without an SOA (RFC 2308 section 5: not at all)."""
    failure_ttl_s: int = 5
    stale_max_s: int = 86_400
    stale_ttl_s: int = 30
    stale_client_timeout_s: float = 1.8
    has_prefetch: bool = True


class ResolverSettings(msgspec.Struct, frozen=True):
    """All of it.  *upstreams* are for the modes other than RECURSIVE, *in_parallel* of them asked
    at once in PARALLEL, where replies with *success_rcodes* end the asking; *hints* are (name,
    address) of root servers.  *trust_anchors* are DS or DNSKEY records (owner, type, rdata), empty
    for those of the root.  *accepts_sha1*: what SHA-1 signed is validated and not just insecure
    (RFC 9905).  *minimised_types* are asked for on the way down (RFC 9156), the next where no
    server says anything to the one before.  *synthesizes*: absent names are answered from proofs
    that were seen (RFC 8198).
    """

    mode: Mode = Mode.RECURSIVE
    upstreams: tuple[Server, ...] = ()
    is_upstream_tls: bool = False
    in_parallel: int = 3
    falls_back: bool = True
    success_rcodes: tuple[int, ...] = (0, 3)
    hints: tuple[tuple[WireName, str], ...] = ()
    routes: tuple[Route, ...] = ()
    server_port: int = 53
    does_ipv4: bool = True
    does_ipv6: bool = True
    minimises_qname: bool = True
    minimised_types: tuple[int, ...] = (1,)
    mixes_case: bool = True
    has_cookies: bool = True
    validates: bool = True
    accepts_sha1: bool = False
    synthesizes: bool = True
    trust_anchors: tuple[tuple[WireName, int, bytes], ...] = ()
    negative_anchors: tuple[WireName, ...] = ()
    local_names: tuple[WireName, ...] = ()
    limits: Limits = Limits()
    cache: CacheSettings = CacheSettings()


PAYLOAD_SIZE_OCTETS: Final = 1232
"""What we say we take over UDP (RFC 9715)."""
