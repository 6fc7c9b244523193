"""`cluster`: the keys of how the nodes talk to each other."""

from dataclasses import dataclass

from dns_node.config.section import section_shape
from dns_node.config.shape import file_path, optional, setting, whole


@dataclass(frozen=True, slots=True)
class Tls:
    """`cluster.tls`: what a node shows the others and what it asks of them (mutual TLS 1.3)."""

    ca: str = setting(
        file_path("a PEM file", is_per_node=True), "The cluster's CA certificate.", "certs/ca.pem"
    )
    certificate: str = setting(
        file_path("a PEM file", is_per_node=True),
        "The node's certificate, signed by the CA.",
        "certs/node-{id}.pem",
    )
    key: str = setting(
        file_path("a PEM file", is_per_node=True),
        "The node's private key.",
        "certs/node-{id}.key",
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """`cluster`: how the nodes talk to each other."""

    tls: Tls | None = setting(
        optional(section_shape(Tls)),
        "Certificates; null for none, which only loopback addresses may do. "
        "`dns-node certs init DIR` makes them.",
        None,
    )
    command_timeout_s: int = setting(
        whole(1, 300, "seconds"),
        "How long a change waits for its outcome before the answer is UNKNOWN.",
        5,
    )
    log_size_max_mib: int = setting(
        whole(1, 1_048_576, "MiB"),
        "The log that is kept for an absent member; beyond it the member gets a snapshot.",
        256,
    )
    log_age_max_h: int = setting(
        whole(1, 8760, "hours"), "How long the log is kept for an absent member.", 24
    )
    snapshot_rate_mib_s: int = setting(
        whole(0, 65_536, "MiB per second"),
        "How fast a node sends its whole store to members that its log can't serve; 0: no limit.",
        64,
        is_live=True,
    )
