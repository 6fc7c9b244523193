//! One reply of the message cache: how it is kept, and how it becomes the reply to a query; defined
//! by `dns_node.resolver.message_cache`.

/// What an entry costs beside its name, its message and two octets per record.
pub const ENTRY_SIZE_OCTETS: usize = 256;
/// The first use in the last tenth of an entry's life says that it is due for a refresh.
const DUE_DIVISOR: u32 = 10;

const HEADER_SIZE_OCTETS: usize = 12;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const AD: u16 = 0x0020;
const CD: u16 = 0x0010;
const OPT: u16 = 41;
const TTL_S_MAX: u32 = 0x7FFF_FFFF;

/// What a reply is kept under; the name is in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// The name, uncompressed.
    pub qname: &'a [u8],
    /// The type that was asked for.
    pub qtype: u16,
    /// The class that was asked for.
    pub qclass: u16,
    /// Whether DO was set.
    pub is_do: bool,
    /// Whether CD was set.
    pub is_cd: bool,
}

/// The query that a kept reply answers.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The query's id.
    pub message_id: u16,
    /// The query's flags.
    pub flags: u16,
    /// The question as it was sent: name, type and class.
    pub question: &'a [u8],
    /// Whether DO was set.
    pub is_do: bool,
}

/// One reply as it is kept.
pub struct KeptReply {
    qname: Box<[u8]>,
    message: Box<[u8]>,
    ttl_offsets: Box<[u16]>,
    stored_s: f64,
    ttl_s: u32,
    required_size_octets: u16,
    error: Option<u16>,
    qtype: u16,
    qclass: u16,
    is_do: bool,
    is_cd: bool,
    was_due: bool,
}

impl KeptReply {
    /// Take *message*, a reply without OPT to the question of *key*, for at most *ttl_s*; None when
    /// it is none or lives for no second.
    pub fn new(
        key: &Key,
        message: &[u8],
        ttl_s: u32,
        now_s: f64,
        error: Option<u16>,
    ) -> Option<KeptReply> {
        let layout = lay_out(key, message)?;
        let ttl_s = ttl_s.min(layout.ttl_s_min);
        if ttl_s == 0 {
            return None;
        }
        Some(KeptReply {
            qname: key.qname.into(),
            message: message.into(),
            ttl_offsets: layout.ttl_offsets.into(),
            stored_s: now_s,
            ttl_s,
            required_size_octets: layout.required_size_octets,
            error,
            qtype: key.qtype,
            qclass: key.qclass,
            is_do: key.is_do,
            is_cd: key.is_cd,
            was_due: false,
        })
    }

    /// What it costs.
    pub fn size_octets(&self) -> usize {
        ENTRY_SIZE_OCTETS + self.qname.len() + self.message.len() + 2 * self.ttl_offsets.len()
    }

    /// The name that was asked for, in lower case.
    pub fn qname(&self) -> &[u8] {
        &self.qname
    }

    /// Whether its time is over.
    pub fn is_over(&self, now_s: f64) -> bool {
        self.is_gone(now_s, 0)
    }

    /// Whether its time, and *stale_s* after it, is over.
    pub fn is_gone(&self, now_s: f64, stale_s: u32) -> bool {
        now_s - self.stored_s >= f64::from(self.ttl_s) + f64::from(stale_s)
    }

    /// The message as it was put, when, and for how long.
    pub fn as_put(&self) -> (&[u8], f64, u32) {
        (&self.message, self.stored_s, self.ttl_s)
    }

    /// Whether it is kept under *key*.
    pub fn is_under(&self, key: &Key) -> bool {
        self.qtype == key.qtype
            && self.is_do == key.is_do
            && self.is_cd == key.is_cd
            && self.qclass == key.qclass
            && *self.qname == *key.qname
    }

    /// Its key, the message as it was put, when, and for how long; None when it tells of an error.
    pub fn row(&self) -> Option<(Key<'_>, &[u8], f64, u32)> {
        let key = Key {
            qname: &self.qname,
            qtype: self.qtype,
            qclass: self.qclass,
            is_do: self.is_do,
            is_cd: self.is_cd,
        };
        let (message, stored_s, ttl_s) = self.as_put();
        self.error.is_none().then_some((key, message, stored_s, ttl_s))
    }

    /// What it is at *now_s*, when its time is not over.
    pub fn at(&mut self, now_s: f64) -> Found<'_> {
        let age_s = (now_s - self.stored_s).max(0.0) as u32;
        let before_end_s = (self.ttl_s / DUE_DIVISOR).max(u32::from(self.ttl_s > 1));
        let is_due = !self.was_due && before_end_s > 0 && age_s >= self.ttl_s - before_end_s;
        self.was_due |= is_due;
        Found { reply: self, age_s, is_due }
    }
}

