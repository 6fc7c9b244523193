//! What the message cache keeps of a reply (`dns_node.resolver.reply`).

use crate::kept_reply::Key;
use crate::message::{Message, Suffixes};
use crate::recursion::reply::{Asked, Reading};
use crate::rows::RRset;
use crate::sections::{recycle, Data, Entry, Names, ANSWER, AUTHORITY};

const MESSAGE_OCTETS_MAX: usize = 65_535;

const QUESTION_OCTETS_MAX: usize = 255 + 4;
const TTL_S_MAX: u32 = 0x7FFF_FFFF;

const QR: u16 = 0x8000;
const RA: u16 = 0x0080;

/// The bounds of TTLs (`dns_node.resolver.settings.CacheSettings`).
#[derive(Clone, Copy, Debug)]
pub struct TtlLimits {
    /// What lives longer lives so long.
    pub ttl_max_s: u32,
    /// So long is remembered that something does not exist.
    pub negative_ttl_max_s: u32,
}

impl Default for TtlLimits {
    fn default() -> Self {
        TtlLimits { ttl_max_s: 86_400, negative_ttl_max_s: 3600 }
    }
}

/// A message for the cache and how long it may be kept.
#[derive(Clone, Copy, Debug)]
pub struct KeptMessage<'m> {
    /// What it is kept under.
    pub key: Key<'m>,
    /// The message, without OPT.
    pub octets: &'m [u8],
    /// How long.
    pub ttl_s: u32,
}

/// Room to compose messages in.
pub struct Composer {
    names: Names,
    suffixes: Suffixes,
    entries: Vec<Entry<'static>>,
    out: Box<[u8]>,
}

impl Default for Composer {
    fn default() -> Self {
        Composer {
            names: Names::default(),
            suffixes: Suffixes::default(),
            entries: Vec::new(),
            out: vec![0; MESSAGE_OCTETS_MAX].into_boxed_slice(),
        }
    }
}

impl Composer {
    /// Return what is kept of the reply that *reading* has read last.
    pub fn compose<'m>(
        &'m mut self,
        reading: &Reading,
        asked: &Asked<'_>,
        key: Key<'m>,
        limits: &TtlLimits,
    ) -> Option<KeptMessage<'m>> {
        let Composer { names, suffixes, entries, out } = self;
        let qname = names.put_question(asked.qname);
        let mut room = recycle(std::mem::take(entries));
        let (mut kept_s, mut aliases_s) = (TTL_S_MAX, TTL_S_MAX);
        let count = reading.rrsets().count();
        for (number, (owner, rrset)) in reading.rrsets().enumerate() {
            let (mut section, mut ttl_s) = (ANSWER, rrset.ttl_s);
            if reading.is_negative() && number + 1 == count {
                // RFC 2308 section 5.
                let minimum_s = minimum_s(&rrset);
                kept_s = ttl_s.min(minimum_s).min(limits.negative_ttl_max_s).min(aliases_s);
                kept_s = kept_s.min(limits.ttl_max_s);
                (section, ttl_s) = (AUTHORITY, ttl_s.min(kept_s));
            } else {
                aliases_s = aliases_s.min(ttl_s);
            }
            let owner = if owner == asked.qname { qname } else { names.put(owner) };
            let (rrtype, data) = (rrset.rrtype, Data::Stored(rrset));
            room.push(Entry { section, owner, rrtype, ttl_s, is_required: true, data });
        }
        let ttl_s = kept_s.min(aliases_s).min(limits.ttl_max_s);
        let question = Question { qname: names.get(qname), qtype: key.qtype, qclass: key.qclass };
        let size = if ttl_s == 0 {
            // What may not be kept Python knows to answer with.
            None
        } else {
            write(out, &question, names, &room, suffixes, u16::from(reading.rcode))
        };
        *entries = recycle(room);
        let size = size?;
        Some(KeptMessage { key, octets: &out[..size], ttl_s })
    }
}

struct Question<'q> {
    qname: &'q [u8],
    qtype: u16,
    qclass: u16,
}

/// Write the message of *entries* into *out*; None when it is too long for any.
fn write(
    out: &mut [u8],
    question: &Question<'_>,
    names: &Names,
    entries: &[Entry<'_>],
    suffixes: &mut Suffixes,
    rcode: u16,
) -> Option<usize> {
    let mut octets = [0; QUESTION_OCTETS_MAX];
    let size = question.qname.len() + 4;
    octets[..size - 4].copy_from_slice(question.qname);
    octets[size - 4..size - 2].copy_from_slice(&question.qtype.to_be_bytes());
    octets[size - 2..size].copy_from_slice(&question.qclass.to_be_bytes());
    let room = MESSAGE_OCTETS_MAX;
    let mut message = Message::new(out, &octets[..size], question.qname, room, suffixes);
    for entry in entries {
        if !message.add(entry, names, false).ok()? {
            return None;
        }
    }
    let size = message.finish([0, 0], QR | RA | rcode, &[]);
    Some(size)
}

/// MINIMUM of an SOA.
fn minimum_s(soa: &RRset<'_>) -> u32 {
    let [.., a, b, c, d] = *soa.body else { return 0 };
    u32::from_be_bytes([a, b, c, d])
}
