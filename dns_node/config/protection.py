"""`rate_limit` and `cookies`: what keeps our answers from being used against others."""

from dataclasses import dataclass

from dns_node.config.shape import boolean, choice, list_of, network, setting, whole


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`rate_limit`: how many equal answers over UDP the clients of one netblock get from a node."""

    mode: str = setting(
        choice("on", "log", "off"),
        "Whether answers are limited; `log` only says, and counts, what would be.",
        "on",
        is_live=True,
    )
    answers_per_s: int = setting(
        whole(0, 1_000_000, "answers per second"),
        "Equal answers (of one kind, about one name; the zone's where names don't exist, come from "
        "a wildcard or lie below a zone cut) that one netblock gets; 0: no limit.",
        200,
        is_live=True,
    )
    errors_per_s: int = setting(
        whole(0, 1_000_000, "answers per second"),
        "Errors (REFUSED, FORMERR, SERVFAIL, …) that one netblock gets; 0: no limit.",
        50,
        is_live=True,
    )
    slip: int = setting(
        whole(0, 7),
        "Each how-manieth of the answers beyond the limit is replaced by a short one (TC, or "
        "BADCOOKIE for clients with cookies) that brings true clients through; the others are "
        "dropped. 1: each; 0: none.",
        2,
        is_live=True,
    )
    ipv4_prefix: int = setting(
        whole(8, 32), "The size of a netblock of IPv4 clients.", 24, is_live=True
    )
    ipv6_prefix: int = setting(
        whole(16, 128), "The size of a netblock of IPv6 clients.", 56, is_live=True
    )
    exempt: tuple[str, ...] = setting(
        list_of(network()),
        "Networks without limits. TCP, and clients with a good cookie, have none anyway.",
        ["127.0.0.0/8", "::1"],
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Cookies:
    """`cookies`: DNS cookies (RFC 7873, RFC 9018), by a secret that all nodes share."""

    enabled: bool = setting(
        boolean(), "Whether COOKIE options are answered.", True, is_live=True
    )
    secret_age_max_d: int = setting(
        whole(1, 36, "days"),
        "The cluster makes a new secret when it is this old (RFC 7873 section 7.1 has 36 at most). "
        "Clients notice nothing.",
        30,
        is_live=True,
    )
