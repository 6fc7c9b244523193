//! The sections that answer a question from the zones of a view (`dns_node.answer.lookup`).

use crate::additional::{has_targets, put_additional, put_glue};
use crate::denial::Prover;
use crate::find::{find, Found, ANY, CNAME, DS, NS, NSEC, SOA};
use crate::name::{Owner, KEY_ROOM};
use crate::pages::Damage;
use crate::rows::{Node, RRset};
use crate::sections::{Data, Entry, Place, Sections, ANSWER, AUTHORITY};
use crate::snapshot::{Snapshot, Zone};

/// CNAMEs of one answer, synthesised ones included; the client asks on from the last.
const ALIASES_MAX: usize = 8;

const NXDOMAIN: u16 = 3;
/// No zone of ours encloses the name.
pub const REFUSED: u16 = 5;
const YXDOMAIN: u16 = 6;

/// Room for the owners of one lookup.
#[derive(Default)]
pub struct Owners {
    name: Box<Owner>,
    target: Box<Owner>,
}

impl Owners {
    /// Room for an owner that is looked for by itself.
    pub fn name(&mut self) -> &mut Owner {
        &mut self.name
    }
}

/// What is to be put into sections beside what answers.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// Proofs.
    pub is_do: bool,
    /// No referral: the name that is left to be resolved instead.
    pub leads_onward: bool,
}

/// Put into *sections* what answers *qname*, which is there already, and *qtype*.
pub fn look_up<'a>(
    view: &Snapshot<'a>,
    qname: Place,
    qtype: u16,
    wishes: Wishes,
    owners: &mut Owners,
    sections: &mut Sections<'a, '_>,
) -> Result<(), Damage> {
    let mut visited = [qname; ALIASES_MAX + 2];
    let mut count = 1;
    let mut name = qname;
    loop {
        if !owners.name.set(sections.names.get(name)) {
            return Err(Damage("a name in an rdata"));
        }
        let Some(zone) = zone_for(view, &mut owners.name, qtype, wishes.leads_onward)? else {
            if wishes.leads_onward {
                sections.onward = Some(name);
            }
            if count == 1 {
                (sections.rcode, sections.is_authoritative) = (REFUSED, false);
            }
            return Ok(());
        };
        let Wishes { is_do, leads_onward } = wishes;
        let mut step = Step { view, zone, is_do, leads_onward, owners, sections };
        let Some(target) = step.take(name, qtype)? else { return Ok(()) };
        // A loop ends with the first name that comes again.
        let octets = sections.names.get(target);
        if visited[..count].iter().any(|seen| sections.names.get(*seen) == octets) {
            return Ok(());
        }
        visited[count] = target;
        count += 1;
        name = target;
    }
}

fn zone_for(
    view: &Snapshot<'_>,
    owner: &mut Owner,
    qtype: u16,
    leads_onward: bool,
) -> Result<Option<Zone>, Damage> {
    let depth = owner.depth();
    let zone = view.enclosing_zone(owner, depth)?;
    match zone {
        // The parent side of a cut knows about DS (RFC 4035 section 3.1.4.1).
        Some(own) if qtype == DS && own.depth == depth && depth > 0 => {
            let parent = view.enclosing_zone(owner, depth - 1)?;
            Ok(if leads_onward { parent } else { parent.or(zone) })
        }
        _ => Ok(zone),
    }
}

/// One name of a chain, within one zone.
struct Step<'x, 'a, 's> {
    view: &'x Snapshot<'a>,
    zone: Zone,
    is_do: bool,
    leads_onward: bool,
    owners: &'x mut Owners,
    sections: &'x mut Sections<'a, 's>,
}

impl<'a> Step<'_, 'a, '_> {
    /// Put what the zone holds for *name* into the sections; return the name to go on with.
    fn take(&mut self, name: Place, qtype: u16) -> Result<Option<Place>, Damage> {
        let found = find(self.view, &self.zone, &mut self.owners.name, qtype)?;
        if self.sections.subject.is_none() {
            self.sections.subject = Some(match found {
                // Only these can be had by this very name alone.
                Found::Match(_, None) | Found::Alias(_, None) | Found::NoData(_, None) => name,
                _ => self.name_at(self.zone.depth),
            });
        }
        match found {
            Found::Match(rrset, wildcard) => {
                self.put_answer(name, rrset, wildcard)?;
                if has_targets(rrset.rrtype) {
                    let Owners { name, target } = &mut *self.owners;
                    put_additional(self.view, name.name(), &rrset, target, self.sections)?;
                }
            }
            Found::Alias(rrset, wildcard) => {
                if self.sections.aliases < ALIASES_MAX {
                    self.sections.aliases += 1;
                    self.put_answer(name, rrset, wildcard)?;
                    return Ok(Some(self.sections.names.put(rrset.first()?)));
                }
            }
            Found::DName(depth, rrset) => return self.follow_dname(name, qtype, depth, rrset),
            Found::Referral(..) if self.leads_onward => self.sections.onward = Some(name),
            Found::Referral(cut, node) => self.refer(cut, node)?,
            Found::NoData(node, wildcard) => self.deny_type(node, wildcard)?,
            Found::NxDomain(closest) => self.deny_name(qtype, closest)?,
        }
        Ok(None)
    }

    /// Keep the name at *depth* of the owner that is sought.
    fn name_at(&mut self, depth: usize) -> Place {
        let name = self.owners.name.name_at(depth);
        if self.sections.is_empty(ANSWER) {
            return self.sections.names.end_of_question(name.len());
        }
        self.sections.names.put(name)
    }

