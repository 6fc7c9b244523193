//! The B+trees of an LMDB data file (data version 1), searched in place.
//!
//! A page begins with 16 octets: page number u64, zero u16, flags u16, and the ends of the array
//! of offsets and of the free space, u16 each; an overflow page has its number of pages u32 in
//! their place.  The array of u16 offsets leads to the nodes, in the order of their keys.  A node
//! is 8 octets and its key: in a leaf the size of the value (u16, u16), flags u16 and the size of
//! the key u16, in a branch 48 bits of page number and the size of the key.  The first key of a
//! branch stands for "before all".  Numbers are little-endian.  Nothing here trusts the octets:
//! what leads outside a page, or nowhere, is `Damage`.

use std::cmp::Ordering;
use std::fmt;

use crate::guess::Guess;
pub use crate::store::Pages;

/// The words of a meta page behind its page header, up to the transaction number.
pub const META_WORDS: usize = 17;

const HEADER_OCTETS: usize = 16;
const NODE_OCTETS: usize = 8;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
const KIND: u16 = 0x2F;
const IN_OVERFLOW: u16 = 1;
const IS_TABLE: u16 = 2;
const DUPLICATES: u16 = 4;
const NO_PAGE: u64 = u64::MAX;

/// The leaves of smaller trees, 8 MiB, mostly stay in the second cache of a processor.
const LARGE_LEAVES: u64 = if cfg!(test) { 1 } else { 2048 };

/// A tree of a million rows is 4 pages high; a billion rows are 7.
const HEIGHT_MAX: usize = 16;

/// The octets of the store are not what LMDB and `dns_node.store.layout` write; the text names
/// what was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage(pub &'static str);

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is wrong", self.0)
    }
}

/// One table of the environment at one revision.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    root: u64,
    height: u16,
    leaves: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Tree { root: NO_PAGE, height: 0, leaves: 0 }
    }
}

/// A row of a table: key and value in place.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// A place between or at the rows of a table: the first row that is not before the key that was
/// sought, or behind the last row.
#[derive(Clone, Copy)]
pub struct Seat<'a> {
    pages: Pages<'a>,
    path: [(u64, u16); HEIGHT_MAX],
    height: usize,
    leaf: &'a [u8],
    index: usize,
    /// Whether the row at the place has exactly the key.
    pub is_exact: bool,
}

impl Tree {
    /// Return the table of tables that a meta page names.
    pub fn main(words: &[u64; META_WORDS]) -> Tree {
        Tree { root: words[14], height: (words[9] >> 48) as u16, leaves: words[11] }
    }

    /// Return the table *name* that this table of tables holds.
    pub fn table(&self, pages: Pages<'_>, name: &[u8]) -> Result<Tree, Damage> {
        let seat = self.seek(pages, name)?;
        let absent = Damage("the table of tables");
        if !seat.is_exact {
            return Err(absent);
        }
        let node = node(seat.leaf, seat.index)?;
        if node.flags & (IS_TABLE | IN_OVERFLOW) != IS_TABLE || node.size != 48 {
            return Err(absent);
        }
        let number = |at: usize| match node.rest.get(at..at + 8).map(<[u8; 8]>::try_from) {
            Some(Ok(octets)) => Ok(u64::from_le_bytes(octets)),
            _ => Err(absent),
        };
        Ok(Tree { root: number(40)?, height: u16_at(node.rest, 6)?, leaves: number(16)? })
    }

