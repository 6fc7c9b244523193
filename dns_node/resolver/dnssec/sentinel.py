"""Names that ask which root keys are trusted here (RFC 8509).

Whoever watches a rollover of the root's key has clients ask for the address of such names: who gets
it, and who gets SERVFAIL, tells whether their resolver trusts the key.
"""

import re
from typing import Final

from dns_node.resolver.dnssec.anchors import Anchors
from dns_node.resolver.question import Question
from dns_node.zone.names import ROOT

_FIRST_LABEL: Final = re.compile(rb"[\x1d\x1e]root-key-sentinel-(is|not)-ta-([0-9]{5})", re.DOTALL)
_ADDRESSES: Final = (1, 28)


def contradicts(anchors: Anchors, question: Question) -> bool:
    """Return whether the secure answer to *question* is to be withheld, for its name says of the
    root's *anchors* what is not so."""
    asked = _FIRST_LABEL.match(question.qname)
    if asked is None or question.qtype not in _ADDRESSES or len(asked[0]) != asked[0][0] + 1:
        return False
    tags = {anchor.tag for anchor in anchors.delegations(ROOT)} if anchors.closest(ROOT) else ()
    is_trusted = int(asked[2]) in tags
    return is_trusted is not (asked[1] == b"is")
