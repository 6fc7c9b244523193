//! The message cache (L1): whole replies as octets; defined by `dns_node.resolver.message_cache`,
//! whose rules this follows operation for operation.
//!
//! One hash of the name finds the first of its entries; the entries of one name (its types, DO, CD)
//! are a short chain.  So a name is flushed without a look at the others.

use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use crate::kept_reply::{Found, KeptReply, Key};

/// Used entries that one new entry passes over: putting never takes long.
pub const CHANCES_MAX: usize = 32;

const NONE: u32 = u32::MAX;

struct Entry {
    reply: KeptReply,
    is_used: bool,
    older: u32,
    newer: u32,
    next_of_name: u32,
}

/// The message cache of one worker.
pub struct MessageCache {
    /// How long what is over stays.
    pub stale_s: u32,
    size_octets_max: usize,
    size_octets: usize,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// The first slot of the entries whose name has this hash.
    names: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    hasher: RandomState,
    oldest: u32,
    newest: u32,
    next_slot: usize,
}

impl MessageCache {
    /// An empty cache that holds at most *size_octets_max*.
    pub fn new(size_octets_max: usize) -> Self {
        MessageCache {
            stale_s: 0,
            size_octets_max,
            size_octets: 0,
            slots: Vec::new(),
            free: Vec::new(),
            names: HashMap::default(),
            hasher: RandomState::new(),
            oldest: NONE,
            newest: NONE,
            next_slot: 0,
        }
    }

    /// What it may hold.
    pub fn size_octets_max(&self) -> usize {
        self.size_octets_max
    }

    /// What the entries cost together.
    pub fn size_octets(&self) -> usize {
        self.size_octets
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keep *message*, a reply without OPT to the question of *key*, for at most *ttl_s*; false,
    /// with nothing kept under the key, when it is none, lives for no second or is larger than a
    /// quarter of the cache.
    pub fn put(
        &mut self,
        key: &Key,
        message: &[u8],
        ttl_s: u32,
        now_s: f64,
        error: Option<u16>,
    ) -> bool {
        if let Some(slot) = self.slot_of(key) {
            self.remove(slot);
        }
        let Some(reply) = KeptReply::new(key, message, ttl_s, now_s, error) else {
            return false;
        };
        let size_octets = reply.size_octets();
        if size_octets > self.size_octets_max / 4 {
            return false;
        }
        self.make_room(size_octets);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        let hash = self.hasher.hash_one(key.qname);
        let next_of_name = self.names.insert(hash, slot).unwrap_or(NONE);
        self.slots[slot as usize] =
            Some(Entry { reply, is_used: false, older: NONE, newer: NONE, next_of_name });
        self.enqueue(slot);
        self.size_octets += size_octets;
        true
    }

    /// What is kept under *key*; None when there is nothing, or nothing any more.
    pub fn find(&mut self, key: &Key, now_s: f64) -> Option<Found<'_>> {
        let slot = self.slot_of(key)?;
        let reply = &self.entry(slot).reply;
        if reply.is_over(now_s) {
            if reply.is_gone(now_s, self.stale_s) {
                self.remove(slot);
            }
            return None;
        }
        let entry = self.entry_mut(slot);
        entry.is_used = true;
        Some(entry.reply.at(now_s))
    }

    /// What is kept in the *slots_max* slots from *first* on: key, message, when it was put, and for
    /// how long; without what tells of an error.
    pub fn rows(
        &self,
        first: usize,
        slots_max: usize,
    ) -> impl Iterator<Item = (Key<'_>, &[u8], f64, u32)> {
        let entries = self.slots.iter().skip(first).take(slots_max).flatten();
        entries.filter_map(|entry| entry.reply.row())
    }

    /// What is kept under *key*, as `rows` has it.
    pub fn row(&self, key: &Key) -> Option<(Key<'_>, &[u8], f64, u32)> {
        self.entry(self.slot_of(key)?).reply.row()
    }

    /// The number of the slots.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// What was kept under *key* and is over: the message, when it was put, and for how long.
    pub fn find_stale(&self, key: &Key, now_s: f64) -> Option<(&[u8], f64, u32)> {
        let reply = &self.entry(self.slot_of(key)?).reply;
        let is_stale = reply.is_over(now_s) && !reply.is_gone(now_s, self.stale_s);
        is_stale.then(|| reply.as_put())
    }

