//! One revision of the store, as answers ask it.

use std::cell::Cell;

use crate::ahead::Ahead;
use crate::guess::Guess;
use crate::name::{Owner, KEY_ROOM};
use crate::pages::{count, key_at, value, Damage, Pages, Row, Seat, Tree};
use crate::rows::{Node, ZoneHeader};

/// A zone that encloses a name, whose last *depth* labels are the apex.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    /// How many labels the apex has.
    pub depth: usize,
    /// What the zone's row says.
    pub header: ZoneHeader,
}

/// A zone that was found lately and has no other zone below it: every name below its apex is in it.
#[derive(Clone, Copy)]
struct Known<'a> {
    key: &'a [u8],
    zone: Zone,
}

/// A stretch of table `names` without rows: the keys before and behind it, None at the table's ends.
#[derive(Clone, Copy)]
struct Gap<'a> {
    preceding: Option<&'a [u8]>,
    following: Option<&'a [u8]>,
}

impl<'a> Gap<'a> {
    #[inline]
    fn holds(&self, key: &[u8]) -> bool {
        self.preceding.is_none_or(|preceding| preceding < key)
            && self.following.is_none_or(|following| key < following)
    }

    #[inline]
    fn neighbours(&self, key: &[u8]) -> Neighbours<'a> {
        let of_this_zone = |other: &'a [u8]| other.strip_prefix(&key[..4]);
        Neighbours {
            preceding: self.preceding.and_then(of_this_zone),
            following: self.following.and_then(of_this_zone),
        }
    }
}

/// A read view of one revision.  What its methods return lies in the store's pages; it lives
/// until the store is reset.
pub struct Snapshot<'a> {
    pages: Pages<'a>,
    tables: Tree,
    names: Tree,
    zones: Tree,
    known: Cell<Option<Known<'a>>>,
    apex: Cell<Option<(u32, Option<Node<'a>>)>>,
    wildcard: Cell<Option<(u32, Below<'a>)>>,
    guess: Cell<Option<Guess<'a>>>,
    gap: Cell<Option<Gap<'a>>>,
}

/// What is at a name: its RRsets, or whether names below it exist.
pub type Below<'a> = Result<Node<'a>, bool>;

/// The rows next to a place in table `names` where no row is, as far as they are of one zone:
/// their owner keys.
pub struct Neighbours<'a> {
    /// The last owner before it.
    pub preceding: Option<&'a [u8]>,
    /// The first owner behind it.
    pub following: Option<&'a [u8]>,
}

/// A row of table `names`, or what is next to its place.
pub type Found<'a> = Result<Node<'a>, Neighbours<'a>>;

impl<'a> Snapshot<'a> {
    pub(crate) fn new(pages: Pages<'a>, tables: Tree, names: Tree, zones: Tree) -> Self {
        Snapshot {
            pages,
            tables,
            names,
            zones,
            known: Cell::new(None),
            apex: Cell::new(None),
            wildcard: Cell::new(None),
            guess: Cell::new(None),
            gap: Cell::new(None),
        }
    }

    /// Return the table *name* of the environment.
    pub fn table(&self, name: &[u8]) -> Result<Tree, Damage> {
        self.tables.table(self.pages, name)
    }

