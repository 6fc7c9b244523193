//! A search in a tree that takes its steps one by one, so that others have theirs in between.

use std::cmp::Ordering;

use crate::pages::{child, count, is_leaf, key_at, offset_at, Damage, Pages};
use crate::store::fetch;

const CACHE_LINE_OCTETS: usize = 64;

/// Steps that are taken at once; what they may read was fetched before.
const STEPS: usize = 2;

/// A page and the range of its rows where a key is, or would be.
#[derive(Clone, Copy)]
pub struct Guess<'a> {
    page: &'a [u8],
    low: usize,
    high: usize,
    /// Levels of the tree below the page.
    levels: u16,
    is_entered: bool,
}

impl<'a> Guess<'a> {
    /// Begin at *page*, which has *levels* of the tree below it.
    #[inline]
    pub fn at(page: &'a [u8], levels: u16) -> Guess<'a> {
        // The header and the first offsets.
        for line in 0..3 {
            fetch(page, line * CACHE_LINE_OCTETS);
        }
        Guess { page, low: 0, high: 0, levels, is_entered: false }
    }

    /// The leaf and the row in it that may have the key, or come next behind it.
    #[inline]
    pub fn row(&self) -> (&'a [u8], usize) {
        (self.page, self.low)
    }

    /// Go on with the search for *key*; true when it is over.
    #[inline]
    pub fn go_on(&mut self, pages: Pages<'a>, key: &[u8]) -> Result<bool, Damage> {
        if !self.is_entered {
            if is_leaf(self.page)? != (self.levels == 0) {
                return Err(Damage("the height of a tree"));
            }
            self.is_entered = true;
            // The first key of a branch stands for one before all.
            self.low = usize::from(self.levels > 0);
            self.high = count(self.page)?;
        } else {
            for _ in 0..STEPS {
                self.step(key)?;
            }
        }
        if self.low < self.high {
            self.fetch_next()?;
            return Ok(false);
        }
        if self.levels == 0 {
            return Ok(true);
        }
        *self = Guess::at(pages.page(child(self.page, self.low - 1)?)?, self.levels - 1);
        Ok(false)
    }

    #[inline]
    fn step(&mut self, key: &[u8]) -> Result<(), Damage> {
        if self.low < self.high {
            let middle = (self.low + self.high) / 2;
            let order = key_at(self.page, middle)?.cmp(key);
            // The rows from a branch's key on are below it.
            let is_before = order == Ordering::Less || (self.levels > 0 && order.is_eq());
            if is_before {
                self.low = middle + 1;
            } else {
                self.high = middle;
            }
        }
        Ok(())
    }

    /// Have the keys of the next steps fetched.
    #[inline]
    fn fetch_next(&self) -> Result<(), Damage> {
        let middle = (self.low + self.high) / 2;
        fetch(self.page, offset_at(self.page, middle)?);
        fetch(self.page, offset_at(self.page, (self.low + middle) / 2)?);
        if middle + 1 < self.high {
            fetch(self.page, offset_at(self.page, (middle + 1 + self.high) / 2)?);
        }
        Ok(())
    }
}
