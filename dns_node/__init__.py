"""dns-node: a nameserver cluster in which every node is a primary."""

__version__ = "0.1.0"
