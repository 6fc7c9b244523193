//! The UDP socket of a worker: many datagrams for one system call.
//!
//! Every datagram has a place of its own for its octets, its sender, the address that was asked and
//! its reply; the kernel is shown these places through headers that point to them.
#![allow(unsafe_code)]

use std::mem::{size_of, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::RawFd;
use std::ptr;

/// Datagrams of one system call.
pub const BATCH_SIZE_MAX: usize = 64;

/// A longer query is cut, and then it is out of form.
pub const DATAGRAM_SIZE_OCTETS_MAX: usize = 4096;

/// Room for a reply: at least what `respond` asks for.
pub const REPLY_SIZE_OCTETS_MAX: usize = 1472;

// A cache line more than a power of two: else the first octets of all places, which are all that
// most queries and replies have, would share a few sets of the processor's cache.
const QUERY_STRIDE_OCTETS: usize = DATAGRAM_SIZE_OCTETS_MAX + 64;
const REPLY_STRIDE_OCTETS: usize = REPLY_SIZE_OCTETS_MAX + 64;

/// Room for one IP_PKTINFO or IPV6_PKTINFO: header 16, at most 20 octets of data, padding.
const CONTROL_SIZE_OCTETS: usize = 40;

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
    // The headers point into the boxes above (and these), whose contents never move.
    _query_vectors: Box<[libc::iovec]>,
    reply_vectors: Box<[libc::iovec]>,
    incoming: Box<[libc::mmsghdr]>,
    outgoing: Box<[libc::mmsghdr]>,
    received: usize,
    queued: usize,
}

// SAFETY: the pointers in the headers lead to boxes of the same value, which go where it goes; all
// use of them is under `&mut self`.
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
        let (senders, vectors, headers) = unsafe {
            (
                MaybeUninit::<libc::sockaddr_in6>::zeroed().assume_init(),
                MaybeUninit::<libc::iovec>::zeroed().assume_init(),
                MaybeUninit::<libc::mmsghdr>::zeroed().assume_init(),
            )
        };
        let mut queries = vec![0; BATCH_SIZE_MAX * QUERY_STRIDE_OCTETS].into_boxed_slice();
        let replies = vec![0; BATCH_SIZE_MAX * REPLY_STRIDE_OCTETS].into_boxed_slice();
        let mut senders = vec![senders; BATCH_SIZE_MAX].into_boxed_slice();
        let mut query_vectors = vec![vectors; BATCH_SIZE_MAX].into_boxed_slice();
        let reply_vectors = query_vectors.clone();
        let mut incoming = vec![headers; BATCH_SIZE_MAX].into_boxed_slice();
        let outgoing = incoming.clone();
        for number in 0..BATCH_SIZE_MAX {
            let octets = &mut queries[number * QUERY_STRIDE_OCTETS..][..DATAGRAM_SIZE_OCTETS_MAX];
            query_vectors[number].iov_base = octets.as_mut_ptr().cast();
            query_vectors[number].iov_len = octets.len();
            let header = &mut incoming[number].msg_hdr;
            header.msg_name = ptr::from_mut(&mut senders[number]).cast();
            header.msg_iov = &mut query_vectors[number];
            header.msg_iovlen = 1;
        }
        Datagrams {
            queries,
            replies,
            senders,
            controls: vec![Control([0; CONTROL_SIZE_OCTETS]); BATCH_SIZE_MAX].into_boxed_slice(),
            _query_vectors: query_vectors,
            reply_vectors,
            incoming,
            outgoing,
            received: 0,
            queued: 0,
        }
    }

    /// Take what waits at *socket*, which must not block; return how many datagrams there are.
    ///
    /// With *is_wildcard* the kernel tells which address was asked (IP_PKTINFO is switched on).
    /// An error is 0: nothing waits, or an earlier reply could not be delivered (ICMP).
    pub fn receive(&mut self, socket: RawFd, is_wildcard: bool) -> usize {
        for (number, message) in self.incoming.iter_mut().enumerate() {
            let header = &mut message.msg_hdr;
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
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
        let long = &self.senders[number];
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

    /// The ancillary data with which a reply to datagram *number* leaves from the address that was
    /// asked: (level, type, data); None when the kernel told no address.
    pub fn source_of_reply(&self, number: usize) -> Option<(i32, i32, &[u8])> {
        let size = self.prepare_control(number)?;
        let octets = &self.controls[number].0;
        let level = i32::from_ne_bytes(octets[8..12].try_into().ok()?);
        let kind = i32::from_ne_bytes(octets[12..16].try_into().ok()?);
        Some((level, kind, &octets[CONTROL_HEADER_OCTETS..size]))
    }

    fn prepare_control(&self, number: usize) -> Option<usize> {
        let header = &self.incoming[number].msg_hdr;
        let octets = &self.controls[number].0;
        let size = usize::from_ne_bytes(octets[..8].try_into().ok()?);
        let is_told = header.msg_controllen as usize >= size
            && header.msg_flags & libc::MSG_CTRUNC == 0
            && (CONTROL_HEADER_OCTETS + 12..=CONTROL_HEADER_OCTETS + 20).contains(&size);
        is_told.then_some(size)
    }
}
