//! The UDP socket of a worker: many datagrams for one system call.
//!
//! Every datagram has a place of its own for its octets, its sender, the address that was asked and
//! its reply; the kernel is shown these places through headers that point to them.
#![allow(unsafe_code)]

use std::mem::{size_of, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::RawFd;
use std::ptr;

use crate::outbox::ReturnAddress;

/// Datagrams of one system call.  On a busy machine 64 cost 7 % more time per packet than 32, and 16
/// cost 3 % more; on a quiet one there was no difference to see.
pub const BATCH_SIZE_MAX: usize = 32;

/// A longer query is cut, and then it is out of form.
pub const DATAGRAM_SIZE_OCTETS_MAX: usize = 4096;

/// Room for a reply: at least what `respond` asks for.
pub const REPLY_SIZE_OCTETS_MAX: usize = 1472;

// A cache line more than a power of two: else the first octets of all places, which are all that
// most queries and replies have, would share a few sets of the processor's cache.
const QUERY_STRIDE_OCTETS: usize = DATAGRAM_SIZE_OCTETS_MAX + 64;
const REPLY_STRIDE_OCTETS: usize = REPLY_SIZE_OCTETS_MAX + 64;

/// Room for one IP_PKTINFO or IPV6_PKTINFO: header 16, at most 20 octets of data, padding.
pub(crate) const CONTROL_SIZE_OCTETS: usize = 40;

const CONTROL_HEADER_OCTETS: usize = size_of::<libc::cmsghdr>();

/// Ancillary data, aligned as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_SIZE_OCTETS]);

/// Who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The flow label of IPv6, 0 for IPv4.
    pub flow: u32,
    /// The interface of a link-local address, else 0.
    pub scope: u32,
}

/// What `send` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Replies that the kernel took.
    pub replies: usize,
    /// Replies that it refused.
    pub failures: usize,
}

/// The places of one batch; nothing is allocated after `new`.
pub struct Datagrams {
    queries: Box<[u8]>,
    replies: Box<[u8]>,
    senders: Box<[libc::sockaddr_in6]>,
    controls: Box<[Control]>,
    // The pointers in these are set anew for each call of the kernel, to places in the boxes above.
    vectors: Box<[libc::iovec]>,
    incoming: Box<[libc::mmsghdr]>,
    outgoing: Box<[libc::mmsghdr]>,
    received: usize,
    queued: usize,
}

// SAFETY: the pointers in the headers are used by the method that has set them, under `&mut self`,
// and by nothing after it.
unsafe impl Send for Datagrams {}

impl Default for Datagrams {
    fn default() -> Self {
        Datagrams::new()
    }
}

impl Datagrams {
    /// Make the places.
    pub fn new() -> Self {
        // SAFETY: all of these are plain C structures of numbers and pointers, for which zeros are
        // a value.
        let (sender, vector, header) = unsafe {
            (
                MaybeUninit::<libc::sockaddr_in6>::zeroed().assume_init(),
                MaybeUninit::<libc::iovec>::zeroed().assume_init(),
                MaybeUninit::<libc::mmsghdr>::zeroed().assume_init(),
            )
        };
        Datagrams {
            queries: vec![0; BATCH_SIZE_MAX * QUERY_STRIDE_OCTETS].into_boxed_slice(),
            replies: vec![0; BATCH_SIZE_MAX * REPLY_STRIDE_OCTETS].into_boxed_slice(),
            senders: vec![sender; BATCH_SIZE_MAX].into_boxed_slice(),
            controls: vec![Control([0; CONTROL_SIZE_OCTETS]); BATCH_SIZE_MAX].into_boxed_slice(),
            vectors: vec![vector; BATCH_SIZE_MAX].into_boxed_slice(),
            incoming: vec![header; BATCH_SIZE_MAX].into_boxed_slice(),
            outgoing: vec![header; BATCH_SIZE_MAX].into_boxed_slice(),
            received: 0,
            queued: 0,
        }
    }