/// A kept reply at one moment.
pub struct Found<'a> {
    reply: &'a KeptReply,
    age_s: u32,
    /// It should be asked for again now.
    pub is_due: bool,
}

impl Found<'_> {
    /// The info code of RFC 8914 that the reply's OPT tells.
    pub fn error(&self) -> Option<u16> {
        self.reply.error
    }

    /// Write the reply to *asked* into *out* and return its size; *opt* stands at its end, and the
    /// whole has at most *size_octets_max* octets, which question and OPT never fill.
    pub fn compose(
        &self,
        asked: &Asked,
        opt: &[u8],
        size_octets_max: usize,
        out: &mut [u8],
    ) -> usize {
        let message = &self.reply.message;
        let room = size_octets_max.min(out.len()) - opt.len();
        let mut flags = (read_u16(message, 2) & !(TC | RD | CD)) | (asked.flags & (RD | CD));
        if asked.flags & AD == 0 && !asked.is_do {
            flags &= !AD;
        }
        let mut additionals = read_u16(message, 10);
        let mut size = message.len();
        if size > room {
            size = usize::from(self.reply.required_size_octets);
            additionals = 0;
        }
        let is_truncated = size > room;
        if is_truncated {
            size = HEADER_SIZE_OCTETS + asked.question.len();
            flags |= TC;
        }
        out[..size].copy_from_slice(&message[..size]);
        for &offset in self.reply.ttl_offsets.iter() {
            let at = usize::from(offset);
            if at >= size {
                break;
            }
            let ttl_s = read_u32(message, at).saturating_sub(self.age_s);
            out[at..at + 4].copy_from_slice(&ttl_s.to_be_bytes());
        }
        out[0..2].copy_from_slice(&asked.message_id.to_be_bytes());
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        if is_truncated {
            out[6..10].fill(0);
        }
        let additionals = additionals + u16::from(!opt.is_empty());
        out[10..12].copy_from_slice(&additionals.to_be_bytes());
        out[HEADER_SIZE_OCTETS..][..asked.question.len()].copy_from_slice(asked.question);
        out[size..][..opt.len()].copy_from_slice(opt);
        size + opt.len()
    }
}

struct Layout {
    ttl_offsets: Vec<u16>,
    required_size_octets: u16,
    ttl_s_min: u32,
}

fn read_u16(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn read_u32(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

fn lay_out(key: &Key, message: &[u8]) -> Option<Layout> {
    let name_end = HEADER_SIZE_OCTETS + key.qname.len();
    let mut offset = name_end + 4;
    let is_reply = offset <= message.len()
        && message.len() <= 65535
        && read_u16(message, 4) == 1
        && message[2] & 0x80 != 0;
    if !is_reply
        || !message[HEADER_SIZE_OCTETS..name_end].eq_ignore_ascii_case(key.qname)
        || read_u16(message, name_end) != key.qtype
        || read_u16(message, name_end + 2) != key.qclass
    {
        return None;
    }
    let before_additional = usize::from(read_u16(message, 6)) + usize::from(read_u16(message, 8));
    let additionals = usize::from(read_u16(message, 10));
    let mut ttl_offsets = Vec::new();
    let mut required_size_octets = offset;
    let mut ttl_s_min = TTL_S_MAX;
    for number in 0..before_additional + additionals {
        if number == before_additional {
            required_size_octets = offset;
        }
        offset = name_end_in(message, offset)?;
        let fixed = message.get(offset..offset + 10)?;
        let end = offset + 10 + usize::from(read_u16(fixed, 8));
        if read_u16(fixed, 0) == OPT || end > message.len() {
            return None;
        }
        ttl_offsets.push((offset + 4) as u16);
        let ttl_s = read_u32(fixed, 4);
        ttl_s_min = ttl_s_min.min(if ttl_s <= TTL_S_MAX { ttl_s } else { 0 });
        offset = end;
    }
    if offset != message.len() {
        return None;
    }
    if additionals == 0 {
        required_size_octets = offset;
    }
    Some(Layout { ttl_offsets, required_size_octets: required_size_octets as u16, ttl_s_min })
}

fn name_end_in(message: &[u8], mut offset: usize) -> Option<usize> {
    loop {
        let length = *message.get(offset)?;
        if length >= 0xC0 {
            return Some(offset + 2);
        }
        if length > 63 {
            return None;
        }
        offset += usize::from(length) + 1;
        if length == 0 {
            return Some(offset);
        }
    }
}
