"""`recursion`: how questions are resolved that no zone of ours answers."""

from dataclasses import dataclass

from dns_node.config.recursion_policy import Policy, policy_shape
from dns_node.config.section import section_shape
from dns_node.config.shape import boolean, choice, list_of, optional, setting, whole
from dns_node.config.upstream import (
    Anchor,
    Hint,
    Upstream,
    anchors_file,
    domain_name,
    hints_file,
    upstream,
)

TTL_S_MAX = 604_800
"""A week: no TTL of a cache is longer (RFC 8767 section 4)."""


@dataclass(frozen=True, slots=True)
class Route:
    """One of `recursion.routes`."""

    suffix: str = setting(domain_name(), "The name at and below which it holds.", is_live=True)
    servers: tuple[Upstream, ...] = setting(
        list_of(upstream(), least=1), "Who is asked.", is_live=True
    )
    kind: str = setting(
        choice("forward", "stub"),
        "`forward`: the servers are resolvers; `stub`: they are authoritative, and what they "
        "delegate is followed.",
        "forward",
        is_live=True,
    )
    tls: bool = setting(
        boolean(),
        "Whether they are asked over TLS (RFC 7858), port 853 unless one is given.",
        False,
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class QuestionLimits:
    """`recursion.limits`: what the questions of clients may cost."""

    questions: int = setting(
        whole(1, 60_000), "Questions that one worker resolves at once.", 512, is_live=True
    )
    questions_per_client: int = setting(
        whole(1, 60_000), "The same of one client, over all workers of the node.", 200,
        is_live=True,
    )  # fmt: skip
    questions_per_known_client: int = setting(
        whole(1, 60_000),
        "The same of a client that is known to have its address: over TCP, or with a good cookie.",
        2000,
        is_live=True,
    )
    questions_per_name: int = setting(
        whole(1, 60_000), "The same about one name and type.", 100, is_live=True
    )
    discard_ms: int = setting(
        whole(100, 60_000, "milliseconds"),
        "A client over UDP has asked again, or elsewhere, by then: an answer that takes longer is "
        "kept and not sent.",
        1900,
        is_live=True,
    )
    queries: int = setting(
        whole(4, 200), "Queries to servers for one question of a client.", 50, is_live=True
    )
    received_kib: int = setting(
        whole(4, 1024, "KiB"), "What servers may answer to them altogether.", 64, is_live=True
    )
    time_ms: int = setting(
        whole(500, 60_000, "milliseconds"), "How long they may take altogether.", 6000, is_live=True
    )


@dataclass(frozen=True, slots=True)
class Cache:
    """`recursion.cache`: what each worker keeps."""

    messages_mib: int = setting(
        whole(1, 1_048_576, "MiB"), "Whole replies, as they were sent.", 32, is_live=True
    )
    rrsets_mib: int = setting(
        whole(1, 1_048_576, "MiB"), "What servers said, by RRset.", 64, is_live=True
    )
    ttl_min_s: int = setting(
        whole(0, 300, "seconds"), "A shorter TTL is taken for this one.", 0, is_live=True
    )
    ttl_max_s: int = setting(
        whole(1, TTL_S_MAX, "seconds"), "A longer TTL is taken for this one.", 86_400, is_live=True
    )
    negative_ttl_max_s: int = setting(
        whole(1, 86_400, "seconds"),
        "How long an absence is remembered at most (RFC 2308).",
        3600,
        is_live=True,
    )
    failure_ttl_s: int = setting(
        whole(1, 300, "seconds"), "How long a failure is remembered (RFC 9520).", 5, is_live=True
    )
    stale_max_s: int = setting(
        whole(0, 259_200, "seconds"),
        "How long after its time an answer may be given when no server can be reached (RFC 8767); "
        "0: never.",
        86_400,
        is_live=True,
    )
    prefetch: bool = setting(
        boolean(),
        "Whether answers that are in use are asked for again before they end.",
        True,
        is_live=True,
    )
    persistent: bool = setting(
        boolean(),
        "Whether a worker that stops leaves its cache in the data directory for the next one.",
        True,
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Recursion:
    """`recursion`: how questions are resolved for the clients in `access.recursion`."""

    mode: str = setting(
        choice("recursive", "forwarding", "parallel"),
        "`recursive`: from the root servers on; `forwarding`: the best of the upstreams is asked; "
        "`parallel`: several of them at once, and the first good answer wins.",
        "recursive",
        is_live=True,
    )
    upstreams: tuple[Upstream, ...] = setting(
        list_of(upstream()),
        "The resolvers that the modes other than `recursive` ask.",
        [],
        is_live=True,
    )
    upstream_tls: bool = setting(
        boolean(),
        "Whether they are asked over TLS (RFC 7858), port 853 unless one is given.",
        False,
        is_live=True,
    )
    parallel_upstreams: int = setting(
        whole(1, 16), "How many upstreams `parallel` asks at once.", 3, is_live=True
    )
    fallback: bool = setting(
        boolean(),
        "Whether questions are resolved from the root when no upstream answers.",
        True,
        is_live=True,
    )
    success_rcodes: tuple[int, ...] = setting(
        list_of(whole(0, 23), least=1),
        "The rcodes of a good answer of an upstream.",
        [0, 3],
        is_live=True,
    )
    routes: tuple[Route, ...] = setting(
        list_of(section_shape(Route)),
        "Other ways for the names below some suffixes.",
        [],
        is_live=True,
    )
    root_hints: tuple[Hint, ...] | None = setting(
        optional(hints_file()), "The root servers to begin with; null for those of the Internet.",
        None, is_live=True)  # fmt: skip
    ipv4: bool = setting(boolean(), "Whether servers are asked over IPv4.", True, is_live=True)
    ipv6: bool = setting(boolean(), "Whether servers are asked over IPv6.", True, is_live=True)
    qname_minimisation: bool = setting(
        boolean(),
        "Whether servers are told no more of a name than they need (RFC 9156).",
        True,
        is_live=True,
    )
    mixed_case: bool = setting(
        boolean(),
        "Whether queries have letters of random case, which replies must repeat.",
        True,
        is_live=True,
    )
    cookies: bool = setting(
        boolean(), "Whether servers are sent cookies (RFC 7873).", True, is_live=True
    )
    validation: bool = setting(
        boolean(), "Whether answers are validated (DNSSEC).", True, is_live=True
    )
    trust_anchors: tuple[Anchor, ...] | None = setting(
        optional(anchors_file()),
        "What validation begins with; null for the keys of the root of the Internet.",
        None,
        is_live=True,
    )
    negative_trust_anchors: tuple[str, ...] = setting(
        list_of(domain_name()),
        "Names at and below which nothing is validated (RFC 7646).",
        [],
        is_live=True,
    )
    limits: QuestionLimits = setting(
        section_shape(QuestionLimits), "What the questions of clients may cost.", {}
    )
    cache: Cache = setting(section_shape(Cache), "What each worker keeps.", {})
    policy: Policy = setting(
        policy_shape(), "Names and addresses that are answered otherwise than they are.", {}
    )
