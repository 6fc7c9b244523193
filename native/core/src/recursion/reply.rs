//! A server's reply to a plain question, read strictly: what is not plain is handed up.
//!
//! Plain is one RRset that answers the question, or none and the SOA that says so, perhaps behind
//! aliases within the zone.  All octets are read, as `dns_node.resolver.message` reads them; what is
//! believed of them, and no more, `dns_node.resolver.scrub` believes too.

use crate::name::is_at_or_below;
use crate::query::HEADER_SIZE_OCTETS;
use crate::recursion::names::Octets;
use crate::rows::RRset;

const SECTION_RECORDS_MAX: u16 = 256;
const RRSET_RECORDS_MAX: usize = 100;
const OPTIONS_MAX: usize = 32;
const ALIASES_MAX: usize = 10;
const TTL_S_MAX: u32 = 0x7FFF_FFFF;

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const IN: u16 = 1;
const COOKIE: u16 = 10;
const EDE: u16 = 15;
/// The name does not exist.
pub const NXDOMAIN: u8 = 3;

const AA: u8 = 0x04;
const TC: u8 = 0x02;

/// What was asked, and of whom.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name, in lower case.
    pub qname: &'a [u8],
    /// The type.
    pub qtype: u16,
    /// Octets of the zone's name, at the end of the name.
    pub zone_octets: usize,
    /// The server is a resolver: it speaks for all zones.
    pub is_forward: bool,
}

/// One record of the answer section, or the SOA: where its parts are in the buffers.
#[derive(Clone, Copy)]
struct Part {
    owner: (u32, u32),
    rrtype: u16,
    ttl_s: u32,
    rdata: (u32, u32),
}

/// One RRset of the answer.
#[derive(Clone, Copy)]
struct Group {
    owner: (u32, u32),
    rrtype: u16,
    ttl_s: u32,
    rdatas: u16,
    body: (u32, u32),
}

/// Room to read replies in, and what was read last.
#[derive(Default)]
pub struct Reading {
    /// NOERROR or NXDOMAIN.
    pub rcode: u8,
    is_negative: bool,
    /// Owner names and rdatas, in lower case and written out.
    octets: Vec<u8>,
    parts: Vec<Part>,
    soa: Option<Part>,
    spans: Vec<(u32, u32)>,
    body: Vec<u8>,
    groups: Vec<Group>,
    cookie: Option<(usize, usize)>,
    has_opt: bool,
}

fn slice(octets: &[u8], span: (u32, u32)) -> &[u8] {
    &octets[span.0 as usize..span.1 as usize]
}

impl Reading {
    /// The RRsets that answer, aliases first, with their owners; the last one is the SOA when
    /// `is_negative`.
    pub fn rrsets(&self) -> impl Iterator<Item = (&[u8], RRset<'_>)> {
        self.groups.iter().map(|group| {
            let &Group { rrtype, ttl_s, rdatas, .. } = group;
            let body = slice(&self.body, group.body);
            let rrset = RRset { rrtype, ttl_s, rdatas, signatures: 0, body };
            (slice(&self.octets, group.owner), rrset)
        })
    }

    /// Whether the last RRset is the SOA, which says that there is no answer.
    pub fn is_negative(&self) -> bool {
        self.is_negative
    }

    /// Where the data of the COOKIE option is in the message.
    pub fn cookie(&self) -> Option<(usize, usize)> {
        self.cookie
    }

    /// Read *message*, whose question is the one that was *asked*; None when it has to be handed up.
    pub fn read(&mut self, message: &[u8], asked: &Asked<'_>) -> Option<()> {
        self.octets.clear();
        self.parts.clear();
        self.groups.clear();
        self.body.clear();
        (self.cookie, self.soa, self.has_opt) = (None, None, false);
        let head = message.get(..HEADER_SIZE_OCTETS)?;
        self.rcode = head[3] & 15;
        let is_plain = head[2] & 0xF8 == 0x80
            && head[2] & TC == 0
            && (asked.is_forward || head[2] & AA != 0)
            && matches!(self.rcode, 0 | NXDOMAIN);
        if !is_plain {
            return None;
        }
        let count = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let counts = [count(6), count(8), count(10)];
        if counts.iter().any(|&count| count > SECTION_RECORDS_MAX) {
            return None;
        }
        let mut octets = Octets::new(message);
        let mut offset = HEADER_SIZE_OCTETS + asked.qname.len() + 4;
        for (section, &records) in counts.iter().enumerate() {
            for _ in 0..records {
                offset = self.record(&mut octets, section, offset)?;
            }
        }
        if offset != message.len() {
            return None;
        }
        self.judge(asked)
    }

