"""From the section `recursion.policy` of the configuration to what policy and its feed are told."""

from typing import Any, Final

from dns_node.config.recursion import Recursion
from dns_node.config.recursion_policy import PolicyZone as ZoneSection
from dns_node.net.recursion.settings import DNS_PORT, wire_name
from dns_node.resolver.policy.policy import Policy, PolicySettings
from dns_node.resolver.policy.rpz import FindNameServers
from dns_node.resolver.policy.rpz_match import PolicyZone
from dns_node.resolver.policy.rpz_rules import Action, Kind

_KINDS: Final = {
    "nxdomain": Kind.NXDOMAIN,
    "nodata": Kind.NODATA,
    "passthru": Kind.PASSTHRU,
    "drop": Kind.DROP,
    "tcp-only": Kind.TCP_ONLY,
}
_ANY: Final = ("0.0.0.0/0", "::/0")


def make_policy(section: Recursion, find_name_servers: FindNameServers) -> Policy:
    """Return the policy of a worker; its zones have no rules yet (`policy_tables`)."""
    zones = tuple(_zone(zone) for zone in section.policy.zones)
    return Policy(policy_settings(section), zones, find_name_servers)


def policy_settings(section: Recursion) -> PolicySettings:
    """Return what policy does beside its zones."""
    policy = section.policy
    networks: tuple[str, ...] = ()
    if policy.rebinding_protection:
        networks = _ANY if "any" in policy.private_networks else policy.private_networks
    return PolicySettings(
        has_special_names=policy.special_names,
        without_special_names=tuple(map(wire_name, policy.resolved_special_names)),
        routes=tuple(wire_name(route.suffix) for route in section.routes),
        private_networks=networks,
        private_names=tuple(map(wire_name, policy.private_names)),
        dns64_prefixes=policy.dns64,
        rpz_breaks_dnssec=policy.rewrite_signed,
    )


def feed_zones(section: Recursion) -> list[dict[str, Any]]:
    """Return the zones of the start description of the feeding process."""
    return [
        {
            "name": zone.name,
            "file": zone.file,
            "primaries": [[one.host, one.port or DNS_PORT] for one in zone.primaries],
            "tsig_key": zone.tsig_key,
            "refresh_max_s": zone.refresh_max_s,
        }
        for zone in section.policy.zones
    ]


def _zone(zone: ZoneSection) -> PolicyZone:
    kind = _KINDS.get(zone.action)
    return PolicyZone(
        wire_name(zone.name),
        override=None if kind is None else Action(kind, zone.ttl_max_s),
        is_applied=zone.action != "watch",
        ttl_max_s=zone.ttl_max_s,
    )
