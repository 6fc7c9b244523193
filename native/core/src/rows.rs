//! The values of the store's rows, read in place (`dns_node.store.layout`).

use crate::pages::Damage;

const NODE_HEADER_OCTETS: usize = 8;
const RRSET_HEADER_OCTETS: usize = 14;
const ZONE_OCTETS: usize = 72;

const SHORT: Damage = Damage("the size of a row");

#[inline]
fn u16_at(octets: &[u8], at: usize) -> Result<u16, Damage> {
    match octets.get(at..at + 2) {
        Some(pair) => Ok(u16::from_be_bytes([pair[0], pair[1]])),
        None => Err(SHORT),
    }
}

#[inline]
fn u32_at(octets: &[u8], at: usize) -> Result<u32, Damage> {
    match octets.get(at..at + 4) {
        Some(four) => Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]])),
        None => Err(SHORT),
    }
}

/// The header of a published zone: what an answer needs of it.
#[derive(Clone, Copy, Debug)]
pub struct ZoneHeader {
    /// The number under which the zone's rows lie in table `names`.
    pub zone_id: u32,
    /// min(SOA TTL, MINIMUM) (RFC 2308 section 3).
    pub negative_ttl_s: u32,
    /// How many zone cuts there are.
    pub cuts: u32,
    /// How many owners of a DNAME there are.
    pub dnames: u32,
    /// How many wildcards there are.
    pub wildcards: u32,
}

impl ZoneHeader {
    /// Return the header in a value of table `zones`.
    pub fn parse(value: &[u8]) -> Result<ZoneHeader, Damage> {
        if value.len() < ZONE_OCTETS {
            return Err(SHORT);
        }
        Ok(ZoneHeader {
            zone_id: u32_at(value, 0)?,
            negative_ttl_s: u32_at(value, 10)?,
            cuts: u32_at(value, 26)?,
            dnames: u32_at(value, 30)?,
            wildcards: u32_at(value, 34)?,
        })
    }
}

/// All records of one type at one owner, in place.
#[derive(Clone, Copy, Debug)]
pub struct RRset<'a> {
    /// The type.
    pub rrtype: u16,
    /// The TTL.
    pub ttl_s: u32,
    /// How many records there are.
    pub rdatas: u16,
    /// How many RRSIG records cover them.
    pub signatures: u16,
    /// Each rdata, then each signature, as RDLENGTH and RDATA.
    pub body: &'a [u8],
}

impl<'a> RRset<'a> {
    /// Return the rdatas, then the signatures.
    #[inline]
    pub fn each(&self) -> Rdatas<'a> {
        Rdatas { rest: self.body }
    }

    /// Return the first rdata.
    pub fn first(&self) -> Result<&'a [u8], Damage> {
        self.each().next().unwrap_or(Err(SHORT))
    }

    /// Return the signatures as an RRset of their own.
    pub fn signatures_alone(&self) -> Result<RRset<'a>, Damage> {
        let mut rdatas = self.each();
        for _ in 0..self.rdatas {
            rdatas.next().unwrap_or(Err(SHORT))?;
        }
        Ok(RRset { rrtype: 46, rdatas: self.signatures, signatures: 0, body: rdatas.rest, ..*self })
    }
}

/// An iterator over the rdatas of an RRset.
#[derive(Clone)]
pub struct Rdatas<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Rdatas<'a> {
    type Item = Result<&'a [u8], Damage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Ok(size) = u16_at(self.rest, 0) else { return Some(Err(SHORT)) };
        let end = 2 + size as usize;
        let Some(rdata) = self.rest.get(2..end) else { return Some(Err(SHORT)) };
        self.rest = &self.rest[end..];
        Some(Ok(rdata))
    }
}

/// All RRsets of one owner name, in place.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    octets: &'a [u8],
}

impl<'a> Node<'a> {
    /// Return the node in a value of table `names`.
    #[inline]
    pub fn new(value: &'a [u8]) -> Result<Node<'a>, Damage> {
        if value.len() < NODE_HEADER_OCTETS {
            return Err(SHORT);
        }
        Ok(Node { octets: value })
    }

    /// Return the RRsets in the order of their types.
    #[inline]
    pub fn each(&self) -> RRsets<'a> {
        RRsets { rest: &self.octets[NODE_HEADER_OCTETS..] }
    }

    /// Return the RRset of this type.
    #[inline]
    pub fn get(&self, rrtype: u16) -> Result<Option<RRset<'a>>, Damage> {
        for rrset in self.each() {
            let rrset = rrset?;
            if rrset.rrtype >= rrtype {
                return Ok((rrset.rrtype == rrtype).then_some(rrset));
            }
        }
        Ok(None)
    }

    /// Say whether there is an RRset of this type.
    pub fn has(&self, rrtype: u16) -> Result<bool, Damage> {
        Ok(self.get(rrtype)?.is_some())
    }
}

/// An iterator over the RRsets of a node.
pub struct RRsets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for RRsets<'a> {
    type Item = Result<RRset<'a>, Damage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((head, rest)) = self.rest.split_at_checked(RRSET_HEADER_OCTETS) else {
            return Some(Err(SHORT));
        };
        let size = u32::from_be_bytes([head[10], head[11], head[12], head[13]]) as usize;
        let Some((body, rest)) = rest.split_at_checked(size) else { return Some(Err(SHORT)) };
        self.rest = rest;
        Some(Ok(RRset {
            rrtype: u16::from_be_bytes([head[0], head[1]]),
            ttl_s: u32::from_be_bytes([head[2], head[3], head[4], head[5]]),
            rdatas: u16::from_be_bytes([head[6], head[7]]),
            signatures: u16::from_be_bytes([head[8], head[9]]),
            body,
        }))
    }
}
