//! Addresses that spare the client a question (`dns_node.answer.additional`).

use crate::find::{find_cut, NS};
use crate::name::{is_at_or_below, name_size, Owner};
use crate::pages::Damage;
use crate::rows::{Node, RRset};
use crate::sections::{Place, Sections, ADDITIONAL};
use crate::snapshot::{Snapshot, Zone};

const A: u16 = 1;
const MX: u16 = 15;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;

/// Names of one answer whose addresses are looked for.
const TARGETS_MAX: usize = 16;

const NO_NAME: Damage = Damage("a name in an rdata");

/// Say whether answers of this type bring additional data along.
pub fn has_targets(rrtype: u16) -> bool {
    matches!(rrtype, NS | MX | SRV | SVCB | HTTPS)
}

/// Put the addresses of the name servers at the cut into the additional section: all that are at
/// or below the cut, which are required (RFC 9471 section 3), and others that our zones have.
pub fn put_glue<'a>(
    view: &Snapshot<'a>,
    zone_id: u32,
    cut: &[u8],
    node: &Node<'a>,
    target: &mut Owner,
    sections: &mut Sections<'a, '_>,
) -> Result<(), Damage> {
    let mut others: [&[u8]; TARGETS_MAX] = [&[]; TARGETS_MAX];
    let mut count = 0;
    let Some(servers) = node.get(NS)? else { return Ok(()) };
    for rdata in servers.each().take(servers.rdatas as usize) {
        let rdata = rdata?;
        if !target.set(rdata) {
            return Err(NO_NAME);
        }
        if is_at_or_below(rdata, cut) {
            put_addresses(view, zone_id, target, None, sections, true)?;
        } else if count < TARGETS_MAX {
            others[count] = rdata;
            count += 1;
        }
    }
    for rdata in &others[..count] {
        if !target.set(rdata) {
            return Err(NO_NAME);
        }
        if let Some(zone) = view.enclosing_zone(target, target.depth())? {
            put_addresses(view, zone.header.zone_id, target, None, sections, false)?;
        }
    }
    Ok(())
}

/// Put what a client asks next after *rrset* at *owner* into the additional section.
pub fn put_additional<'a>(
    view: &Snapshot<'a>,
    owner: &[u8],
    rrset: &RRset<'a>,
    target: &mut Owner,
    sections: &mut Sections<'a, '_>,
) -> Result<(), Damage> {
    let mut number = 0;
    for rdata in rrset.each().take(rrset.rdatas as usize) {
        if number == TARGETS_MAX {
            return Ok(());
        }
        if let Some(is_alias) = set_target(rrset.rrtype, rdata?, owner, target)? {
            number += 1;
            put_target(view, rrset.rrtype, is_alias, target, sections)?;
        }
    }
    Ok(())
}

/// Make *target* the name that an rdata leads to; return whether it does so as an SVCB alias, and
/// None when it leads nowhere.
fn set_target(
    rrtype: u16,
    rdata: &[u8],
    owner: &[u8],
    target: &mut Owner,
) -> Result<Option<bool>, Damage> {
    let start = match rrtype {
        NS => 0,
        SRV => 6,
        _ => 2,
    };
    let name = rdata.get(start..).ok_or(NO_NAME)?;
    if !matches!(rrtype, SVCB | HTTPS) {
        return if target.set(name) { Ok(Some(false)) } else { Err(NO_NAME) };
    }
    let is_alias = rdata[..2] == [0, 0];
    let size = name_size(name).ok_or(NO_NAME)?;
    let mut lower = [0; 255];
    lower[..size].copy_from_slice(&name[..size]);
    lower[..size].make_ascii_lowercase();
    let name = match (size, is_alias) {
        (1, true) => return Ok(None),
        (1, false) => owner, // "." is the owner itself (RFC 9460 section 2.5.2)
        _ => &lower[..size],
    };
    if target.set(name) {
        Ok(Some(is_alias))
    } else {
        Err(NO_NAME)
    }
}

fn put_target<'a>(
    view: &Snapshot<'a>,
    rrtype: u16,
    is_alias: bool,
    target: &mut Owner,
    sections: &mut Sections<'a, '_>,
) -> Result<(), Damage> {
    let Some(zone) = view.enclosing_zone(target, target.depth())? else { return Ok(()) };
    if is_below_cut(view, &zone, target)? {
        return Ok(());
    }
    let also = is_alias.then_some(rrtype);
    put_addresses(view, zone.header.zone_id, target, also, sections, false)
}

fn is_below_cut(view: &Snapshot<'_>, zone: &Zone, target: &mut Owner) -> Result<bool, Damage> {
    Ok(find_cut(view, zone, target)?.is_some())
}

/// Put the RRset of type *also*, if any, and the addresses of *target* into the section.
fn put_addresses<'a>(
    view: &Snapshot<'a>,
    zone_id: u32,
    target: &mut Owner,
    also: Option<u16>,
    sections: &mut Sections<'a, '_>,
    is_required: bool,
) -> Result<(), Damage> {
    let Some(node) = view.node(zone_id, target, target.depth())? else { return Ok(()) };
    let mut owner: Option<Place> = None;
    for rrtype in also.into_iter().chain([A, AAAA]) {
        if let Some(rrset) = node.get(rrtype)? {
            let owner = *owner.get_or_insert_with(|| sections.names.put(target.name()));
            sections.put(ADDITIONAL, owner, rrset, is_required);
        }
    }
    Ok(())
}
