//! A reply that is being written: names, compression and size, exactly as
//! `dns_node.answer.sections` defines them.

use crate::name::name_size;
use crate::pages::Damage;
use crate::rows::RRset;
use crate::sections::{Data, Entry, Names};

const POINTERS_MAX: u32 = 120;
const POINTER_OFFSET_MAX: usize = 0x3FFF;
const HEADER_OCTETS: usize = 12;
const BUCKETS: usize = 64;
const NONE: u16 = u16::MAX;
const CNAME: u16 = 5;
const RRSIG: u16 = 46;
const NO_RRSET: Stop = Stop::Damage(Damage("an RRset"));
const NO_NAME: Stop = Stop::Damage(Damage("a name in an rdata"));

/// The suffixes that were written so far: what compression points to.
pub struct Suffixes {
    /// The newest suffix of each bucket.
    buckets: [u16; BUCKETS],
    written: Vec<Suffix>,
}

#[derive(Clone, Copy)]
struct Suffix {
    mark: u32,
    offset: u16,
    before: u16,
}

/// Return what equal suffixes have in common and few others: made of their size and beginning.
#[inline]
fn mark(suffix: &[u8]) -> u32 {
    let mut start = [0; 8];
    let size = suffix.len().min(8);
    start[..size].copy_from_slice(&suffix[..size]);
    let number = u64::from_le_bytes(start) ^ suffix.len() as u64;
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

impl Default for Suffixes {
    fn default() -> Self {
        Suffixes { buckets: [NONE; BUCKETS], written: Vec::new() }
    }
}

impl Suffixes {
    fn clear(&mut self) {
        if !self.written.is_empty() {
            self.written.clear();
            self.buckets = [NONE; BUCKETS];
        }
    }

    fn put(&mut self, mark: u32, offset: usize) {
        let bucket = &mut self.buckets[mark as usize % BUCKETS];
        // Fewer than 0x4000 offsets can be pointed to, so the numbers suffice.
        let number = self.written.len() as u16;
        self.written.push(Suffix { mark, offset: offset as u16, before: *bucket });
        *bucket = number;
    }

    fn undo(&mut self, count: usize) {
        while self.written.len() > count {
            if let Some(suffix) = self.written.pop() {
                self.buckets[suffix.mark as usize % BUCKETS] = suffix.before;
            }
        }
    }
}

/// A reply that is being written into *out*.
pub struct Message<'o> {
    out: &'o mut [u8],
    size: usize,
    size_max: usize,
    question: &'o [u8],
    counts: [u16; 3],
    pointers_left: u32,
    suffixes: &'o mut Suffixes,
    has_question: bool,
}

/// Why an RRset is not written: it does not fit, or is none.
enum Stop {
    Full,
    Damage(Damage),
}

impl<'o> Message<'o> {
    /// Begin a reply to *question*, whose name is *qname* in lower case.  Without the OPT record it
    /// may have *size_max* octets, and *out* has room for them and the OPT.
    pub fn new(
        out: &'o mut [u8],
        question: &[u8],
        qname: &'o [u8],
        size_max: usize,
        suffixes: &'o mut Suffixes,
    ) -> Self {
        let size = HEADER_OCTETS + question.len();
        out[HEADER_OCTETS..size].copy_from_slice(question);
        suffixes.clear();
        Message {
            out,
            size,
            size_max,
            question: qname,
            counts: [0; 3],
            pointers_left: POINTERS_MAX,
            suffixes,
            has_question: false,
        }
    }

