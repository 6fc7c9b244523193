//! The store as a worker reads it: LMDB keeps the revision, its pages are read in place.
//!
//! **Who opens the environment.**  In a worker with the native core this is the only code that
//! opens the store; what the Python definition needs for a punt goes through `Snapshot` too.  Two
//! LMDB libraries (py-lmdb brings its own) must never hold one environment open in one process:
//! the POSIX record locks on `lock.mdb`, by which others see that a reader's process lives, belong
//! to the process and end when *any* descriptor of that file is closed.  After a generation switch
//! in one library, the other's reader slots would pass for those of a dead process, be cleared by
//! the next `reader_check`, and their pages be written over while they are read.  For the same
//! reason `Store::open` refuses a directory that this process has open already.
//!
//! **What LMDB does here** is to hold a slot of the reader table: as long as a read transaction
//! has one, no page that it can reach is written again.  The search itself is in `pages`: LMDB's
//! cursors cost more than all the rest of an answer.  The file format (data version 1, which
//! `mdb_env_open` checks) is read through a second, read-only map of the data file.  That file
//! has no locks that closing a descriptor could lose.
//!
//! This module and `socket` hold all the unsafe code there is.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{fence, Ordering};
use std::sync::Mutex;
use std::{fmt, ptr, slice};

use lmdb_sys as ffi;

use crate::pages::{Damage, Tree, META_WORDS};
pub use crate::snapshot::Snapshot;

/// The schema of the rows that this release reads (`dns_node.store.layout.STORE_SCHEMA`).
pub const SCHEMA: u16 = 1;

/// How often a revision is asked for again that was overtaken while it was taken.
const RENEWALS_MAX: usize = 1000;

/// The store can't be read; the text says why.
#[derive(Debug, Clone)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// The environments (device, inode of the data file) that this process has open.
static OPEN: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

/// An open store generation and one reader of it, which is moved to the newest revision by
/// `renew`.  One thread uses it at a time.
pub struct Store {
    environment: *mut ffi::MDB_env,
    transaction: *mut ffi::MDB_txn,
    map: Map,
    path: PathBuf,
    identity: (u64, u64),
    is_reading: bool,
    revision: Revision,
}

/// What a read transaction sees: the trees of one committed LMDB transaction.
#[derive(Clone, Copy, Default)]
struct Revision {
    number: u64,
    last_page: u64,
    tables: Tree,
    names: Tree,
    zones: Tree,
}

/// The data file, mapped read-only.
struct Map {
    start: *const u8,
    size_octets: usize,
    page_size_octets: usize,
}

// SAFETY: with MDB_NOTLS a read transaction belongs to its handle, not to a thread; the handles
// and the map are used through `&mut self` or under a borrow of the whole, so by one thread.
unsafe impl Send for Store {}

