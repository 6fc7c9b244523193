//! The kernel's side of the questions in flight: which sockets have something, when time has
//! passed, and octets by chance.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// Sockets that one call tells of.
pub const EVENTS_MAX: usize = 64;

/// The token of the clock.
pub const CLOCK: u64 = u64::MAX;

/// A set of sockets that are watched, and a clock that ticks when it is wound up.
pub struct Watch {
    epoll: OwnedFd,
    clock: File,
    events: Box<[libc::epoll_event; EVENTS_MAX]>,
    is_ticking: bool,
}

impl Watch {
    /// Watch nothing yet.
    pub fn new() -> io::Result<Watch> {
        // SAFETY: two system calls that take numbers; each gives a descriptor that nobody else
        // has, or -1.
        let (epoll, clock) = unsafe {
            let epoll = owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
            (epoll, owned(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags))?)
        };
        let events = Box::new([libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX]);
        let watch = Watch { epoll, clock: File::from(clock), events, is_ticking: false };
        watch.add(watch.clock.as_raw_fd(), CLOCK)?;
        Ok(watch)
    }

    /// The descriptor that is readable when there is something.
    pub fn descriptor(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// Tell of *socket* by *token*; a socket that is closed is not watched any more.
    pub fn add(&self, socket: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: the kernel reads the event during the call.
        let done = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, socket, &mut event)
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Return how many sockets have something now; `token` says which.
    pub fn look(&mut self) -> usize {
        // SAFETY: the kernel writes at most as many events as there is room for.
        let found = unsafe {
            let room = self.events.as_mut_ptr();
            libc::epoll_wait(self.epoll.as_raw_fd(), room, EVENTS_MAX as i32, 0)
        };
        usize::try_from(found).unwrap_or(0)
    }

    /// The token of socket *number* of those that the last look found.
    pub fn token(&self, number: usize) -> u64 {
        self.events[number].u64
    }

    /// Have the clock tick every *period* from now on, or not at all.
    pub fn wind_up(&mut self, period: Option<Duration>) {
        if self.is_ticking == period.is_some() {
            return;
        }
        self.is_ticking = period.is_some();
        let every = libc::timespec {
            tv_sec: 0,
            tv_nsec: period.map_or(0, |period| libc::c_long::from(period.subsec_nanos() as i32)),
        };
        let times = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: the kernel reads the times during the call.
        unsafe { libc::timerfd_settime(self.clock.as_raw_fd(), 0, &times, ptr::null_mut()) };
    }

    /// Take note that the clock has ticked.
    pub fn hear_clock(&mut self) {
        // Nothing is to be read where two looks told of one tick.
        let _ = (&self.clock).read(&mut [0; 8]);
    }
}

/// The descriptor that a system call has given.
///
/// # Safety
/// Nobody else has it.
unsafe fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(OwnedFd::from_raw_fd(descriptor))
}

/// Fill *room* with octets by chance; false when the kernel has none.
pub fn fill_from_kernel(room: &mut [u8]) -> bool {
    let mut at = 0;
    while at < room.len() {
        let rest = &mut room[at..];
        // SAFETY: the kernel writes at most as many octets as there is room for.
        let written = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => at += written,
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => (),
            _ => return false,
        }
    }
    true
}
