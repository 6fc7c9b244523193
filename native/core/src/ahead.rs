//! The names of a batch, sought together.
//!
//! The leaves of a large store are in no cache of the processor, and a binary search waits for
//! memory at each of its steps.  So the searches for all names of a batch take their steps in
//! turn: each has the processor fetch what it reads next, and the others go on meanwhile.  What
//! comes of a search is a guess where the name is, which `Snapshot` holds against the row there
//! before it takes it.  So nothing depends on a name being sought ahead, nor on it being found.

use crate::guess::Guess;
use crate::pages::{Damage, Pages, Tree};
use crate::query::HEADER_SIZE_OCTETS;
use crate::socket::BATCH_SIZE_MAX;

/// A name with a longer key is not sought ahead.
const KEY_OCTETS_MAX: usize = 64;
/// Nor is one with more labels.
const LABELS_MAX: usize = 12;
/// Octets before an owner key, for the number of the zone.
const PREFIX_OCTETS: usize = 4;

/// The guesses for one batch.
pub struct Ahead<'a> {
    guesses: [Option<Guess<'a>>; BATCH_SIZE_MAX],
}

impl<'a> Ahead<'a> {
    /// Seek in *names* what *queries* ask for, as far as it is below the apex with *zone_key* in
    /// the zone with this number; of the keys those that *is_worth_it* says.
    pub fn seek<'q>(
        pages: Pages<'a>,
        names: &Tree,
        zone_key: &[u8],
        zone_id: u32,
        queries: impl Iterator<Item = &'q [u8]>,
        is_worth_it: impl Fn(&[u8]) -> bool,
    ) -> Ahead<'a> {
        let mut ahead = Ahead { guesses: [None; BATCH_SIZE_MAX] };
        let mut searches = [Search::NONE; BATCH_SIZE_MAX];
        let mut count = 0;
        for (number, query) in queries.take(BATCH_SIZE_MAX).enumerate() {
            let search = &mut searches[count];
            if search.ask(query) && search.zone_key().starts_with(zone_key) {
                search.number = number;
                search.key[..PREFIX_OCTETS].copy_from_slice(&zone_id.to_be_bytes());
                if !is_worth_it(search.key()) {
                    continue;
                }
                search.guess = names.first_guess(pages, search.key()).ok();
                count += usize::from(search.guess.is_some());
            }
        }
        let mut is_over = false;
        while !is_over {
            is_over = true;
            for search in &mut searches[..count] {
                // Who seeks it for an answer will complain of damage.
                is_over &= search.go_on(pages).unwrap_or(true);
            }
        }
        for search in &searches[..count] {
            ahead.guesses[search.number] = search.guess;
        }
        ahead
    }

    /// Return where query *number* may find its name.
    #[inline]
    pub fn guess(&self, number: usize) -> Option<Guess<'a>> {
        self.guesses.get(number).copied().flatten()
    }
}

/// The search for one name.
#[derive(Clone, Copy)]
struct Search<'a> {
    key: [u8; KEY_OCTETS_MAX],
    key_size: usize,
    /// Which query it is for.
    number: usize,
    guess: Option<Guess<'a>>,
}

impl<'a> Search<'a> {
    const NONE: Search<'static> =
        Search { key: [0; KEY_OCTETS_MAX], key_size: 0, number: 0, guess: None };

    fn key(&self) -> &[u8] {
        &self.key[..self.key_size]
    }

    fn zone_key(&self) -> &[u8] {
        &self.key[PREFIX_OCTETS - 1..self.key_size]
    }

    /// Take the key of the name that *query* asks for; false when it is none to seek ahead.
    fn ask(&mut self, query: &[u8]) -> bool {
        let mut starts = [0; LABELS_MAX];
        let (mut at, mut labels) = (HEADER_SIZE_OCTETS, 0);
        loop {
            let Some(&size) = query.get(at) else { return false };
            if size == 0 {
                break;
            }
            if size > 63 || labels == LABELS_MAX {
                return false;
            }
            starts[labels] = at;
            labels += 1;
            at += 1 + usize::from(size);
        }
        self.key_size = PREFIX_OCTETS + at - HEADER_SIZE_OCTETS;
        if self.key_size > KEY_OCTETS_MAX {
            return false;
        }
        self.key[PREFIX_OCTETS - 1] = 0;
        let mut end = PREFIX_OCTETS;
        for &start in starts[..labels].iter().rev() {
            let label = &query[start + 1..=start + usize::from(query[start])];
            for (to, octet) in self.key[end..].iter_mut().zip(label) {
                if *octet <= 1 {
                    return false; // these have two octets in a key
                }
                *to = octet.to_ascii_lowercase();
            }
            end += label.len();
            self.key[end] = 0;
            end += 1;
        }
        true
    }

    /// Take two steps; true when there are no more.
    #[inline]
    fn go_on(&mut self, pages: Pages<'a>) -> Result<bool, Damage> {
        let key = &self.key[..self.key_size];
        let Some(guess) = &mut self.guess else { return Ok(true) };
        guess.go_on(pages, key)
    }
}

#[cfg(test)]
mod tests;
