//! The answer to a question before it has a size: what `lookup` decides
//! (`dns_node.answer.sections.Sections`).

use crate::rows::RRset;

/// The places of the three sections in a reply.
pub const ANSWER: usize = 0;
/// Authority.
pub const AUTHORITY: usize = 1;
/// Additional.
pub const ADDITIONAL: usize = 2;

/// A name of the answer that is being made, in `Names`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    start: u32,
    size: u8,
}

impl Place {
    /// Where the name begins; those that begin within the question's name end with it.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// The octets of the name.
    pub fn size(self) -> usize {
        self.size as usize
    }
}

/// The names of one answer, in lower case, one behind the other; the first is the question's.
#[derive(Default)]
pub struct Names {
    octets: Vec<u8>,
    question: usize,
}

impl Names {
    /// Keep *name*, which has at most 255 octets.
    #[inline]
    pub fn put(&mut self, name: &[u8]) -> Place {
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(name);
        Place { start, size: name.len() as u8 }
    }

    /// The last *size* octets of the question's name.
    pub fn end_of_question(&self, size: usize) -> Place {
        Place { start: (self.question - size) as u32, size: size as u8 }
    }

    /// The size of the question's name.
    pub fn question_size(&self) -> usize {
        self.question
    }

    /// Keep the question's name, in lower case, before all others.
    pub fn put_question(&mut self, name: &[u8]) -> Place {
        self.octets.clear();
        let place = self.put(name);
        // Length octets are at most 63, below "A".
        self.octets.make_ascii_lowercase();
        self.question = name.len();
        place
    }

    /// Keep the name that *append* appends; None when it says so.
    pub fn put_with(
        &mut self,
        append: impl FnOnce(&mut Vec<u8>) -> Option<usize>,
    ) -> Option<Place> {
        let start = self.octets.len();
        match append(&mut self.octets) {
            Some(size) => Some(Place { start: start as u32, size: size as u8 }),
            None => {
                self.octets.truncate(start);
                None
            }
        }
    }

    /// Return the octets of a name.
    #[inline]
    pub fn get(&self, place: Place) -> &[u8] {
        &self.octets[place.start as usize..place.start as usize + place.size as usize]
    }
}

/// Where the rdatas of an entry are.
#[derive(Clone, Copy)]
pub enum Data<'a> {
    /// In the store.
    Stored(RRset<'a>),
    /// A CNAME to this name, made for this answer.
    Alias(Place),
}

/// One RRset of a section.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// ANSWER, AUTHORITY or ADDITIONAL.
    pub section: usize,
    /// The owner name.
    pub owner: Place,
    /// The type.
    pub rrtype: u16,
    /// The TTL, which replaces that of the RRset.
    pub ttl_s: u32,
    /// What is not required may be left out where space is short.
    pub is_required: bool,
    /// The records.
    pub data: Data<'a>,
}

/// The sections of an answer.
pub struct Sections<'a, 's> {
    /// The rcode.
    pub rcode: u16,
    /// AA.
    pub is_authoritative: bool,
    /// How many aliases were followed.
    pub aliases: usize,
    /// The name that the answer is about when replies are counted.
    pub subject: Option<Place>,
    /// The name whose answer lies elsewhere, when the client may have that resolved.
    pub onward: Option<Place>,
    /// The names.
    pub names: &'s mut Names,
    /// The RRsets, in the order in which they were put.
    pub entries: Vec<Entry<'a>>,
    counts: [usize; 3],
}

impl<'a, 's> Sections<'a, 's> {
    /// Return empty sections that use the room of *entries*.
    pub fn new(names: &'s mut Names, entries: Vec<Entry<'a>>) -> Self {
        debug_assert!(entries.is_empty());
        Sections {
            rcode: 0,
            is_authoritative: true,
            aliases: 0,
            subject: None,
            onward: None,
            names,
            entries,
            counts: [0; 3],
        }
    }

    /// Say whether a section has no RRset.
    pub fn is_empty(&self, section: usize) -> bool {
        self.counts[section] == 0
    }

    /// Append a stored RRset to a section, unless one of the sections holds it already.
    pub fn put(&mut self, section: usize, owner: Place, rrset: RRset<'a>, is_required: bool) {
        self.put_entry(Entry {
            section,
            owner,
            rrtype: rrset.rrtype,
            ttl_s: rrset.ttl_s,
            is_required,
            data: Data::Stored(rrset),
        });
    }

    /// Append an entry, unless one of the sections holds its owner's RRset of this type already.
    pub fn put_entry(&mut self, entry: Entry<'a>) {
        let name = self.names.get(entry.owner);
        let is_held = self.entries.iter().any(|held| {
            held.rrtype == entry.rrtype
                && held.owner.size == entry.owner.size
                && self.names.get(held.owner) == name
        });
        if !is_held {
            self.counts[entry.section] += 1;
            self.entries.push(entry);
        }
    }
}

/// Return the room of *entries* for entries of another lifetime: nothing is allocated, for an
/// iterator over a vector that is collected into one of the same layout stays where it is.
pub fn recycle<'b>(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'b>> {
    entries.clear();
    entries.into_iter().map(|_| unreachable!("there are none")).collect()
}