    fn put_answer(
        &mut self,
        name: Place,
        rrset: RRset<'a>,
        wildcard: Option<usize>,
    ) -> Result<(), Damage> {
        self.sections.put(ANSWER, name, rrset, true);
        if wildcard.is_some() && self.is_do {
            // No closer name exists (RFC 4035 section 3.1.3.3).
            self.prove_across_own_name()?;
        }
        Ok(())
    }

    fn prove_across_own_name(&mut self) -> Result<(), Damage> {
        let owner = &mut self.owners.name;
        let prover = Prover::new(self.view, &self.zone, owner)?;
        let depth = owner.depth();
        prover.put_across(self.sections, owner.name_key(self.zone.header.zone_id, depth))
    }

    fn follow_dname(
        &mut self,
        name: Place,
        qtype: u16,
        depth: usize,
        rrset: RRset<'a>,
    ) -> Result<Option<Place>, Damage> {
        if self.sections.aliases >= ALIASES_MAX {
            return Ok(None);
        }
        self.sections.aliases += 1;
        let owner = self.name_at(depth);
        self.sections.put(ANSWER, owner, rrset, true);
        let target = rrset.first()?;
        let own = self.owners.name.name();
        let kept = &own[..own.len() - owner.size()];
        if kept.len() + target.len() > 255 {
            self.sections.rcode = YXDOMAIN; // RFC 6672 section 2.2
            return Ok(None);
        }
        let synthesized = self.sections.names.put_with(|octets| {
            octets.extend_from_slice(kept);
            octets.extend_from_slice(target);
            Some(kept.len() + target.len())
        });
        let synthesized = synthesized.ok_or(Damage("a name in an rdata"))?;
        // The CNAME has the DNAME's TTL and no signature (RFC 6672 sections 3.1 and 5.3.1).
        self.sections.put_entry(Entry {
            section: ANSWER,
            owner: name,
            rrtype: CNAME,
            ttl_s: rrset.ttl_s,
            is_required: true,
            data: Data::Alias(synthesized),
        });
        Ok((qtype != CNAME && qtype != ANY).then_some(synthesized))
    }

    fn refer(&mut self, cut: usize, node: Node<'a>) -> Result<(), Damage> {
        if self.sections.is_empty(ANSWER) {
            self.sections.is_authoritative = false;
        }
        let place = self.name_at(cut);
        let servers = node.get(NS)?.ok_or(Damage("a zone cut"))?;
        // The NS RRset of a cut is the child's: the parent never signs it (RFC 4035 section 2.2).
        self.sections.put(AUTHORITY, place, RRset { signatures: 0, ..servers }, true);
        let zone_id = self.zone.header.zone_id;
        if self.is_do {
            if let Some(rrset) = node.get(DS)? {
                self.sections.put(AUTHORITY, place, rrset, true);
            } else if node.has(NSEC)? {
                let owner = &mut self.owners.name;
                let prover = Prover::new(self.view, &self.zone, owner)?;
                prover.put_at(self.sections, owner.name_key(zone_id, cut), Some(node))?;
            }
        }
        let Owners { name, target } = &mut *self.owners;
        put_glue(self.view, zone_id, name.name_at(cut), &node, target, self.sections)
    }

    fn deny_type(&mut self, node: Option<Node<'a>>, wildcard: Option<usize>) -> Result<(), Damage> {
        self.put_soa()?;
        if !self.is_do {
            return Ok(());
        }
        let owner = &mut self.owners.name;
        let (zone_id, depth) = (self.zone.header.zone_id, owner.depth());
        let prover = Prover::new(self.view, &self.zone, owner)?;
        match wildcard {
            None => prover.put_at(self.sections, owner.name_key(zone_id, depth), node),
            Some(closest) => {
                let mut room = [0; KEY_ROOM];
                let key = owner.wildcard_key(zone_id, closest, &mut room);
                prover.put_at(self.sections, key, node)?;
                prover.put_across(self.sections, owner.name_key(zone_id, depth))
            }
        }
    }

    fn deny_name(&mut self, qtype: u16, closest: usize) -> Result<(), Damage> {
        self.put_soa()?;
        let owner = &mut self.owners.name;
        let (zone_id, depth) = (self.zone.header.zone_id, owner.depth());
        if qtype == DS && self.view.is_apex(owner, depth)? {
            // The name exists: it is a zone of ours to which this one does not delegate.
            return Ok(());
        }
        self.sections.rcode = NXDOMAIN;
        if self.is_do {
            let prover = Prover::new(self.view, &self.zone, owner)?;
            prover.put_across(self.sections, owner.name_key(zone_id, depth))?;
            if owner.name_at(closest).len() + 2 <= 255 {
                let mut room = [0; KEY_ROOM];
                let key = owner.wildcard_key(zone_id, closest, &mut room);
                prover.put_across(self.sections, key)?;
            }
        }
        Ok(())
    }

    fn put_soa(&mut self) -> Result<(), Damage> {
        let header = self.zone.header;
        let node = self.view.apex(&self.zone, &mut self.owners.name)?;
        let Some(node) = node else { return Ok(()) };
        if let Some(rrset) = node.get(SOA)? {
            let apex = self.name_at(self.zone.depth);
            // How long the absence may be remembered (RFC 2308 section 3).
            let ttl_s = header.negative_ttl_s;
            self.sections.put(AUTHORITY, apex, RRset { ttl_s, ..rrset }, true);
        }
        Ok(())
    }
}
