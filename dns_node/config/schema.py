"""The keys of the configuration: their shapes, defaults and documentation, in one place.

Sections are filled by `load.load` (or `load.parse` from a dictionary), never by hand: each field
is declared with `setting`, whose default is written as it would stand in the file.  Paths in a
filled section are absolute.  ``docs/configuration.md`` is made from this file.
"""

from dataclasses import dataclass

from dns_node.config.address import Address
from dns_node.config.links import Cluster, Tls
from dns_node.config.protection import Cookies, RateLimit
from dns_node.config.recursion import Recursion
from dns_node.config.section import section_shape
from dns_node.config.shape import (
    Reading,
    Shape,
    address,
    boolean,
    choice,
    file_path,
    list_of,
    network,
    optional,
    setting,
    text,
    whole,
)

SECOND_MAX = 2**31 - 1
"""The largest TTL (RFC 2181 section 8)."""


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """One managed zone file, or all that a glob names."""

    file: str = setting(file_path("a path or a glob"), "The file; `*` and `?` name several.")
    origin: str | None = setting(
        optional(text("a domain name")),
        "The zone that the file describes, when the file does not say.",
        None,
    )


def _zone_file() -> Shape:
    inner = section_shape(ZoneFile)

    def read(value: object, path: str, reading: Reading) -> object:
        return inner.read({"file": value} if isinstance(value, str) else value, path, reading)

    return Shape('a path, a glob or {"origin": …, "file": …}', read)


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """One node under `nodes`; the key is its id."""

    raft_loc: Address = setting(
        address(is_wildcard_allowed=False),
        "Where the other nodes reach this one (TCP). Off loopback it needs `cluster.tls`.",
    )
    query_loc: tuple[Address, ...] = setting(
        list_of(address(is_wildcard_allowed=True), may_be_single=True, least=1),
        "Where it answers DNS, UDP and TCP. On a wildcard address replies leave from the "
        "address that was asked.",
    )
    kv_loc: Address | None = setting(
        optional(address(is_wildcard_allowed=True)),
        "Where it speaks the `kv` text protocol; null for nowhere. Off loopback it needs "
        "`access.kv`.",
        None,
    )
    data_dir: str | None = setting(
        optional(file_path("a directory")), "Overrides the general `data_dir`.", None
    )
    role: str = setting(
        choice("voter", "learner", "edge"),
        "A voter counts for the majority; a learner holds everything and does not vote; an edge "
        "holds the records and never the log. A learner becomes a voter once its own file and "
        "the leader's say so; any other change of the role takes REMOVE-MEMBER and an emptied "
        "data directory.",
        "voter",
    )
    zone_files: tuple[ZoneFile, ...] = setting(
        list_of(_zone_file()), "Zone files that this node loads and manages.", [], is_live=True
    )


@dataclass(frozen=True, slots=True)
class AutoZones:
    """`auto_zones`: the zone that is made when none encloses an added name."""

    enabled: bool = setting(
        boolean(),
        "Whether one is made. `false` in place of the whole section means this key.",
        True,
        is_live=True,
    )
    name_servers: tuple[str, ...] = setting(
        list_of(text("a domain name"), least=1),
        "The NS records; `{zone}` is the zone's name. The first is the SOA's MNAME.",
        ["localhost."],
        is_live=True,
    )
    rname: str = setting(
        text("a domain name"),
        "The SOA's RNAME: the mailbox of who is responsible, `@` written as a dot.",
        "hostmaster.{zone}",
        is_live=True,
    )
    ttl_s: int = setting(
        whole(0, SECOND_MAX, "seconds"), "The TTL of SOA and NS.", 3600, is_live=True
    )
    negative_ttl_s: int = setting(
        whole(0, SECOND_MAX, "seconds"),
        "How long others may remember that a name does not exist (RFC 2308).",
        300,
        is_live=True,
    )
    refresh_s: int = setting(
        whole(1, SECOND_MAX, "seconds"), "The SOA's REFRESH.", 3600, is_live=True
    )
    retry_s: int = setting(whole(1, SECOND_MAX, "seconds"), "The SOA's RETRY.", 600, is_live=True)
    expire_s: int = setting(
        whole(1, SECOND_MAX, "seconds"), "The SOA's EXPIRE.", 1_209_600, is_live=True
    )


