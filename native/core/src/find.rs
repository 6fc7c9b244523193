//! What a zone holds for a question (`dns_node.zone.find`): step 3 of RFC 1034 section 4.3.2.

use crate::name::Owner;
use crate::pages::Damage;
use crate::rows::{Node, RRset};
use crate::snapshot::{Snapshot, Zone};

/// NS.
pub const NS: u16 = 2;
/// CNAME.
pub const CNAME: u16 = 5;
/// SOA.
pub const SOA: u16 = 6;
/// DNAME.
pub const DNAME: u16 = 39;
/// DS.
pub const DS: u16 = 43;
/// RRSIG.
pub const RRSIG: u16 = 46;
/// NSEC.
pub const NSEC: u16 = 47;
/// ANY, as a question.
pub const ANY: u16 = 255;
const KEY: u16 = 25;

/// What was found.  Names are told by their depth in the owner that was sought; a wildcard by that
/// of its parent, the closest encloser.
#[derive(Clone, Copy)]
pub enum Found<'a> {
    /// The RRset that was asked for, and the wildcard that it was made from.
    Match(RRset<'a>, Option<usize>),
    /// A CNAME where another type was asked.
    Alias(RRset<'a>, Option<usize>),
    /// The name is at or below a zone cut.
    Referral(usize, Node<'a>),
    /// An ancestor has a DNAME (RFC 6672 section 2.2).
    DName(usize, RRset<'a>),
    /// The name exists, itself or by the wildcard, and has no such type.  Without a node it is an
    /// empty non-terminal.
    NoData(Option<Node<'a>>, Option<usize>),
    /// Neither the name nor anything below it exists (RFC 8020); the closest encloser.
    NxDomain(usize),
}

/// Return what *zone* holds for *owner*, which is at or below its apex, and *qtype*.
pub fn find<'a>(
    view: &Snapshot<'a>,
    zone: &Zone,
    owner: &mut Owner,
    qtype: u16,
) -> Result<Found<'a>, Damage> {
    let header = &zone.header;
    let depth = owner.depth();
    if (header.cuts != 0 || header.dnames != 0) && depth > zone.depth {
        if let Some(found) = on_the_way_down(view, zone, owner, qtype)? {
            return Ok(found);
        }
    }
    let key = owner.name_key(header.zone_id, depth);
    let neighbours = match view.node_or_neighbours(key)? {
        Ok(node) => return within(node, qtype, None),
        Err(neighbours) => neighbours,
    };
    let own_key = &key[4..];
    if neighbours.following.is_some_and(|following| following.starts_with(own_key)) {
        return Ok(Found::NoData(None, None)); // an empty non-terminal
    }
    let common = |neighbour: Option<&[u8]>| neighbour.map_or(0, |key| owner.common_depth(key));
    let closest = common(neighbours.preceding).max(common(neighbours.following)).max(zone.depth);
    if owner.name_at(closest).len() + 2 > 255 {
        return Ok(Found::NxDomain(closest));
    }
    match view.wildcard(zone, owner, closest)? {
        Ok(node) if header.wildcards != 0 => within(node, qtype, Some(closest)),
        Ok(_) | Err(false) => Ok(Found::NxDomain(closest)),
        // `*` is an empty non-terminal itself: the source of an empty synthesis.
        Err(true) => Ok(Found::NoData(None, Some(closest))),
    }
}

fn on_the_way_down<'a>(
    view: &Snapshot<'a>,
    zone: &Zone,
    owner: &mut Owner,
    qtype: u16,
) -> Result<Option<Found<'a>>, Damage> {
    let zone_id = zone.header.zone_id;
    if zone.header.dnames != 0 {
        if let Some(node) = view.apex(zone, owner)? {
            if let Some(rrset) = node.get(DNAME)? {
                return Ok(Some(Found::DName(zone.depth, rrset)));
            }
        }
    }
    for depth in zone.depth + 1..=owner.depth() {
        let Some(node) = view.node(zone_id, owner, depth)? else { continue };
        if node.has(NS)? {
            let is_asked_here = depth == owner.depth() && qtype == DS;
            return Ok((!is_asked_here).then_some(Found::Referral(depth, node)));
        }
        if depth < owner.depth() {
            if let Some(rrset) = node.get(DNAME)? {
                return Ok(Some(Found::DName(depth, rrset)));
            }
        }
    }
    Ok(None)
}

/// Return the depth of the topmost zone cut at or above *owner* in *zone*.
pub fn find_cut(
    view: &Snapshot<'_>,
    zone: &Zone,
    owner: &mut Owner,
) -> Result<Option<usize>, Damage> {
    if zone.header.cuts == 0 {
        return Ok(None);
    }
    for depth in zone.depth + 1..=owner.depth() {
        if let Some(node) = view.node(zone.header.zone_id, owner, depth)? {
            if node.has(NS)? {
                return Ok(Some(depth));
            }
        }
    }
    Ok(None)
}

fn within<'a>(node: Node<'a>, qtype: u16, wildcard: Option<usize>) -> Result<Found<'a>, Damage> {
    let mut alias = None;
    let mut has_only_alias = true;
    let mut any: Option<RRset<'a>> = None;
    let mut signed: Option<RRset<'a>> = None;
    for rrset in node.each() {
        let rrset = rrset?;
        if rrset.rrtype == qtype {
            return Ok(Found::Match(rrset, wildcard));
        }
        match rrset.rrtype {
            CNAME => alias = Some(rrset),
            KEY | NSEC => {}
            _ => has_only_alias = false,
        }
        // The lowest type, NSEC only when it is alone.
        if any.is_none_or(|any| any.rrtype == NSEC) {
            any = Some(rrset);
        }
        if signed.is_none() && rrset.signatures != 0 {
            signed = Some(rrset);
        }
    }
    match (qtype, any, signed, alias) {
        (ANY, Some(rrset), _, _) => Ok(Found::Match(rrset, wildcard)),
        (ANY, None, _, _) => Err(Damage("a node without RRsets")),
        (RRSIG, _, Some(rrset), _) => Ok(Found::Match(rrset.signatures_alone()?, wildcard)),
        (_, _, _, Some(rrset)) if has_only_alias => Ok(Found::Alias(rrset, wildcard)),
        _ => Ok(Found::NoData(Some(node), wildcard)),
    }
}
