//! A question on its way to a server: its socket, its octets, and what is its reply.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::kept_reply::Key;
use crate::recursion::chance::Chance;
use crate::recursion::cuts::Manner;

/// Ports that are tried for one question.
const PORTS_MAX: usize = 16;
/// What we say we take.
const PAYLOAD_OCTETS: u16 = 1232;

const HEADER_OCTETS: usize = 12;
const OPT: u8 = 41;
const COOKIE: u8 = 10;

/// A fresh socket that talks with *address* alone, from a port by chance (RFC 5452 section 9.2).
pub fn open(chance: &mut Chance, address: SocketAddr) -> Option<UdpSocket> {
    for _ in 0..PORTS_MAX {
        let port = chance.port()?;
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        };
        match UdpSocket::bind(any) {
            Ok(socket) => {
                socket.set_nonblocking(true).ok()?;
                socket.connect(address).ok()?;
                return Some(socket);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => (),
            // A range of ports may need a privilege here.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => (),
            Err(_) => return None,
        }
    }
    None
}

/// Write the query for *key* into *query*.
pub fn compose_query(
    key: &Key<'_>,
    flags: u8,
    manner: Manner,
    cookie: &[u8],
    chance: &mut Chance,
    query: &mut Vec<u8>,
) -> Option<()> {
    query.clear();
    query.extend(chance.octets::<2>()?);
    query.extend([flags, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(manner.has_edns)]);
    let start = query.len();
    query.extend_from_slice(key.qname);
    if manner.mixes_case {
        for part in query[start..].chunks_mut(64) {
            let mut bits = u64::from_be_bytes(chance.octets()?);
            // Length octets are at most 63: below "a".
            for octet in part.iter_mut().filter(|octet| octet.is_ascii_lowercase()) {
                *octet ^= (bits as u8 & 1) << 5;
                bits >>= 1;
            }
        }
    }
    query.extend(key.qtype.to_be_bytes());
    query.extend(key.qclass.to_be_bytes());
    if manner.has_edns {
        let [high, low] = PAYLOAD_OCTETS.to_be_bytes();
        let is_do = if key.is_do { 0x80 } else { 0 };
        query.extend([0, 0, OPT, high, low, 0, 0, is_do, 0, 0]);
        if cookie.is_empty() {
            query.push(0);
        } else {
            let size = cookie.len() as u8;
            query.extend([size + 4, 0, COOKIE, 0, size]);
            query.extend_from_slice(cookie);
        }
    }
    Some(())
}

/// Say whether *octets* are the reply to *query*, whose name has *name_octets* (RFC 5452 section
/// 9.1).  One without a question is none here: Python asks again.
pub fn is_reply(query: &[u8], name_octets: usize, octets: &[u8], manner: Manner) -> bool {
    let end = HEADER_OCTETS + name_octets + 4;
    if octets.len() < end || octets[..2] != query[..2] || octets[2] & 0xF8 != 0x80 {
        return false;
    }
    let (theirs, ours) = (&octets[HEADER_OCTETS..end], &query[HEADER_OCTETS..end]);
    octets[4..6] == [0, 1]
        && if manner.mixes_case {
            theirs == ours
        } else {
            let (theirs, ours) = (theirs.split_at(name_octets), ours.split_at(name_octets));
            theirs.0.eq_ignore_ascii_case(ours.0) && theirs.1 == ours.1
        }
}