impl Store {
    /// Open the environment in the directory *path* read-only, and renew once.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let complain =
            |why: String| StoreError(format!("cannot open the store {}: {why}.", path.display()));
        let file =
            File::open(path.join("data.mdb")).map_err(|error| complain(error.to_string()))?;
        let facts = file.metadata().map_err(|error| complain(error.to_string()))?;
        let identity = (facts.dev(), facts.ino());
        {
            let mut open = OPEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if open.contains(&identity) {
                return Err(complain("this process has it open already".to_string()));
            }
            open.push(identity);
        }
        let opened = Store::open_environment(path, &file, identity);
        if opened.is_err() {
            forget(identity);
        }
        let mut store = opened.map_err(complain)?;
        store.renew()?;
        match store.schema() {
            Some(SCHEMA) => Ok(store),
            found => Err(complain(format!(
                "it has schema {found:?}, and {SCHEMA} is what this release reads"
            ))),
        }
    }

    fn open_environment(path: &Path, file: &File, identity: (u64, u64)) -> Result<Store, String> {
        let text = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        let mut environment = ptr::null_mut();
        let mut transaction = ptr::null_mut();
        // SAFETY: LMDB's own order of calls: create, open, begin; an environment that was created
        // is closed on every way out.  The pointers are to locals that outlive the calls.
        unsafe {
            check(ffi::mdb_env_create(&mut environment))?;
            let flags = ffi::MDB_RDONLY | ffi::MDB_NOTLS;
            let opened = check(ffi::mdb_env_open(environment, text.as_ptr(), flags, 0o600))
                .and_then(|()| {
                    check(ffi::mdb_txn_begin(
                        environment,
                        ptr::null_mut(),
                        ffi::MDB_RDONLY,
                        &mut transaction,
                    ))
                });
            if let Err(why) = opened {
                ffi::mdb_env_close(environment);
                return Err(why);
            }
            ffi::mdb_txn_reset(transaction);
        }
        let map = match Map::of(file) {
            Ok(map) => map,
            Err(why) => {
                // SAFETY: both were opened above and are used by nobody.
                unsafe {
                    ffi::mdb_txn_abort(transaction);
                    ffi::mdb_env_close(environment);
                }
                return Err(why);
            }
        };
        Ok(Store {
            environment,
            transaction,
            map,
            path: path.to_path_buf(),
            identity,
            is_reading: false,
            revision: Revision::default(),
        })
    }

    /// The directory of the environment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the LMDB transaction that is read: equal numbers are equal contents.
    pub fn number(&self) -> u64 {
        self.revision.number
    }

    /// See the newest revision from here on.
    pub fn renew(&mut self) -> Result<(), StoreError> {
        for _ in 0..RENEWALS_MAX {
            let number = self.begin()?;
            if number == self.revision.number {
                return Ok(());
            }
            // The two meta pages are written in turn, and this one again only when the next
            // revision is complete and everyone sees it.  So the copy is clean when the other page
            // is still older than this one, or when nothing newer is to be seen after the copy.
            let words = self.map.meta_page(number & 1);
            fence(Ordering::Acquire);
            let is_last = self.map.meta_page(!number & 1)[META_WORDS - 1] < number;
            if words[META_WORDS - 1] == number && (is_last || self.begin()? == number) {
                return self.take(number, &words).map_err(|damage| {
                    self.reset();
                    StoreError(format!("the store {} is damaged: {damage}.", self.path.display()))
                });
            }
        }
        self.reset();
        let path = self.path.display();
        Err(StoreError(format!("the store {path} changes faster than it can be read.")))
    }

    /// Begin to read the newest LMDB transaction; return its number.
    fn begin(&mut self) -> Result<u64, StoreError> {
        self.reset();
        // SAFETY: the transaction was begun by `open` and has been reset.
        check(unsafe { ffi::mdb_txn_renew(self.transaction) }).map_err(|why| {
            StoreError(format!("cannot read the store {}: {why}.", self.path.display()))
        })?;
        self.is_reading = true;
        // SAFETY: the transaction is live.
        Ok(unsafe { ffi::mdb_txn_id(self.transaction) } as u64)
    }

    fn take(&mut self, number: u64, words: &[u64; META_WORDS]) -> Result<(), Damage> {
        let fresh = Revision {
            number,
            last_page: words[15],
            tables: Tree::main(words),
            ..Revision::default()
        };
        self.revision = Revision { number: 0, ..fresh };
        let pages = self.pages();
        let names = fresh.tables.table(pages, b"names")?;
        let zones = fresh.tables.table(pages, b"zones")?;
        self.revision = Revision { names, zones, ..fresh };
        Ok(())
    }

    /// Let go of the pages of the revision, so that an idle worker pins none.
    pub fn reset(&mut self) {
        if self.is_reading {
            self.is_reading = false;
            // SAFETY: the transaction is live; no slice of its pages is: they borrow `self`.
            unsafe { ffi::mdb_txn_reset(self.transaction) };
        }
    }

    /// The revision that was renewed to last, None after `reset`.
    pub fn snapshot(&self) -> Option<Snapshot<'_>> {
        self.is_reading.then(|| {
            Snapshot::new(
                self.pages(),
                self.revision.tables,
                self.revision.names,
                self.revision.zones,
            )
        })
    }

    fn pages(&self) -> Pages<'_> {
        debug_assert!(self.is_reading);
        Pages { map: &self.map, last: self.revision.last_page }
    }

    fn schema(&self) -> Option<u16> {
        let snapshot = self.snapshot()?;
        let state = snapshot.table(b"meta").ok()?.get(self.pages(), b"state").ok()??;
        Some(u16::from_be_bytes([*state.first()?, *state.get(1)?]))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: both were opened by `open`; nothing borrows the store any more.
        unsafe {
            ffi::mdb_txn_abort(self.transaction);
            ffi::mdb_env_close(self.environment);
        }
        forget(self.identity);
    }
}