    /// Return the value of the row with exactly this key.
    #[inline]
    pub fn get<'a>(&self, pages: Pages<'a>, key: &[u8]) -> Result<Option<&'a [u8]>, Damage> {
        if self.root == NO_PAGE {
            return Ok(None);
        }
        let mut number = self.root;
        for _ in 0..HEIGHT_MAX {
            let page = pages.page(number)?;
            let count = count(page)?;
            if kind(page)? == LEAF {
                let (index, is_exact) = search(page, 0, count, key)?;
                return if is_exact { value(pages, page, index).map(Some) } else { Ok(None) };
            }
            number = child(page, child_index(page, count, key)?)?;
        }
        Err(Damage("the height of a tree"))
    }

    /// Say whether searches wait for memory.
    pub fn is_large(&self) -> bool {
        self.height >= 2 && self.leaves >= LARGE_LEAVES
    }

    /// Return where a search for *key* begins that takes its steps one by one: so far down that
    /// two levels are left.  The tree is large.
    #[inline]
    pub fn first_guess<'a>(&self, pages: Pages<'a>, key: &[u8]) -> Result<Guess<'a>, Damage> {
        let mut number = self.root;
        for _ in 2..self.height {
            let page = pages.page(number)?;
            if is_leaf(page)? {
                return Err(Damage("the height of a tree"));
            }
            number = child(page, child_index(page, count(page)?, key)?)?;
        }
        pages.page(number).map(|page| Guess::at(page, 1))
    }

    /// Return the place of *key*.
    pub fn seek<'a>(&self, pages: Pages<'a>, key: &[u8]) -> Result<Seat<'a>, Damage> {
        let path = [(0, 0); HEIGHT_MAX];
        let mut seat = Seat { pages, path, height: 0, leaf: &[], index: 0, is_exact: false };
        if self.root == NO_PAGE {
            return Ok(seat);
        }
        let mut number = self.root;
        for _ in 0..HEIGHT_MAX {
            let page = pages.page(number)?;
            let count = count(page)?;
            if kind(page)? == LEAF {
                (seat.index, seat.is_exact) = search(page, 0, count, key)?;
                seat.leaf = page;
                return Ok(seat);
            }
            let index = child_index(page, count, key)?;
            seat.path[seat.height] = (number, index as u16);
            seat.height += 1;
            number = child(page, index)?;
        }
        Err(Damage("the height of a tree"))
    }

    /// Return the place behind the last row.
    pub fn end<'a>(&self, pages: Pages<'a>) -> Result<Seat<'a>, Damage> {
        let path = [(0, 0); HEIGHT_MAX];
        let mut seat = Seat { pages, path, height: 0, leaf: &[], index: 0, is_exact: false };
        if self.root != NO_PAGE {
            seat.descend(self.root, true)?;
            seat.index += 1;
        }
        Ok(seat)
    }
}

impl<'a> Seat<'a> {
    /// Return the row at the place, None behind the last one.
    pub fn row(&self) -> Result<Option<Row<'a>>, Damage> {
        if self.leaf.is_empty() {
            return Ok(None);
        }
        if self.index < count(self.leaf)? {
            return Ok(Some(row(self.pages, self.leaf, self.index)?));
        }
        let mut place = *self;
        if !place.turn(false)? {
            return Ok(None);
        }
        Ok(Some(row(place.pages, place.leaf, place.index)?))
    }

    /// Return the row at the place as `row` does, and move behind it.
    #[allow(clippy::should_implement_trait)] // an iterator would hide the damage
    pub fn next(&mut self) -> Result<Option<Row<'a>>, Damage> {
        if self.leaf.is_empty() || (self.index >= count(self.leaf)? && !self.turn(false)?) {
            return Ok(None);
        }
        self.index += 1;
        self.is_exact = false;
        Ok(Some(row(self.pages, self.leaf, self.index - 1)?))
    }

    /// Return the row before the place, and move to it.
    pub fn previous(&mut self) -> Result<Option<Row<'a>>, Damage> {
        if self.leaf.is_empty() {
            return Ok(None);
        }
        self.is_exact = false;
        if self.index > 0 {
            self.index -= 1;
        } else if !self.turn(true)? {
            return Ok(None);
        }
        Ok(Some(row(self.pages, self.leaf, self.index)?))
    }

    /// Move to the first row of the next leaf, or to the last one of the leaf before.
    fn turn(&mut self, is_back: bool) -> Result<bool, Damage> {
        let mut height = self.height;
        while height > 0 {
            let (number, index) = self.path[height - 1];
            let page = self.pages.page(number)?;
            let index = index as usize;
            if if is_back { index > 0 } else { index + 1 < count(page)? } {
                let index = if is_back { index - 1 } else { index + 1 };
                self.path[height - 1].1 = index as u16;
                self.height = height;
                self.descend(child(page, index)?, is_back)?;
                return Ok(true);
            }
            height -= 1;
        }
        Ok(false)
    }

    fn descend(&mut self, mut number: u64, is_last: bool) -> Result<(), Damage> {
        loop {
            let page = self.pages.page(number)?;
            let count = count(page)?;
            if count == 0 {
                return Err(Damage("a page without rows"));
            }
            let index = if is_last { count - 1 } else { 0 };
            if kind(page)? == LEAF {
                self.leaf = page;
                self.index = index;
                return Ok(());
            }
            if self.height == HEIGHT_MAX {
                return Err(Damage("the height of a tree"));
            }
            self.path[self.height] = (number, index as u16);
            self.height += 1;
            number = child(page, index)?;
        }
    }
}

struct Node<'a> {
    flags: u16,
    size: usize,
    key: &'a [u8],
    rest: &'a [u8],
}