    /// Read the record at *offset*; return the offset behind it.
    fn record(&mut self, octets: &mut Octets<'_>, section: usize, offset: usize) -> Option<usize> {
        let begin = self.octets.len() as u32;
        let fixed = octets.name(offset, &mut self.octets)?;
        let owner = (begin, self.octets.len() as u32);
        let rrtype = octets.u16_at(fixed)?;
        let rrclass = octets.u16_at(fixed + 2)?;
        let ttl_s = octets.u32_at(fixed + 4)?;
        let start = fixed + 10;
        let end = start + usize::from(octets.u16_at(fixed + 8)?);
        let rdata = octets.part(start, end)?;
        if rrtype == OPT {
            let is_in_place = section == 2 && owner.1 - owner.0 == 1 && !self.has_opt;
            // The rcode has no more than four bits, and the version is 0.
            if !is_in_place || ttl_s >> 16 != 0 {
                return None;
            }
            self.has_opt = true;
            self.options(rdata, start)?;
            self.octets.truncate(begin as usize);
            return Some(end);
        }
        if rrclass != IN {
            return None;
        }
        self.rdata(octets, rrtype, start, end)?;
        let ttl_s = if ttl_s > TTL_S_MAX { 0 } else { ttl_s };
        let part = Part { owner, rrtype, ttl_s, rdata: (owner.1, self.octets.len() as u32) };
        match (section, rrtype) {
            (0, _) => self.parts.push(part),
            (1, SOA) if self.soa.is_none() => self.soa = Some(part),
            // Beside an answer the zone's NS are everyday; without one they may be a referral.
            (1, NS) if !self.parts.is_empty() => self.octets.truncate(begin as usize),
            (1, _) => return None,
            _ => self.octets.truncate(begin as usize),
        }
        Some(end)
    }

    /// Follow the aliases to their end, and see what is there.
    fn judge(&mut self, asked: &Asked<'_>) -> Option<()> {
        let zone = &asked.qname[asked.qname.len() - asked.zone_octets..];
        let mut owner = None;
        let mut used = 0;
        for _ in 0..=ALIASES_MAX {
            let (is_end, number) = self.group(asked, owner)?;
            used += number;
            if is_end {
                self.is_negative = number == 0;
                // What is left over may be anything.
                let is_whole = used == self.parts.len();
                return (is_whole && self.end(asked, owner)).then_some(());
            }
            let target = self.spans[0];
            let name = slice(&self.octets, target);
            let is_seen = name == asked.qname
                || self.groups.iter().any(|group| slice(&self.octets, group.owner) == name);
            // Beyond the zone others speak for the name.
            if is_seen || !asked.is_forward && !is_at_or_below(name, zone) {
                return None;
            }
            owner = Some(target);
        }
        None
    }

    /// Put the RRset of the type that was asked for at *owner* (None: at the question's name), or
    /// the alias there, into the groups; return whether it was no alias, and how many records it
    /// has.  The rdatas are in `spans`.
    fn group(&mut self, asked: &Asked<'_>, owner: Option<(u32, u32)>) -> Option<(bool, usize)> {
        for rrtype in [asked.qtype, CNAME] {
            self.spans.clear();
            let (mut ttl_s, mut place) = (TTL_S_MAX, owner);
            for part in &self.parts {
                let name = owner.map_or(asked.qname, |owner| slice(&self.octets, owner));
                if part.rrtype == rrtype && slice(&self.octets, part.owner) == name {
                    ttl_s = ttl_s.min(part.ttl_s);
                    place = Some(part.owner);
                    self.spans.push(part.rdata);
                }
            }
            let number = self.spans.len();
            if number == 0 {
                continue;
            }
            if number > RRSET_RECORDS_MAX {
                return None;
            }
            self.put_group(place?, rrtype, ttl_s);
            let is_end = rrtype == asked.qtype;
            return (is_end || self.spans.len() == 1).then_some((is_end, number));
        }
        Some((true, 0))
    }

