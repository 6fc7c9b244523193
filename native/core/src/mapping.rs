//! Memory that processes share: a descriptor of the supervisor's, mapped for as long as we run.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::slice;
use std::sync::atomic::AtomicU64;

/// Map the whole of the memory file *descriptor*, readable and writable, to the end of the process.
pub fn map_numbers(descriptor: RawFd) -> io::Result<&'static [AtomicU64]> {
    // SAFETY: `stat` is all numbers, for which all octets 0 are a value, and fstat writes it only.
    let (result, stat) = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &mut stat), stat)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let size = usize::try_from(stat.st_size).unwrap_or(0) / 8 * 8;
    if size == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no memory to share"));
    }
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the kernel chooses a place of its own; nothing of ours lies there.
    let start =
        unsafe { libc::mmap(ptr::null_mut(), size, access, libc::MAP_SHARED, descriptor, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping has *size* octets, begins at a page, is never unmapped, and the file is
    // never made shorter (only its maker has the name of it, and never does).  Other processes
    // change it at any time, which is what atomic numbers are for.
    Ok(unsafe { slice::from_raw_parts(start.cast::<AtomicU64>(), size / 8) })
}