    /// Write the RRset of an entry; false, and nothing is written, when it does not fit.
    pub fn add(
        &mut self,
        entry: &Entry<'_>,
        names: &Names,
        with_signatures: bool,
    ) -> Result<bool, Damage> {
        let mark = (self.size, self.pointers_left, self.suffixes.written.len());
        let owner = names.get(entry.owner);
        // The question's name and its ends can be pointed to where they are.
        let start = entry.owner.start();
        let known = (start + 1 < names.question_size()).then(|| HEADER_OCTETS + start);
        let written = match entry.data {
            Data::Stored(rrset) => {
                self.add_stored(owner, known, entry.ttl_s, &rrset, with_signatures)
            }
            Data::Alias(target) => {
                let (target, mut pointer) = (names.get(target), None);
                self.record(owner, known, &mut pointer, CNAME, entry.ttl_s, target).map(|()| 1)
            }
        };
        match written {
            Ok(number) => {
                self.counts[entry.section] = self.counts[entry.section].wrapping_add(number);
                Ok(true)
            }
            Err(Stop::Full) => {
                (self.size, self.pointers_left) = (mark.0, mark.1);
                self.suffixes.undo(mark.2);
                // The question's suffixes may have been put only now, and gone with the others.
                self.has_question &= mark.2 > 0;
                Ok(false)
            }
            Err(Stop::Damage(damage)) => Err(damage),
        }
    }

    fn add_stored(
        &mut self,
        owner: &[u8],
        known: Option<usize>,
        ttl_s: u32,
        rrset: &RRset<'_>,
        with_signatures: bool,
    ) -> Result<u16, Stop> {
        let mut pointer = None;
        let signatures = if with_signatures { rrset.signatures } else { 0 };
        let total = rrset.rdatas.checked_add(signatures).ok_or(NO_RRSET)?;
        let mut rdatas = rrset.each();
        for number in 0..total {
            let rdata = rdatas.next().ok_or(NO_RRSET)?.map_err(Stop::Damage)?;
            let rrtype = if number < rrset.rdatas { rrset.rrtype } else { RRSIG };
            self.record(owner, known, &mut pointer, rrtype, ttl_s, rdata)?;
        }
        Ok(total)
    }

    /// Write one record; *pointer* stands for the owner name once one was written.
    fn record(
        &mut self,
        owner: &[u8],
        known: Option<usize>,
        pointer: &mut Option<[u8; 2]>,
        rrtype: u16,
        ttl_s: u32,
        rdata: &[u8],
    ) -> Result<(), Stop> {
        match pointer {
            Some(pointer) => self.put(&*pointer)?,
            None => *pointer = self.owner(owner, known)?,
        }
        let [ttl_0, ttl_1, ttl_2, ttl_3] = ttl_s.to_be_bytes();
        let [type_0, type_1] = rrtype.to_be_bytes();
        let [size_0, size_1] = (rdata.len() as u16).to_be_bytes();
        let size_at = self.size + 8;
        self.put(&[type_0, type_1, 0, 1, ttl_0, ttl_1, ttl_2, ttl_3, size_0, size_1])?;
        let (prefix, names) = match rrtype {
            2..=5 | 7..=9 | 12 => (0, 1),
            6 | 14 => (0, 2),
            15 => (2, 1),
            _ => return self.put(rdata),
        };
        self.compressed(rdata, prefix, names)?;
        let size = (self.size - size_at - 2) as u16;
        self.out[size_at..size_at + 2].copy_from_slice(&size.to_be_bytes());
        Ok(())
    }

    /// Write the rdata of a type of RFC 1035 with its names compressed.
    fn compressed(&mut self, rdata: &[u8], prefix: usize, names: usize) -> Result<(), Stop> {
        let (head, mut rest) = rdata.split_at_checked(prefix).ok_or(NO_NAME)?;
        self.put(head)?;
        for _ in 0..names {
            let (name, behind) = rest.split_at(name_size(rest).ok_or(NO_NAME)?);
            self.name(name)?;
            rest = behind;
        }
        self.put(rest)
    }

    /// Write an owner name, which is at *known* already; return what later records of the RRset write in its place.
    fn owner(&mut self, name: &[u8], known: Option<usize>) -> Result<Option<[u8; 2]>, Stop> {
        let start = self.size;
        if let (Some(offset), true) = (known, self.pointers_left > 0) {
            self.pointers_left -= 1;
            let pointer = (0xC000 | offset as u16).to_be_bytes();
            self.put(&pointer)?;
            return Ok(Some(pointer));
        }
        self.name(name)?;
        if name.len() <= 1 {
            return Ok(None);
        }
        if self.size == start + 2 {
            return Ok(Some([self.out[start], self.out[start + 1]]));
        }
        let pointer = (0xC000 | start as u16).to_be_bytes();
        Ok((start <= POINTER_OFFSET_MAX).then_some(pointer))
    }

