//! The NSEC records that prove what a zone does not hold (`dns_node.answer.denial`).

use crate::find::NSEC;
use crate::name::{append_name, Owner, KEY_ROOM};
use crate::pages::Damage;
use crate::rows::Node;
use crate::sections::{Sections, AUTHORITY};
use crate::snapshot::{Snapshot, Zone};

/// Puts the NSEC records of one zone into the authority section; nothing in a zone that has none.
/// Names are told by their keys in table `names`.
pub struct Prover<'v, 'a> {
    view: &'v Snapshot<'a>,
    apex_key_octets: usize,
    is_signed: bool,
}

impl<'v, 'a> Prover<'v, 'a> {
    /// Return the prover of *zone*, in which *owner* is.
    pub fn new(view: &'v Snapshot<'a>, zone: &Zone, owner: &mut Owner) -> Result<Self, Damage> {
        let apex_key_octets = owner.name_key(zone.header.zone_id, zone.depth).len();
        let is_signed = match view.apex(zone, owner)? {
            Some(node) => node.has(NSEC)?,
            None => false,
        };
        Ok(Prover { view, apex_key_octets, is_signed })
    }

    /// Prove which types the name has: its own NSEC, or the one across an empty non-terminal.
    pub fn put_at(
        &self,
        sections: &mut Sections<'a, '_>,
        key: &[u8],
        node: Option<Node<'a>>,
    ) -> Result<(), Damage> {
        if let (true, Some(node)) = (self.is_signed, node) {
            if self.put(sections, key, node)? {
                return Ok(());
            }
        }
        self.put_across(sections, key)
    }

    /// Prove that the name does not exist, or holds no record: the NSEC that goes across it.
    pub fn put_across(&self, sections: &mut Sections<'a, '_>, key: &[u8]) -> Result<(), Damage> {
        if !self.is_signed {
            return Ok(());
        }
        let Some(preceding) = self.view.preceding(key)? else { return Ok(()) };
        let mut place = [0; KEY_ROOM];
        let mut end = 4 + preceding.len();
        if end > place.len() {
            return Err(Damage("an owner key"));
        }
        place[..4].copy_from_slice(&key[..4]);
        place[4..end].copy_from_slice(preceding);
        loop {
            if let Some(node) = self.view.node_at(&place[..end])? {
                if self.put(sections, &place[..end], node)? {
                    return Ok(());
                }
            }
            if end <= self.apex_key_octets {
                return Ok(());
            }
            // What has no NSEC lies below a zone cut (glue): the NSEC across it is the cut's.
            let labels = &place[4..end - 1];
            end = 4 + labels.iter().rposition(|octet| *octet == 0).map_or(0, |at| at + 1);
        }
    }

    fn put(
        &self,
        sections: &mut Sections<'a, '_>,
        key: &[u8],
        node: Node<'a>,
    ) -> Result<bool, Damage> {
        let Some(rrset) = node.get(NSEC)? else { return Ok(false) };
        let owner = sections
            .names
            .put_with(|octets| append_name(&key[4..], octets))
            .ok_or(Damage("an owner key"))?;
        sections.put(AUTHORITY, owner, rrset, true);
        Ok(true)
    }
}