    /// Forget all replies about *qname*; return how many there were.
    pub fn flush_name(&mut self, qname: &[u8]) -> usize {
        let mut slots = Vec::new();
        let hash = self.hasher.hash_one(qname);
        let mut slot = self.names.get(&hash).copied().unwrap_or(NONE);
        while slot != NONE {
            let entry = self.entry(slot);
            if entry.reply.qname() == qname {
                slots.push(slot);
            }
            slot = entry.next_of_name;
        }
        slots.sort_unstable();
        self.remove_all(&slots)
    }

    /// Forget all replies about *apex* and the names below it; return how many there were.
    pub fn flush_subtree(&mut self, apex: &[u8]) -> usize {
        let is_meant = |entry: &Entry| is_at_or_below(entry.reply.qname(), apex);
        let slots: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|&slot| self.slots[slot as usize].as_ref().is_some_and(is_meant))
            .collect();
        self.remove_all(&slots)
    }

    /// Forget everything; return how many replies that were.
    pub fn flush_all(&mut self) -> usize {
        let number = self.len();
        *self = MessageCache { stale_s: self.stale_s, ..MessageCache::new(self.size_octets_max) };
        number
    }

    /// Forget what is over in the next *slots_max* slots; return how many entries that were.
    pub fn sweep(&mut self, now_s: f64, slots_max: usize) -> usize {
        let mut gone = 0;
        for _ in 0..slots_max.min(self.slots.len()) {
            let slot = self.next_slot % self.slots.len();
            let is_gone = |entry: &Entry| entry.reply.is_gone(now_s, self.stale_s);
            if self.slots[slot].as_ref().is_some_and(is_gone) {
                self.remove(slot as u32);
                gone += 1;
            }
            self.next_slot = slot + 1;
        }
        gone
    }

    fn entry(&self, slot: u32) -> &Entry {
        self.slots[slot as usize].as_ref().expect("a slot that is linked to holds an entry")
    }

    fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        self.slots[slot as usize].as_mut().expect("a slot that is linked to holds an entry")
    }

    fn slot_of(&self, key: &Key) -> Option<u32> {
        let mut slot = *self.names.get(&self.hasher.hash_one(key.qname))?;
        while slot != NONE {
            let entry = self.entry(slot);
            if entry.reply.is_under(key) {
                return Some(slot);
            }
            slot = entry.next_of_name;
        }
        None
    }

    fn make_room(&mut self, size_octets: usize) {
        let mut chances = CHANCES_MAX;
        while self.size_octets + size_octets > self.size_octets_max {
            let oldest = self.oldest;
            if self.entry(oldest).is_used && chances > 0 {
                chances -= 1;
                self.entry_mut(oldest).is_used = false;
                self.dequeue(oldest);
                self.enqueue(oldest);
            } else {
                self.remove(oldest);
            }
        }
    }

    fn remove_all(&mut self, slots: &[u32]) -> usize {
        for &slot in slots {
            self.remove(slot);
        }
        slots.len()
    }

    fn remove(&mut self, slot: u32) {
        self.dequeue(slot);
        let entry = self.slots[slot as usize].take().expect("who removes has found");
        let hash = self.hasher.hash_one(entry.reply.qname());
        let first = self.names[&hash];
        if first == slot {
            if entry.next_of_name == NONE {
                self.names.remove(&hash);
            } else {
                self.names.insert(hash, entry.next_of_name);
            }
        } else {
            let mut before = first;
            while self.entry(before).next_of_name != slot {
                before = self.entry(before).next_of_name;
            }
            self.entry_mut(before).next_of_name = entry.next_of_name;
        }
        self.free.push(slot);
        self.size_octets -= entry.reply.size_octets();
    }

    fn enqueue(&mut self, slot: u32) {
        let newest = self.newest;
        let entry = self.entry_mut(slot);
        entry.older = newest;
        entry.newer = NONE;
        if newest == NONE {
            self.oldest = slot;
        } else {
            self.entry_mut(newest).newer = slot;
        }
        self.newest = slot;
    }

    fn dequeue(&mut self, slot: u32) {
        let entry = self.entry(slot);
        let (older, newer) = (entry.older, entry.newer);
        if older == NONE {
            self.oldest = newer;
        } else {
            self.entry_mut(older).newer = newer;
        }
        if newer == NONE {
            self.newest = older;
        } else {
            self.entry_mut(newer).older = older;
        }
    }
}

/// The key is a keyed hash already.
#[derive(Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are u64");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

fn is_at_or_below(name: &[u8], apex: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > apex.len() {
        rest = &rest[1 + usize::from(rest[0])..];
    }
    rest == apex
}