fn forget(identity: (u64, u64)) {
    let mut open = OPEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    open.retain(|other| *other != identity);
}

fn check(code: libc::c_int) -> Result<(), String> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: mdb_strerror returns a static string, or that of strerror, which is copied at once.
    Err(unsafe { CStr::from_ptr(ffi::mdb_strerror(code)) }.to_string_lossy().into_owned())
}

impl Map {
    /// Map the whole of the environment: like LMDB itself as far as the file may ever grow.
    fn of(file: &File) -> Result<Map, String> {
        use std::os::unix::fs::FileExt;
        let mut start = [0; 48];
        file.read_exact_at(&mut start, 0).map_err(|error| error.to_string())?;
        let map_size = u64::from_le_bytes(start[32..40].try_into().expect("8 octets"));
        let page_size = u32::from_le_bytes(start[40..44].try_into().expect("4 octets")) as usize;
        let size_octets = usize::try_from(map_size).map_err(|error| error.to_string())?;
        if !page_size.is_power_of_two()
            || !(512..=65536).contains(&page_size)
            || size_octets < 2 * page_size
        {
            return Err("its first page is none of an LMDB environment".to_string());
        }
        // SAFETY: a fresh read-only map at an address that the kernel picks.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_octets,
                libc::PROT_READ,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().to_string());
        }
        Ok(Map { start: address.cast(), size_octets, page_size_octets: page_size })
    }

    /// Return the words of meta page 0 or 1.
    fn meta_page(&self, page: u64) -> [u64; META_WORDS] {
        let mut words = [0; META_WORDS];
        // SAFETY: pages 0 and 1 are in every environment and begin at multiples of the page size,
        // so that the words are aligned.  Another process may be writing them: the reads are
        // volatile, and `renew` finds out whether they belong together.
        unsafe {
            let start = self.start.add(page as usize * self.page_size_octets + 16).cast::<u64>();
            for (index, word) in words.iter_mut().enumerate() {
                *word = u64::from_le(ptr::read_volatile(start.add(index)));
            }
        }
        words
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `of`, and no slice of it is left: they borrow the map.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.size_octets) };
    }
}

/// Have the processor fetch what lies at *at* of *page*, if it can; nothing else is done.
#[inline]
pub(crate) fn fetch(page: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if at < page.len() {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: the address is inside the page; a prefetch reads nothing that can be seen.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(page.as_ptr().add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (page, at);
}

/// The pages that a read transaction can reach.
#[derive(Clone, Copy)]
pub struct Pages<'a> {
    map: &'a Map,
    last: u64,
}

impl<'a> Pages<'a> {
    /// Return page *number* whole, or Damage when no tree of this revision can hold it.
    #[inline]
    pub fn page(&self, number: u64) -> Result<&'a [u8], Damage> {
        self.run(number, 1)
    }

    /// Return *count* pages from *number* on.
    #[inline]
    pub fn run(&self, number: u64, count: u64) -> Result<&'a [u8], Damage> {
        let end = number.checked_add(count).ok_or(Damage("a page number"))?;
        let size = self.map.page_size_octets;
        if number < 2 || end > self.last + 1 || end > (self.map.size_octets / size) as u64 {
            return Err(Damage("a page number"));
        }
        // SAFETY: the range is inside the map.  `Pages` borrows a store whose read transaction is
        // live: pages that its trees reach are not written until `reset`, which needs `&mut`.
        // A page that only a damaged tree names may change under us; every number that is read
        // from a page is checked before it is used, and nothing relies on reading it twice.
        Ok(unsafe {
            slice::from_raw_parts(self.map.start.add(number as usize * size), count as usize * size)
        })
    }
}
