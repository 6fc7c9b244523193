"""What the validations of one worker share."""

import msgspec

from dns_node.resolver.dnssec.anchors import Anchors, NegativeAnchors
from dns_node.resolver.dnssec.keys import Algorithms
from dns_node.resolver.dnssec.trust import TrustStore


class Knowledge(msgspec.Struct):
    """What is trusted, and what was found out of zones."""

    algorithms: Algorithms
    anchors: Anchors
    negative_anchors: NegativeAnchors
    trusts: TrustStore
    failure_ttl_s: float
    anchors_changed: bool = False