    fn name(&mut self, name: &[u8]) -> Result<(), Stop> {
        if self.pointers_left == 0 {
            return self.put(name);
        }
        self.put_question();
        let begin = self.size;
        let (mut at, mut known) = (0, None);
        while name[at] != 0 {
            known = self.find(&name[at..]);
            if known.is_some() {
                break;
            }
            at += 1 + name[at] as usize;
        }
        match known {
            Some(offset) => {
                self.put(&name[..at])?;
                self.pointers_left -= 1;
                self.put(&(0xC000 | offset).to_be_bytes())?;
            }
            None => self.put(name)?,
        }
        self.put_suffixes(name, at, begin);
        Ok(())
    }

    /// Make known the suffixes of *name* that begin before *end*; the name is at *begin*.
    fn put_suffixes(&mut self, name: &[u8], end: usize, begin: usize) {
        let mut at = 0;
        while at < end && begin + at <= POINTER_OFFSET_MAX {
            self.suffixes.put(mark(&name[at..]), begin + at);
            at += 1 + name[at] as usize;
        }
    }

    /// Make the question's suffixes known, which most replies don't need.
    fn put_question(&mut self) {
        if !self.has_question {
            self.has_question = true;
            self.put_suffixes(self.question, self.question.len() - 1, HEADER_OCTETS);
        }
    }

    fn find(&self, suffix: &[u8]) -> Option<u16> {
        let mark = mark(suffix);
        let mut number = self.suffixes.buckets[mark as usize % BUCKETS];
        while let Some(known) = self.suffixes.written.get(number as usize) {
            if known.mark == mark && self.is_at(known.offset as usize, suffix) {
                return Some(known.offset);
            }
            number = known.before;
        }
        None
    }

    /// Say whether the name at *offset* of the reply is *name*.
    fn is_at(&self, mut offset: usize, mut name: &[u8]) -> bool {
        loop {
            let size = self.out[offset] as usize;
            if size >= 0xC0 {
                offset = (size & 0x3F) << 8 | self.out[offset + 1] as usize;
                continue;
            }
            if name[0] as usize != size {
                return false;
            }
            if size == 0 {
                return true;
            }
            let end = offset + 1 + size;
            if !self.out[offset + 1..end].eq_ignore_ascii_case(&name[1..1 + size]) {
                return false;
            }
            offset = end;
            name = &name[1 + size..];
        }
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) -> Result<(), Stop> {
        let end = self.size + octets.len();
        if end > self.size_max {
            return Err(Stop::Full);
        }
        self.out[self.size..end].copy_from_slice(octets);
        self.size = end;
        Ok(())
    }

    /// Write the header and *opt*, an OPT record or nothing; return the size of the whole.
    pub fn finish(self, message_id: [u8; 2], flags: u16, opt: &[u8]) -> usize {
        let [answers, authorities, additionals] = self.counts;
        let additionals = additionals + u16::from(!opt.is_empty());
        finish(self.out, message_id, flags, [1, answers, authorities, additionals], self.size, opt)
    }
}

/// Write header and OPT around a reply that has *size* octets so far; return its size.
pub fn finish(
    out: &mut [u8],
    message_id: [u8; 2],
    flags: u16,
    counts: [u16; 4],
    size: usize,
    opt: &[u8],
) -> usize {
    out[..2].copy_from_slice(&message_id);
    out[2..4].copy_from_slice(&flags.to_be_bytes());
    for (index, count) in counts.iter().enumerate() {
        out[4 + 2 * index..6 + 2 * index].copy_from_slice(&count.to_be_bytes());
    }
    out[size..size + opt.len()].copy_from_slice(opt);
    size + opt.len()
}
