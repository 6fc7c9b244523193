//! A request: its octets parsed and judged, before any zone is looked at
//! (`dns_node.answer.query`).

use crate::edns::{Edns, COOKIE, NSID, TCP_KEEPALIVE};
use crate::name::name_size;

/// The octets of the header of a message.
pub const HEADER_SIZE_OCTETS: usize = 12;

/// Opcode QUERY.
pub const QUERY: u8 = 0;
const NOTIFY: u8 = 4;
const UPDATE: u8 = 5;

/// NOERROR.
pub const NOERROR: u16 = 0;
/// FORMERR.
pub const FORMERR: u16 = 1;
const NOTIMP: u16 = 4;
const BADVERS: u16 = 16;

const OPT: u16 = 41;
const OPTIONS_MAX: usize = 32;
const RECORDS_MAX: usize = 16;

/// A request with a readable question, or with none and a COOKIE option.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q> {
    /// The message id.
    pub message_id: [u8; 2],
    /// The flags.
    pub flags: u16,
    /// QUERY, NOTIFY or UPDATE.
    pub opcode: u8,
    /// The question as it was sent; empty in a request for a cookie.
    pub question: &'q [u8],
    /// The type.
    pub qtype: u16,
    /// The class.
    pub qclass: u16,
    /// What the OPT record says.
    pub edns: Option<Edns<'q>>,
    /// NOERROR, or the error that answers it without a look at the zones.
    pub rcode: u16,
}

impl<'q> Query<'q> {
    /// Return the request that *octets* hold, of which there are at least 12; or the rcode of a
    /// reply that is a header alone.
    pub fn parse(octets: &'q [u8], is_tcp: bool) -> Result<Query<'q>, u16> {
        let flags = u16::from_be_bytes([octets[2], octets[3]]);
        let opcode = (flags >> 11 & 15) as u8;
        if !matches!(opcode, QUERY | NOTIFY | UPDATE) {
            return Err(NOTIMP);
        }
        let message_id = [octets[0], octets[1]];
        let questions = u16::from_be_bytes([octets[4], octets[5]]);
        if questions == 0 && opcode == QUERY {
            return match parse_records(octets, HEADER_SIZE_OCTETS, opcode, is_tcp) {
                (edns @ Some(Edns { cookie: Some(_), .. }), NOERROR) => {
                    let (qtype, qclass, rcode) = (0, 1, NOERROR);
                    let question = &octets[..0];
                    Ok(Query { message_id, flags, opcode, question, qtype, qclass, edns, rcode })
                }
                _ => Err(FORMERR),
            };
        }
        if questions != 1 {
            return Err(FORMERR);
        }
        let rest = &octets[HEADER_SIZE_OCTETS..];
        let question = name_size(rest).and_then(|size| rest.get(..size + 4)).ok_or(FORMERR)?;
        let end = HEADER_SIZE_OCTETS + question.len();
        let (edns, rcode) = if octets[6..12] != [0; 6] || octets.len() != end {
            parse_records(octets, end, opcode, is_tcp)
        } else {
            (None, NOERROR)
        };
        let qtype = u16::from_be_bytes([octets[end - 4], octets[end - 3]]);
        let qclass = u16::from_be_bytes([octets[end - 2], octets[end - 1]]);
        Ok(Query { message_id, flags, opcode, question, qtype, qclass, edns, rcode })
    }

    /// The question's name as it was sent.
    pub fn qname(&self) -> &'q [u8] {
        &self.question[..self.question.len().saturating_sub(4)]
    }
}

/// Return the EDNS part and the rcode of what follows the question.
fn parse_records(
    octets: &[u8],
    mut offset: usize,
    opcode: u8,
    is_tcp: bool,
) -> (Option<Edns<'_>>, u16) {
    let count = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]) as usize;
    let (answers, authorities) = (count(6), count(8));
    let records = answers + authorities + count(10);
    if opcode == QUERY && (answers != 0 || authorities > 1 || records > RECORDS_MAX) {
        return (None, FORMERR);
    }
    let mut found = None;
    let mut rcode = NOERROR;
    for number in 0..records {
        let start = offset;
        let Some(behind) = skip_name(octets, start) else { return (found, FORMERR) };
        let Some(fixed) = octets.get(behind..behind + 10) else { return (found, FORMERR) };
        let data = behind + 10;
        let end = data + u16::from_be_bytes([fixed[8], fixed[9]]) as usize;
        let Some(rdata) = octets.get(data..end) else { return (found, FORMERR) };
        if u16::from_be_bytes([fixed[0], fixed[1]]) == OPT {
            // One OPT, at the root, in the additional section (RFC 6891 section 6.1.1).
            if found.is_some() || octets[start] != 0 || number < answers + authorities {
                return (found, FORMERR);
            }
            let (edns, code) = parse_opt(fixed, rdata, is_tcp);
            (found, rcode) = (Some(edns), code);
        }
        offset = end;
    }
    // Octets behind the last record are an error too.
    (found, if offset == octets.len() { rcode } else { FORMERR })
}

/// Return the offset behind the name at *start*, which may end with a pointer backwards.
fn skip_name(octets: &[u8], start: usize) -> Option<usize> {
    let mut offset = start;
    loop {
        let size = *octets.get(offset)? as usize;
        if size >= 0xC0 {
            let target = (size & 0x3F) << 8 | *octets.get(offset + 1)? as usize;
            return (target < start).then_some(offset + 2);
        }
        if size > 63 || offset - start > 254 {
            return None;
        }
        offset += size + 1;
        if size == 0 {
            return Some(offset);
        }
    }
}

/// Parse an OPT record, whose type, class, TTL and size are *fixed*.
fn parse_opt<'q>(fixed: &[u8], rdata: &'q [u8], is_tcp: bool) -> (Edns<'q>, u16) {
    let mut edns = Edns {
        payload_size_octets: u16::from_be_bytes([fixed[2], fixed[3]]).max(512),
        version: fixed[5],
        is_do: fixed[6] >= 0x80,
        has_nsid: false,
        cookie: None,
        keepalive: None,
    };
    if edns.version != 0 {
        return (edns, BADVERS);
    }
    let mut rest = rdata;
    let mut number = 0;
    while !rest.is_empty() {
        let Some((head, behind)) = rest.split_at_checked(4) else { return (edns, FORMERR) };
        let size = u16::from_be_bytes([head[2], head[3]]) as usize;
        number += 1;
        let Some((data, behind)) = behind.split_at_checked(size) else { return (edns, FORMERR) };
        if number > OPTIONS_MAX {
            return (edns, FORMERR);
        }
        // Of two COOKIEs the first counts (RFC 7873 section 5.2); so for all.
        match u16::from_be_bytes([head[0], head[1]]) {
            NSID => edns.has_nsid = true,
            COOKIE => edns.cookie = edns.cookie.or(Some(data)),
            TCP_KEEPALIVE => edns.keepalive = edns.keepalive.or(Some(data)),
            _ => {}
        }
        rest = behind;
    }
    if edns.cookie.is_some_and(|cookie| !is_cookie(cookie)) {
        return (edns, FORMERR); // RFC 7873 section 5.2.2
    }
    if is_tcp && edns.keepalive.is_some_and(|data| !data.is_empty()) {
        return (edns, FORMERR); // a client leaves the timeout out (RFC 7828 section 3.2.1)
    }
    (edns, NOERROR)
}

/// Say whether the data of a COOKIE option has a size that RFC 7873 section 4 allows.
pub fn is_cookie(data: &[u8]) -> bool {
    data.len() == 8 || (16..=40).contains(&data.len())
}
