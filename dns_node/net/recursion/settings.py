"""From the section `recursion` of the configuration to what the resolver is told."""

from typing import Any, Final

import dns.name
import msgspec

from dns_node.config.recursion import Recursion
from dns_node.config.section import read_section
from dns_node.config.shape import Reading
from dns_node.config.upstream import Upstream
from dns_node.resolver.question import Server
from dns_node.resolver.root_hints import ROOT_HINTS
from dns_node.resolver.settings import CacheSettings, Limits, Mode, ResolverSettings, Route
from dns_node.zone.rrset import WireName

DNS_PORT: Final = 53
DOT_PORT: Final = 853


def section_from(plain: dict[str, Any]) -> Recursion:
    """Return the section that was handed over as plain values (`config.handover`), the default one
    when nothing was."""
    return msgspec.convert(plain, Recursion) if plain else read({})


def read(value: dict[str, Any]) -> Recursion:
    """Return the section that stands in a configuration as *value*; the caller knows that it is
    right."""
    section: Recursion = read_section(Recursion, value, "recursion", Reading("/"))
    assert isinstance(section, Recursion)
    return section


def resolver_settings(section: Recursion) -> ResolverSettings:
    """Return the settings of a worker's resolver."""
    limits, cache = section.limits, section.cache
    hints = section.root_hints
    return ResolverSettings(
        mode=Mode(section.mode),
        upstreams=_servers(section.upstreams, section.upstream_tls),
        is_upstream_tls=section.upstream_tls,
        in_parallel=section.parallel_upstreams,
        falls_back=section.fallback,
        success_rcodes=section.success_rcodes,
        hints=ROOT_HINTS
        if hints is None
        else tuple((wire_name(hint.name), hint.address) for hint in hints),
        routes=tuple(
            Route(
                wire_name(route.suffix),
                _servers(route.servers, route.tls),
                route.kind == "stub",
                route.tls,
            )
            for route in section.routes
        ),
        does_ipv4=section.ipv4,
        does_ipv6=section.ipv6,
        minimises_qname=section.qname_minimisation,
        mixes_case=section.mixed_case,
        has_cookies=section.cookies,
        validates=section.validation,
        trust_anchors=tuple(
            (wire_name(anchor.owner), anchor.rrtype, bytes.fromhex(anchor.rdata))
            for anchor in section.trust_anchors or ()
        ),
        negative_anchors=tuple(map(wire_name, section.negative_trust_anchors)),
        limits=Limits(
            queries_max=limits.queries,
            octets_max=limits.received_kib << 10,
            time_max_s=limits.time_ms / 1000,
        ),
        cache=CacheSettings(
            message_cache_octets=cache.messages_mib << 20,
            rrset_cache_octets=cache.rrsets_mib << 20,
            ttl_min_s=cache.ttl_min_s,
            ttl_max_s=cache.ttl_max_s,
            negative_ttl_max_s=cache.negative_ttl_max_s,
            failure_ttl_s=cache.failure_ttl_s,
            stale_max_s=cache.stale_max_s,
            has_prefetch=cache.prefetch,
        ),
    )


def wire_name(text: str) -> WireName:
    """Return the wire form of a name of the configuration."""
    octets: WireName = dns.name.from_text(text).canonicalize().to_wire() or b""
    return octets


def _servers(upstreams: tuple[Upstream, ...], is_tls: bool) -> tuple[Server, ...]:
    port = DOT_PORT if is_tls else DNS_PORT
    return tuple(Server(one.host, one.port or port, one.tls_name) for one in upstreams)