    /// Make a group of the rdatas in `spans`: sorted, each once.
    fn put_group(&mut self, owner: (u32, u32), rrtype: u16, ttl_s: u32) {
        let octets = &self.octets;
        if self.spans.len() > 1 {
            self.spans
                .sort_unstable_by(|one, other| slice(octets, *one).cmp(slice(octets, *other)));
            self.spans.dedup_by(|one, other| slice(octets, *one) == slice(octets, *other));
        }
        let begin = self.body.len() as u32;
        for span in &self.spans {
            // RDLENGTH has 16 bits, and a name that is written out adds a few hundred octets.
            self.body.extend(((span.1 - span.0) as u16).to_be_bytes());
            self.body.extend_from_slice(slice(octets, *span));
        }
        let body = (begin, self.body.len() as u32);
        let rdatas = self.spans.len() as u16;
        self.groups.push(Group { owner, rrtype, ttl_s, rdatas, body });
    }

    /// Whether what stands at the end of the aliases, *owner*, is all there.
    fn end(&mut self, asked: &Asked<'_>, owner: Option<(u32, u32)>) -> bool {
        if !self.is_negative {
            return self.rcode == 0 && self.soa.is_none();
        }
        let Some(soa) = self.soa else { return false };
        let name = owner.map_or(asked.qname, |owner| slice(&self.octets, owner));
        let zone = slice(&self.octets, soa.owner);
        let is_it =
            is_at_or_below(name, zone) && (asked.is_forward || zone.len() == asked.zone_octets);
        self.spans.clear();
        self.spans.push(soa.rdata);
        self.put_group(soa.owner, SOA, soa.ttl_s);
        is_it
    }

    /// Append the rdata from *start* to *end* with its names written out, in lower case.
    fn rdata(
        &mut self,
        octets: &mut Octets<'_>,
        rrtype: u16,
        start: usize,
        end: usize,
    ) -> Option<()> {
        // Octets before the names, names, octets behind them.
        let (before, names, behind) = match rrtype {
            2..=5 | 7..=9 | 12 | 39 => (0, 1, 0),
            SOA => (0, 2, 20),
            14 | 17 => (0, 2, 0),
            15 | 18 | 21 | 36 => (2, 1, 0),
            26 => (2, 2, 0),
            33 => (6, 1, 0),
            // SIG, NAPTR, RRSIG
            24 | 35 | 46 => return None,
            A if end - start != 4 => return None,
            AAAA if end - start != 16 => return None,
            _ => {
                self.octets.extend_from_slice(octets.part(start, end)?);
                return Some(());
            }
        };
        self.octets.extend_from_slice(octets.part(start, start + before)?);
        let mut offset = start + before;
        for _ in 0..names {
            offset = octets.name(offset, &mut self.octets)?;
        }
        if offset + behind != end {
            return None;
        }
        self.octets.extend_from_slice(octets.part(offset, end)?);
        Some(())
    }

    /// Read the options of OPT, which are at *start* of the message.
    fn options(&mut self, options: &[u8], start: usize) -> Option<()> {
        let (mut at, mut number) = (0, 0);
        while at < options.len() {
            let head = options.get(at..at + 4)?;
            let size = usize::from(u16::from_be_bytes([head[2], head[3]]));
            number += 1;
            if at + 4 + size > options.len() || number > OPTIONS_MAX {
                return None;
            }
            match u16::from_be_bytes([head[0], head[1]]) {
                EDE => return None,
                COOKIE if self.cookie.is_none() => {
                    self.cookie = Some((start + at + 4, start + at + 4 + size));
                }
                COOKIE => return None,
                _ => {}
            }
            at += 4 + size;
        }
        Some(())
    }
}
