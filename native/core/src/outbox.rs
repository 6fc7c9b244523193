//! Replies that leave later than the batch in which their queries came.
#![allow(unsafe_code)]

use std::mem::{size_of, MaybeUninit};
use std::os::fd::RawFd;
use std::ptr;

use crate::socket::{read_sender, Sender, Sent, CONTROL_SIZE_OCTETS, REPLY_SIZE_OCTETS_MAX};

/// Replies of one system call.
const REPLIES_MAX: usize = 32;

// See `socket`: a cache line more than a power of two.
const STRIDE_OCTETS: usize = REPLY_SIZE_OCTETS_MAX + 64;

/// Ancillary data, aligned as the kernel reads it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_SIZE_OCTETS]);

/// How a client is reached: the socket its query came to, its address, and the one that it asked.
#[derive(Clone, Copy)]
pub struct ReturnAddress {
    /// The socket.
    pub socket: RawFd,
    name: libc::sockaddr_in6,
    name_octets: libc::socklen_t,
    control: Control,
    control_octets: usize,
}

impl Default for ReturnAddress {
    fn default() -> Self {
        // SAFETY: a plain C structure of numbers, for which zeros are a value.
        let name = unsafe { MaybeUninit::<libc::sockaddr_in6>::zeroed().assume_init() };
        let control = Control([0; CONTROL_SIZE_OCTETS]);
        ReturnAddress { socket: -1, name, name_octets: 0, control, control_octets: 0 }
    }
}

impl ReturnAddress {
    /// The address *name* at *socket*; *control* is the ancillary data of the reply, with its header.
    pub fn new(
        socket: RawFd,
        name: libc::sockaddr_in6,
        name_octets: libc::socklen_t,
        control: &[u8],
    ) -> Self {
        let name_octets = name_octets.min(size_of::<libc::sockaddr_in6>() as libc::socklen_t);
        let control_octets = control.len().min(CONTROL_SIZE_OCTETS);
        let mut kept = Control([0; CONTROL_SIZE_OCTETS]);
        kept.0[..control_octets].copy_from_slice(&control[..control_octets]);
        ReturnAddress { socket, name, name_octets, control: kept, control_octets }
    }

    /// Who sent the query.
    pub fn sender(&self) -> Sender {
        read_sender(&self.name)
    }

    /// The ancillary data of the reply: (level, type, data).
    pub fn source(&self) -> Option<(i32, i32, &[u8])> {
        crate::socket::read_control(&self.control.0[..self.control_octets])
    }
}

/// Replies that wait for their system call.
pub struct Outbox {
    octets: Box<[u8]>,
    backs: Box<[ReturnAddress; REPLIES_MAX]>,
    sizes: [usize; REPLIES_MAX],
    // The pointers in these are set anew for each call of the kernel, to places in the boxes above.
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    count: usize,
    sent: Sent,
}

// SAFETY: the pointers in the headers are used by the method that has set them, under `&mut self`,
// and by nothing after it.
unsafe impl Send for Outbox {}

impl Default for Outbox {
    fn default() -> Self {
        // SAFETY: plain C structures of numbers and pointers, for which zeros are a value.
        let (vector, header) = unsafe {
            (
                MaybeUninit::<libc::iovec>::zeroed().assume_init(),
                MaybeUninit::<libc::mmsghdr>::zeroed().assume_init(),
            )
        };
        Outbox {
            octets: vec![0; REPLIES_MAX * STRIDE_OCTETS].into_boxed_slice(),
            backs: Box::new([ReturnAddress::default(); REPLIES_MAX]),
            sizes: [0; REPLIES_MAX],
            vectors: vec![vector; REPLIES_MAX].into_boxed_slice(),
            headers: vec![header; REPLIES_MAX].into_boxed_slice(),
            count: 0,
            sent: Sent::default(),
        }
    }
}

impl Outbox {
    /// Room for one reply; `queue` has it sent.
    pub fn room(&mut self) -> &mut [u8] {
        if self.count == REPLIES_MAX {
            self.send();
        }
        &mut self.octets[self.count * STRIDE_OCTETS..][..REPLY_SIZE_OCTETS_MAX]
    }

    /// Have the first *size* octets of the room that was given last sent to *back*.
    pub fn queue(&mut self, size: usize, back: &ReturnAddress) {
        self.backs[self.count] = *back;
        self.sizes[self.count] = size.min(REPLY_SIZE_OCTETS_MAX);
        self.count += 1;
    }

    /// Send what waits; return what was done since the last call.
    pub fn flush(&mut self) -> Sent {
        self.send();
        std::mem::take(&mut self.sent)
    }

    fn send(&mut self) {
        let mut at = 0;
        while at < self.count {
            let socket = self.backs[at].socket;
            let others = self.backs[at..self.count].iter().position(|back| back.socket != socket);
            let end = others.map_or(self.count, |size| at + size);
            self.send_through(socket, at, end);
            at = end;
        }
        self.count = 0;
    }

    fn send_through(&mut self, socket: RawFd, mut at: usize, end: usize) {
        for number in at..end {
            let back = &mut self.backs[number];
            let vector = &mut self.vectors[number];
            vector.iov_base = self.octets[number * STRIDE_OCTETS..].as_mut_ptr().cast();
            vector.iov_len = self.sizes[number];
            let header = &mut self.headers[number].msg_hdr;
            header.msg_name = ptr::from_mut(&mut back.name).cast();
            header.msg_namelen = back.name_octets;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = back.control.0.as_mut_ptr().cast();
            header.msg_controllen = back.control_octets as _;
        }
        while at < end {
            let rest = &mut self.headers[at..end];
            // SAFETY: every header points to an address, a vector (whose base and size are a place
            // of `octets`) and ancillary data of this value, set above; all of them live as long
            // as `self`, which is borrowed here alone.
            let taken = unsafe {
                libc::sendmmsg(socket, rest.as_mut_ptr(), rest.len() as _, libc::MSG_DONTWAIT as _)
            };
            // An error is about the first of them; the others have their turn after it.
            match usize::try_from(taken) {
                Ok(taken) if taken > 0 => {
                    self.sent.replies += taken;
                    at += taken;
                }
                _ => {
                    self.sent.failures += 1;
                    at += 1;
                }
            }
        }
    }
}