@dataclass(frozen=True, slots=True)
class Access:
    """`access`: who may do what, by network. Entries are addresses, networks or `any`."""

    query: tuple[str, ...] = setting(
        list_of(network()), "Who gets answers; everyone else gets REFUSED.", ["any"], is_live=True
    )
    recursion: tuple[str, ...] = setting(
        list_of(network()),
        "Whose questions are resolved when no zone of ours answers them; everyone else gets a "
        "referral or REFUSED.",
        ["127.0.0.0/8", "::1"],
        is_live=True,
    )
    proxy: tuple[str, ...] = setting(
        list_of(network()),
        "Proxies that put a PROXYv2 header before each query; nobody else's is believed.",
        [],
        is_live=True,
    )
    kv: tuple[str, ...] | None = setting(
        optional(list_of(network())),
        "Who may use the `kv` protocol; null for loopback only.",
        None,
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """`limits`: bounds, so that no client takes all. Connections are those of all workers."""

    tcp_connections: int = setting(
        whole(1, 1_000_000), "TCP connections of a node at once.", 1000, is_live=True
    )
    tcp_connections_per_address: int = setting(
        whole(1, 1_000_000), "TCP connections of a node at once from one address.", 100,
        is_live=True,
    )  # fmt: skip
    tcp_idle_s: int = setting(
        whole(1, 3600, "seconds"), "A TCP connection without a query for this long is closed.", 10,
        is_live=True,
    )  # fmt: skip
    disk_reserve_mib: int = setting(
        whole(0, 1_048_576, "MiB"),
        "Below this much free space (at most a tenth of the file system) a node takes no changes "
        "and lets another lead, until there is space; 0: no watermark.",
        256,
        is_live=True,
    )
    mass_delete_percent: int = setting(
        whole(1, 100, "percent"),
        "One command that removes more than this share of a zone's records (and at least 100), or "
        "of all zones (and at least 3), has to say `force`; 100: none has to.",
        50,
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Logging:
    """`logging`: what the node says on standard error, and the query logs."""

    level: str = setting(
        choice("debug", "info", "warning", "error"), "What is logged.", "info", is_live=True
    )
    format: str = setting(
        choice("text", "json"), "Lines for people, or one JSON object a line.", "text"
    )
    query_log: str | None = setting(
        optional(file_path("a file")),
        "Where every query is logged, one JSON line each; null for nowhere. Written off the "
        "answer path; what does not fit is dropped and counted.",
        None,
        is_live=True,
    )
    dnstap: str | None = setting(
        optional(file_path("a UNIX socket")),
        "The UNIX socket of a dnstap collector (Frame Streams); null for none.",
        None,
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class Kv:
    """`kv`: bounds of the `kv` text protocol."""

    connections: int = setting(whole(1, 65535), "Connections at once.", 128, is_live=True)
    idle_s: int = setting(
        whole(1, 3600, "seconds"), "A request that takes longer to arrive is cut off.", 10,
        is_live=True,
    )  # fmt: skip
    value_size_octets_max: int = setting(
        whole(1, 1_048_576, "octets"), "The longest key and value together.", 65536,
        is_live=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """`identity`: what a node tells about itself."""

    version: str | None = setting(
        optional(text()), "What `version.bind` CHAOS TXT answers; null for REFUSED.", "dns-node",
        is_live=True,
    )  # fmt: skip
    server_id: str | None = setting(
        optional(text("a text; {id} in it is the node's id")),
        "What `id.server` CHAOS TXT and NSID (RFC 5001) answer; null for REFUSED and no NSID.",
        "{id}",
        is_live=True,
    )


@dataclass(frozen=True, slots=True)
class History:
    """`history`: what UNDO, HISTORY and the retry of an unknown outcome can look back on."""

    age_max_h: int = setting(whole(1, 876_000, "hours"), "The oldest history row.", 2160)
    rows_max: int = setting(whole(1, 2**31 - 1), "The number of history rows.", 1_000_000)
    operations_age_max_h: int = setting(
        whole(1, 8760, "hours"), "How long the outcome of a change can be asked for.", 24
    )


def _auto_zones() -> Shape:
    inner = section_shape(AutoZones)

    def read(value: object, path: str, reading: Reading) -> object:
        return inner.read({"enabled": value} if isinstance(value, bool) else value, path, reading)

    return Shape("an object, true or false", read)


@dataclass(frozen=True, slots=True)
class General:
    """The top level, beside `nodes`: what all nodes share."""

    workers: int = setting(
        whole(0, 256), "Worker processes that answer DNS; 0 means one per processor core.", 0
    )
    data_dir: str = setting(
        file_path("a directory", is_per_node=True),
        "Where a node keeps its records and its log; `{id}` is the node's id.",
        "data/node-{id}",
    )
    zone_files: tuple[ZoneFile, ...] = setting(
        list_of(_zone_file()), "Zone files that every node loads and manages.", [], is_live=True
    )
    zone_dir: str | None = setting(
        optional(file_path("a directory")),
        "The directory that `$INCLUDE` may read from; null for the one of the zone file.",
        None,
        is_live=True,
    )
    auto_zones: AutoZones = setting(
        _auto_zones(), "The zone that is made when none encloses an added name.", {}
    )
    default_ttl_s: int = setting(
        whole(0, SECOND_MAX, "seconds"), "The TTL of a record that is added without one.", 3600,
        is_live=True,
    )  # fmt: skip
    access: Access = setting(section_shape(Access), "Who may do what.", {})
    limits: Limits = setting(section_shape(Limits), "Bounds.", {})
    rate_limit: RateLimit = setting(section_shape(RateLimit), "Limits of answers over UDP.", {})
    cookies: Cookies = setting(section_shape(Cookies), "DNS cookies.", {})
    recursion: Recursion = setting(
        section_shape(Recursion), "How questions are resolved that our zones don't answer.", {}
    )
    logging: Logging = setting(section_shape(Logging), "What is logged, and where.", {})
    cluster: Cluster = setting(section_shape(Cluster), "How the nodes talk to each other.", {})
    kv: Kv = setting(section_shape(Kv), "Bounds of the `kv` text protocol.", {})
    identity: Identity = setting(section_shape(Identity), "What a node tells about itself.", {})
    history: History = setting(section_shape(History), "How far back the cluster remembers.", {})
    user: str | None = setting(
        optional(text("a user name")),
        "The user that a node started as root becomes once its sockets are open; null to stay.",
        None,
    )
    leave_on_stop: bool = setting(
        boolean(),
        "Whether a node that is stopped in an orderly way leaves the cluster for good.",
        False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(General):
    """A whole configuration, checked: the general keys as attributes, and the nodes.

    *source* is the file it came from ('' for the embedded default), *base_dir* the directory
    that relative paths count from, *advice* what works but may surprise.
    """

    nodes: dict[str, NodeEntry]
    source: str
    base_dir: str
    advice: tuple[str, ...]

    def node(self, node_id: str) -> "Node":
        """Return all that belongs to one node, `{id}` filled in; raises KeyError for an id that
        is not configured."""
        entry = self.nodes[node_id]

        def own(template: str) -> str:
            return template.replace("{id}", node_id)

        tls = self.cluster.tls
        return Node(
            id=node_id,
            raft_loc=entry.raft_loc,
            query_loc=entry.query_loc,
            kv_loc=entry.kv_loc,
            data_dir=own(entry.data_dir or self.data_dir),
            role=entry.role,
            zone_files=self.zone_files + entry.zone_files,
            tls=tls and Tls(own(tls.ca), own(tls.certificate), own(tls.key)),
            server_id=self.identity.server_id and own(self.identity.server_id),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One node as it runs: its addresses, its data directory, its role, the zone files that it
    manages (the general ones first), its certificates, and its name for id.server and NSID."""

    id: str
    raft_loc: Address
    query_loc: tuple[Address, ...]
    kv_loc: Address | None
    data_dir: str
    role: str
    zone_files: tuple[ZoneFile, ...]
    tls: Tls | None
    server_id: str | None