    /// Take what waits at *socket*, which must not block; return how many datagrams there are.
    ///
    /// With *is_wildcard* the kernel tells which address was asked (IP_PKTINFO is switched on).
    /// An error is 0: nothing waits, or an earlier reply could not be delivered (ICMP).
    pub fn receive(&mut self, socket: RawFd, is_wildcard: bool) -> usize {
        let places = self.queries.chunks_exact_mut(QUERY_STRIDE_OCTETS);
        for (number, (message, place)) in self.incoming.iter_mut().zip(places).enumerate() {
            let vector = &mut self.vectors[number];
            vector.iov_base = place.as_mut_ptr().cast();
            vector.iov_len = DATAGRAM_SIZE_OCTETS_MAX;
            let header = &mut message.msg_hdr;
            header.msg_name = ptr::from_mut(&mut self.senders[number]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_controllen = 0;
            if is_wildcard {
                header.msg_control = self.controls[number].0.as_mut_ptr().cast();
                header.msg_controllen = CONTROL_SIZE_OCTETS as _;
            }
        }
        // SAFETY: every header points to a place of this value: its sender, its vector (whose
        // base and length are the query's place) and its ancillary data, each of the size that
        // the header says; all of them live as long as `self`, which is borrowed here alone.
        let received = unsafe {
            libc::recvmmsg(
                socket,
                self.incoming.as_mut_ptr(),
                BATCH_SIZE_MAX as _,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.queued = 0;
        self.received = usize::try_from(received).unwrap_or(0);
        self.received
    }

    /// The octets of datagram *number*, and the room for its reply.
    #[inline]
    pub fn query_and_room(&mut self, number: usize) -> (&[u8], &mut [u8]) {
        let size = (self.incoming[number].msg_len as usize).min(DATAGRAM_SIZE_OCTETS_MAX);
        (
            &self.queries[number * QUERY_STRIDE_OCTETS..][..size],
            &mut self.replies[number * REPLY_STRIDE_OCTETS..][..REPLY_SIZE_OCTETS_MAX],
        )
    }

    /// The octets of datagram *number*.
    pub fn query(&self, number: usize) -> &[u8] {
        let size = (self.incoming[number].msg_len as usize).min(DATAGRAM_SIZE_OCTETS_MAX);
        &self.queries[number * QUERY_STRIDE_OCTETS..][..size]
    }

    /// The first *size* octets of the room for the reply to datagram *number*.
    pub fn reply(&self, number: usize, size: usize) -> &[u8] {
        &self.replies[number * REPLY_STRIDE_OCTETS..][..size]
    }

    /// Who sent datagram *number*.
    #[inline]
    pub fn sender(&self, number: usize) -> Sender {
        read_sender(&self.senders[number])
    }

    /// How the client of datagram *number*, which came to *socket*, is reached later.
    pub fn return_address(&mut self, number: usize, socket: RawFd) -> ReturnAddress {
        let size = self.turn_control(number).unwrap_or(0);
        let name_octets = self.incoming[number].msg_hdr.msg_namelen;
        let control = &self.controls[number].0[..size];
        ReturnAddress::new(socket, self.senders[number], name_octets, control)
    }

    /// Call *take* with datagram *number* and the ancillary data with which a reply to it leaves
    /// from the address that was asked: (level, type, data); None when the kernel told no address.
    pub fn hand_up(&mut self, number: usize, take: impl FnOnce(&[u8], Option<(i32, i32, &[u8])>)) {
        let size = self.turn_control(number);
        let source = size.and_then(|size| read_control(&self.controls[number].0[..size]));
        take(self.query(number), source);
    }

    /// Make the ancillary data that came with datagram *number* what its reply needs; return its
    /// length with its header.
    #[allow(clippy::unnecessary_cast)] // the type differs among C libraries
    fn turn_control(&mut self, number: usize) -> Option<usize> {
        if (self.incoming[number].msg_hdr.msg_controllen as usize) <= CONTROL_HEADER_OCTETS {
            return None;
        }
        let octets = &mut self.controls[number].0;
        let size = usize::from_ne_bytes(octets[..8].try_into().ok()?);
        match (read_i32(octets, 8), read_i32(octets, 12), size.checked_sub(CONTROL_HEADER_OCTETS)?)
        {
            (libc::IPPROTO_IP, libc::IP_PKTINFO, 12) => {
                // Interface 0: the way back is the routing table's business, only the source is
                // ours; it is told as the local address of the datagram.
                octets[16..20].fill(0);
                octets.copy_within(20..24, 24);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20) => {
                // A link-local address means something on its own interface alone.
                if octets[16] != 0xFE || octets[17] & 0xC0 != 0x80 {
                    octets[32..36].fill(0);
                }
            }
            _ => return None,
        }
        Some(size)
    }

    /// Have the first *size* octets of the room for the reply to datagram *number* sent.
    #[inline]
    pub fn queue(&mut self, number: usize, size: usize) {
        let control_size = self.turn_control(number).unwrap_or(0);
        let room = &mut self.replies[number * REPLY_STRIDE_OCTETS..][..size];
        let vector = &mut self.vectors[self.queued];
        vector.iov_base = room.as_mut_ptr().cast();
        vector.iov_len = room.len();
        let header = &mut self.outgoing[self.queued].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.senders[number]).cast();
        header.msg_namelen = self.incoming[number].msg_hdr.msg_namelen;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_control = self.controls[number].0.as_mut_ptr().cast();
        header.msg_controllen = control_size as _;
        self.queued += 1;
    }

    /// Send the queued replies.
    pub fn send(&mut self, socket: RawFd) -> Sent {
        let mut sent = Sent::default();
        let mut at = 0;
        while at < self.queued {
            let rest = &mut self.outgoing[at..self.queued];
            // SAFETY: `queue` let every header point to a sender, a vector and ancillary data of
            // this value; the places live as long as `self`, which is borrowed here alone.
            let taken = unsafe {
                libc::sendmmsg(socket, rest.as_mut_ptr(), rest.len() as _, libc::MSG_DONTWAIT as _)
            };
            // An error is about the first of them; the others have their turn after it.
            match usize::try_from(taken) {
                Ok(taken) if taken > 0 => {
                    sent.replies += taken;
                    at += taken;
                }
                _ => {
                    sent.failures += 1;
                    at += 1;
                }
            }
        }
        self.queued = 0;
        sent
    }
}

/// Who is at a socket's address.
#[inline]
pub(crate) fn read_sender(long: &libc::sockaddr_in6) -> Sender {
    if i32::from(long.sin6_family) == libc::AF_INET6 {
        return Sender {
            address: IpAddr::V6(Ipv6Addr::from(long.sin6_addr.s6_addr)),
            port: u16::from_be(long.sin6_port),
            flow: u32::from_be(long.sin6_flowinfo),
            scope: long.sin6_scope_id,
        };
    }
    // sockaddr_in has its address where sockaddr_in6 has the flow label, behind the port.
    Sender {
        address: IpAddr::V4(Ipv4Addr::from(u32::from_be(long.sin6_flowinfo))),
        port: u16::from_be(long.sin6_port),
        flow: 0,
        scope: 0,
    }
}

/// Ancillary data, with its header, as (level, type, data); None when it is empty.
pub(crate) fn read_control(octets: &[u8]) -> Option<(i32, i32, &[u8])> {
    let data = octets.get(CONTROL_HEADER_OCTETS..)?;
    Some((read_i32(octets, 8), read_i32(octets, 12), data))
}

fn read_i32(octets: &[u8], at: usize) -> i32 {
    i32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    #[test]
    fn what_comes_in_goes_back_to_its_sender() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let clients: Vec<UdpSocket> =
            (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for (number, client) in clients.iter().enumerate() {
            client.send_to(&vec![number as u8; number + 1], server.local_addr().unwrap()).unwrap();
        }
        let mut datagrams = Datagrams::new();
        assert_eq!(datagrams.receive(server.as_raw_fd(), false), 3);
        for number in 0..3 {
            let (query, room) = datagrams.query_and_room(number);
            let size = query.len();
            room[..size].copy_from_slice(query);
            datagrams.queue(number, size);
        }
        assert_eq!(datagrams.send(server.as_raw_fd()), Sent { replies: 3, failures: 0 });
        for (number, client) in clients.iter().enumerate() {
            let mut octets = [0; 16];
            assert_eq!(client.recv(&mut octets).unwrap(), number + 1);
            assert_eq!(octets[0], number as u8);
        }
        assert_eq!(datagrams.receive(server.as_raw_fd(), false), 0);
    }

    #[test]
    fn a_reply_that_the_kernel_refuses_does_not_stop_the_others() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 {
            client.send_to(b"?", server.local_addr().unwrap()).unwrap();
        }
        let mut datagrams = Datagrams::new();
        assert_eq!(datagrams.receive(server.as_raw_fd(), false), 3);
        for number in 0..3 {
            datagrams.queue(number, 1);
        }
        datagrams.outgoing[1].msg_hdr.msg_namelen = 3; // EINVAL
        assert_eq!(datagrams.send(server.as_raw_fd()), Sent { replies: 2, failures: 1 });
    }
}