    /// Return the value of the row of *table* with exactly this key.
    pub fn get(&self, table: &Tree, key: &[u8]) -> Result<Option<&'a [u8]>, Damage> {
        table.get(self.pages, key)
    }

    /// Return the place of *key* in *table*.
    pub fn seek(&self, table: &Tree, key: &[u8]) -> Result<Seat<'a>, Damage> {
        table.seek(self.pages, key)
    }

    /// Return the place behind the last row of *table*.
    pub fn end(&self, table: &Tree) -> Result<Seat<'a>, Damage> {
        table.end(self.pages)
    }

    /// Say whether the name at *depth* of *owner* is the apex of a zone.
    pub fn is_apex(&self, owner: &mut Owner, depth: usize) -> Result<bool, Damage> {
        Ok(self.zones.get(self.pages, owner.zone_key(depth))?.is_some())
    }

    /// Return the zone with the longest apex that is at or above the name at *depth* of *owner*.
    ///
    /// The keys of all names above a name are prefixes of its own.  So the last apex that is not
    /// behind the name is the one sought, or has what both have in common below it.
    pub fn enclosing_zone(&self, owner: &mut Owner, depth: usize) -> Result<Option<Zone>, Damage> {
        if let Some(known) = self.known.get() {
            if depth >= known.zone.depth && owner.zone_key(depth).starts_with(known.key) {
                return Ok(Some(known.zone));
            }
        }
        let mut depth = depth;
        loop {
            let mut seat = self.zones.seek(self.pages, owner.zone_key(depth))?;
            let row = if seat.is_exact { seat.row()? } else { seat.previous()? };
            let Some(Row { key, value }) = row else { return Ok(None) };
            if key.is_empty() {
                return Err(Damage("the key of a zone"));
            }
            let common = owner.common_depth(&key[1..]).min(depth);
            if owner.zone_key(common) == key {
                let zone = Zone { depth: common, header: ZoneHeader::parse(value)? };
                self.remember(key, zone, seat)?;
                return Ok(Some(zone));
            }
            if depth == 0 {
                return Ok(None);
            }
            // What is above `common` was compared already when that is where the search was.
            depth = if common == depth { depth - 1 } else { common };
        }
    }

    fn remember(&self, key: &'a [u8], zone: Zone, mut seat: Seat<'a>) -> Result<(), Damage> {
        seat.next()?;
        let has_zone_below = seat.row()?.is_some_and(|row| row.key.starts_with(key));
        if !has_zone_below {
            self.known.set(Some(Known { key, zone }));
        }
        Ok(())
    }

    /// Return the RRsets at *depth* of *owner* in a zone, None when no record is there.
    #[inline]
    pub fn node(
        &self,
        zone_id: u32,
        owner: &mut Owner,
        depth: usize,
    ) -> Result<Option<Node<'a>>, Damage> {
        self.node_at(owner.name_key(zone_id, depth))
    }

    /// Return the RRsets of the row of table `names` with this key.
    #[inline]
    pub fn node_at(&self, key: &[u8]) -> Result<Option<Node<'a>>, Damage> {
        self.names.get(self.pages, key)?.map(Node::new).transpose()
    }

    /// Return the RRsets of the row of table `names` with this key, or what is next to its place.
    #[inline]
    pub fn node_or_neighbours(&self, key: &[u8]) -> Result<Found<'a>, Damage> {
        if let Some(guess) = self.guess.take() {
            if let Some(found) = self.try_guess(guess, key)? {
                return Ok(found);
            }
        }
        // Many names that do not exist lie in the gap where the last one was.
        if let Some(gap) = self.gap.get().filter(|gap| gap.holds(key)) {
            return Ok(Err(gap.neighbours(key)));
        }
        let mut seat = self.names.seek(self.pages, key)?;
        let row = seat.row()?;
        if seat.is_exact {
            let row = row.ok_or(Damage("a place in a tree"))?;
            return Ok(Ok(Node::new(row.value)?));
        }
        let following = row.map(|row| row.key);
        let gap = Gap { preceding: seat.previous()?.map(|row| row.key), following };
        self.gap.set(Some(gap));
        Ok(Err(gap.neighbours(key)))
    }

    /// Seek the names of *queries* together, as far as they are in the zone that was found last.
    /// None when that would not help.
    pub fn seek_ahead<'q>(&self, queries: impl Iterator<Item = &'q [u8]>) -> Option<Ahead<'a>> {
        let known = self.known.get().filter(|_| self.names.is_large())?;
        let zone_id = known.zone.header.zone_id;
        let gap = self.gap.get();
        let is_worth_it = |key: &[u8]| !gap.is_some_and(|gap| gap.holds(key));
        Some(Ahead::seek(self.pages, &self.names, known.key, zone_id, queries, is_worth_it))
    }

    /// Look at *guess* first when a name is sought next.
    #[inline]
    pub fn expect(&self, guess: Option<Guess<'a>>) {
        self.guess.set(guess);
    }

    /// Return what `node_or_neighbours` returns, None when *key* is not where the guess is.
    #[inline]
    fn try_guess(&self, guess: Guess<'a>, key: &[u8]) -> Result<Option<Found<'a>>, Damage> {
        let (leaf, index) = guess.row();
        if index >= count(leaf)? {
            return Ok(None);
        }
        let following = key_at(leaf, index)?;
        if following == key {
            return Ok(Some(Ok(Node::new(value(self.pages, leaf, index)?)?)));
        }
        if index == 0 {
            return Ok(None); // the row before it is in another leaf
        }
        let preceding = key_at(leaf, index - 1)?;
        let of_this_zone = |other: &'a [u8]| other.strip_prefix(&key[..4]);
        let neighbours =
            Neighbours { preceding: of_this_zone(preceding), following: of_this_zone(following) };
        Ok((preceding < key && key < following).then_some(Err(neighbours)))
    }

    /// Return the owner key of the last row before *key* in the same zone.
    pub fn preceding(&self, key: &[u8]) -> Result<Option<&'a [u8]>, Damage> {
        let row = self.names.seek(self.pages, key)?.previous()?;
        Ok(row.and_then(|row| row.key.strip_prefix(&key[..4])))
    }

    /// Return the RRsets at the apex of *zone*, in which *owner* is.  Most negative answers need
    /// it, so the last one is kept.
    pub fn apex(&self, zone: &Zone, owner: &mut Owner) -> Result<Option<Node<'a>>, Damage> {
        let zone_id = zone.header.zone_id;
        match self.apex.get() {
            Some((known, node)) if known == zone_id => Ok(node),
            _ => {
                let node = self.node(zone_id, owner, zone.depth)?;
                self.apex.set(Some((zone_id, node)));
                Ok(node)
            }
        }
    }

    /// Return what is at the wildcard below the name at *depth* of *owner*.  Most names that do not
    /// exist would be just below the apex, so the last wildcard there is kept.
    pub fn wildcard(
        &self,
        zone: &Zone,
        owner: &mut Owner,
        depth: usize,
    ) -> Result<Below<'a>, Damage> {
        let zone_id = zone.header.zone_id;
        match self.wildcard.get() {
            Some((known, found)) if known == zone_id && depth == zone.depth => return Ok(found),
            _ => {}
        }
        let mut room = [0; KEY_ROOM];
        let found = self.node_or_any_below(owner.wildcard_key(zone_id, depth, &mut room))?;
        if depth == zone.depth {
            self.wildcard.set(Some((zone_id, found)));
        }
        Ok(found)
    }

    fn node_or_any_below(&self, key: &[u8]) -> Result<Below<'a>, Damage> {
        let seat = self.names.seek(self.pages, key)?;
        let row = seat.row()?;
        Ok(match row {
            Some(row) if seat.is_exact => Ok(Node::new(row.value)?),
            Some(row) => Err(row.key.starts_with(key)),
            None => Err(false),
        })
    }
}
