"""Our own zones on the way of a question: they answer first, and their cuts lead on."""

from dns_node.resolver.addresses import servers_of
from dns_node.resolver.asking import shown
from dns_node.resolver.delegation import Delegation
from dns_node.resolver.finding import NS, Finding, from_sections
from dns_node.resolver.inquiry import Inquiry
from dns_node.resolver.question import Held, Question
from dns_node.zone.names import name_text


def look_up(inquiry: Inquiry, question: Question) -> Finding | Delegation | None:
    """Return what a zone of ours says to *question*, or the delegation of the cut that it lies
    below (RFC 1034 section 4.3.2), None when it is outside of our zones."""
    assert inquiry.local is not None, "there are zones"
    sections = inquiry.local(question)
    finding = None if sections is None else from_sections(sections, question)
    if sections is None or finding is None:
        return None
    cut = next((held for held in finding.authority if held.rrset.rrtype == NS), None)
    if cut is None or finding.target is None:
        inquiry.step(f"{shown(question)} is answered by a zone of ours")
        return finding
    if finding.answer:
        # Aliases first: what is below the cut is found when their target is looked up.
        return Finding(
            finding.rcode, finding.answer, (), finding.target, finding.ttl_s, is_local=True
        )
    glue = tuple(Held(entry.owner, entry.rrset) for entry in sections.entries[2])
    return _delegation(inquiry, cut, glue)


def _delegation(inquiry: Inquiry, cut: Held, glue: tuple[Held, ...]) -> Delegation:
    """Return the delegation of a cut of ours.  It is not kept: a change of the zone counts at
    once."""
    names = cut.rrset.rdatas[: inquiry.resolver.settings.limits.name_servers_max]
    helds = tuple(held for held in glue if held.owner in names)
    servers = servers_of(inquiry, helds, is_ours=True)
    known = {held.owner for held in helds} if servers else set()
    pending = [name for name in names if name not in known]
    inquiry.step(f"a zone of ours delegates {name_text(cut.owner)}")
    return Delegation(cut.owner, names, servers, pending, inquiry.now_s)