#[inline]
fn u16_at(octets: &[u8], at: usize) -> Result<u16, Damage> {
    match octets.get(at..at + 2) {
        Some(pair) => Ok(u16::from_le_bytes([pair[0], pair[1]])),
        None => Err(Damage("an offset in a page")),
    }
}

#[inline]
fn kind(page: &[u8]) -> Result<u16, Damage> {
    match u16_at(page, 10)? & KIND {
        kind @ (BRANCH | LEAF) => Ok(kind),
        _ => Err(Damage("the kind of a page")),
    }
}

/// Say whether *page* is a leaf.
#[inline]
pub fn is_leaf(page: &[u8]) -> Result<bool, Damage> {
    kind(page).map(|kind| kind == LEAF)
}

/// Return the number of rows of *page*.
#[inline]
pub fn count(page: &[u8]) -> Result<usize, Damage> {
    let lower = u16_at(page, 12)? as usize;
    if lower < HEADER_OCTETS || lower > page.len() {
        return Err(Damage("the number of rows of a page"));
    }
    Ok((lower - HEADER_OCTETS) / 2)
}

/// Return where in *page* row *index* begins.
#[inline]
pub fn offset_at(page: &[u8], index: usize) -> Result<usize, Damage> {
    u16_at(page, HEADER_OCTETS + 2 * index).map(usize::from)
}

/// Return the key of row *index* of *page*.
#[inline]
pub fn key_at(page: &[u8], index: usize) -> Result<&[u8], Damage> {
    let at = offset_at(page, index)?;
    let size = u16_at(page, at + 6)? as usize;
    page.get(at + NODE_OCTETS..at + NODE_OCTETS + size).ok_or(Damage("a key"))
}

#[inline]
fn node(page: &[u8], index: usize) -> Result<Node<'_>, Damage> {
    let at = u16_at(page, HEADER_OCTETS + 2 * index)? as usize;
    let size = u16_at(page, at)? as usize | (u16_at(page, at + 2)? as usize) << 16;
    let flags = u16_at(page, at + 4)?;
    let start = at + NODE_OCTETS;
    let end = start + u16_at(page, at + 6)? as usize;
    let key = page.get(start..end).ok_or(Damage("a key"))?;
    Ok(Node { flags, size, key, rest: &page[end..] })
}

/// Return the page below row *index* of the branch *page*.
#[inline]
pub fn child(page: &[u8], index: usize) -> Result<u64, Damage> {
    let at = u16_at(page, HEADER_OCTETS + 2 * index)? as usize;
    Ok(u64::from(u16_at(page, at)?)
        | u64::from(u16_at(page, at + 2)?) << 16
        | u64::from(u16_at(page, at + 4)?) << 32)
}

#[inline]
fn child_index(page: &[u8], count: usize, key: &[u8]) -> Result<usize, Damage> {
    // A branch without a second key: the search ends where it began.
    let (index, is_exact) = search(page, 1, count.max(1), key)?;
    Ok(if is_exact { index } else { index - 1 })
}

/// Return the index of the first key from *low* on that is not before *key*, and whether it is it.
#[inline]
fn search(page: &[u8], low: usize, count: usize, key: &[u8]) -> Result<(usize, bool), Damage> {
    let (mut low, mut high) = (low, count);
    while low < high {
        let middle = (low + high) / 2;
        match key_at(page, middle)?.cmp(key) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Ok((middle, true)),
        }
    }
    Ok((low, false))
}

fn row<'a>(pages: Pages<'a>, page: &'a [u8], index: usize) -> Result<Row<'a>, Damage> {
    Ok(Row { key: key_at(page, index)?, value: value(pages, page, index)? })
}

/// Return the value of row *index* of the leaf *page*.
#[inline]
pub fn value<'a>(pages: Pages<'a>, page: &'a [u8], index: usize) -> Result<&'a [u8], Damage> {
    let node = node(page, index)?;
    debug_assert!(node.key.len() <= page.len());
    if node.flags & (IN_OVERFLOW | DUPLICATES) == 0 {
        return node.rest.get(..node.size).ok_or(Damage("a value"));
    }
    if node.flags & DUPLICATES != 0 {
        return Err(Damage("a row with duplicates"));
    }
    let number = node.rest.get(..8).ok_or(Damage("a value"))?;
    let number = u64::from_le_bytes(number.try_into().map_err(|_| Damage("a value"))?);
    let first = pages.page(number)?;
    let end = HEADER_OCTETS + node.size;
    if u16_at(first, 10)? & KIND != OVERFLOW {
        return Err(Damage("the kind of a page"));
    }
    let run = pages.run(number, end.div_ceil(first.len()) as u64)?;
    run.get(HEADER_OCTETS..end).ok_or(Damage("a value"))
}
