//! The block of memory that a node's processes share (`dns_node.answer.shared_block` says what
//! stands where).

use std::sync::atomic::{fence, AtomicU64, Ordering};

use crate::cookies::{CookieSecrets, SECRETS_MAX};

/// The number of the accounts' cells.
pub const CELLS: usize = 1 << 18;

const FORMAT: u64 = 1;
const CELLS_AT: usize = 4096 / 8;
const AREAS_AT: usize = CELLS_AT + CELLS;
const AREA_SIZE: usize = 122_880 / 8;
const NOTICES_AT: usize = 64 / 8;
const NOTICES: u64 = 64;
const NOTICE_SIZE_OCTETS: usize = 288;
const QUESTIONS_AT: usize = 53_248 / 8;
const CLIENTS_AT: usize = 57_344 / 8;
const NAMES_AT: usize = 90_112 / 8;
const SECRETS_AT: usize = 64 / 8;
const SECRET_SIZE: usize = 4;

/// The places of each table of questions.
pub const QUESTION_SLOTS: usize = 16_384;

/// A table of the questions that are being resolved.
#[derive(Clone, Copy, Debug)]
pub enum Table {
    /// By client.
    Clients = CLIENTS_AT as isize,
    /// By what is asked.
    Names = NAMES_AT as isize,
}

/// One worker's view of the block, of which every number may change at any time.
#[derive(Clone, Copy, Debug)]
pub struct SharedBlock<'m> {
    numbers: &'m [AtomicU64],
    hash_key: [u8; 16],
    worker: usize,
}

/// What began to be limited, or would have been.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// The kind of the answers.
    pub kind: u8,
    /// Whether limits are only logged.
    pub is_only_logged: bool,
    /// The 4 or 16 octets of the clients' netblock.
    pub netblock: &'a [u8],
    /// The name that the answers are about.
    pub name: &'a [u8],
}

impl<'m> SharedBlock<'m> {
    /// The block in *numbers*, whose area *worker* is written here; None when it has another
    /// format or no such area.
    pub fn new(numbers: &'m [AtomicU64], worker: usize) -> Option<Self> {
        if numbers.len() < AREAS_AT + (worker + 1) * AREA_SIZE {
            return None;
        }
        if numbers[0].load(Ordering::Relaxed) != FORMAT {
            return None;
        }
        let mut hash_key = [0; 16];
        hash_key[..8].copy_from_slice(&numbers[1].load(Ordering::Relaxed).to_le_bytes());
        hash_key[8..].copy_from_slice(&numbers[2].load(Ordering::Relaxed).to_le_bytes());
        Some(SharedBlock { numbers, hash_key, worker })
    }

    /// The key of the accounts' hashes.
    #[inline]
    pub fn hash_key(&self) -> &[u8; 16] {
        &self.hash_key
    }

    /// The accounts.
    #[inline]
    pub fn cells(&self) -> &'m [AtomicU64] {
        &self.numbers[CELLS_AT..AREAS_AT]
    }

    /// Write *notice* into this worker's ring, over the oldest.
    pub fn put_notice(&self, notice: &Notice<'_>) {
        let mut octets = [0; NOTICE_SIZE_OCTETS];
        octets[8] = notice.kind;
        octets[9] = u8::from(notice.is_only_logged);
        octets[10] = notice.netblock.len() as u8;
        octets[11] = notice.name.len() as u8;
        octets[12..12 + notice.netblock.len()].copy_from_slice(notice.netblock);
        octets[28..28 + notice.name.len()].copy_from_slice(notice.name);
        let area = self.area();
        let number = self.numbers[area].load(Ordering::Relaxed) + 1;
        let at = area + NOTICES_AT + (number % NOTICES) as usize * (NOTICE_SIZE_OCTETS / 8);
        let place = &self.numbers[at..at + NOTICE_SIZE_OCTETS / 8];
        place[0].store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        for (cell, part) in place.iter().zip(octets.chunks_exact(8)).skip(1) {
            cell.store(le_number(part), Ordering::Relaxed);
        }
        // The number last: a reader that sees it sees the notice.
        place[0].store(number, Ordering::Release);
        self.numbers[area].store(number, Ordering::Release);
    }

    /// How many questions this worker resolves.
    pub fn questions(&self) -> u64 {
        self.numbers[self.area() + QUESTIONS_AT].load(Ordering::Relaxed)
    }

    /// Count so many more.
    pub fn add_questions(&self, number: i64) {
        let cell = &self.numbers[self.area() + QUESTIONS_AT];
        // Without a lock: an area has one writer.
        let now = cell.load(Ordering::Relaxed).wrapping_add_signed(number);
        cell.store(now, Ordering::Relaxed);
    }

    /// What all workers have in one place of *table*, together.
    pub fn sum(&self, table: Table, slot: usize) -> u64 {
        let workers = (self.numbers.len() - AREAS_AT) / AREA_SIZE;
        let at = AREAS_AT + table as usize + slot / 4;
        (0..workers)
            .map(|worker| self.numbers[at + worker * AREA_SIZE].load(Ordering::Relaxed))
            .map(|four| four >> (slot % 4 * 16) & 0xFFFF)
            .sum()
    }

    /// Add *number* to this worker's place of *table*.
    pub fn add(&self, table: Table, slot: usize, number: i16) {
        let cell = &self.numbers[self.area() + table as usize + slot / 4];
        let (shift, four) = (slot % 4 * 16, cell.load(Ordering::Relaxed));
        let fresh = u64::from(((four >> shift) as u16).wrapping_add_signed(number));
        let now = four & !(0xFFFF << shift) | fresh << shift;
        cell.store(now, Ordering::Relaxed);
    }

    fn area(&self) -> usize {
        AREAS_AT + self.worker * AREA_SIZE
    }

    /// A number that changes whenever the secrets do.
    #[inline]
    pub fn secrets_version(&self) -> u64 {
        self.numbers[SECRETS_AT].load(Ordering::Acquire)
    }

    /// What cookies are made with and checked by at *now_s*, and until when (Unix time, s); None
    /// while the secrets are being replaced.
    pub fn secrets_at(&self, now_s: u64) -> Option<(CookieSecrets, u64)> {
        let version = self.secrets_version();
        let count = self.numbers[SECRETS_AT + 1].load(Ordering::Relaxed) as usize;
        if version & 1 == 1 || count > SECRETS_MAX {
            return None;
        }
        let mut secrets = [TimedSecret::default(); SECRETS_MAX];
        for (number, secret) in secrets[..count].iter_mut().enumerate() {
            let at = SECRETS_AT + 2 + number * SECRET_SIZE;
            let part = |place: usize| self.numbers[at + place].load(Ordering::Relaxed);
            *secret =
                TimedSecret { used_from_s: part(0), accepted_until_s: part(1), secret: [0; 16] };
            secret.secret[..8].copy_from_slice(&part(2).to_le_bytes());
            secret.secret[8..].copy_from_slice(&part(3).to_le_bytes());
        }
        fence(Ordering::Acquire);
        (self.numbers[SECRETS_AT].load(Ordering::Relaxed) == version)
            .then(|| choose(&secrets[..count], now_s))
    }
}

/// A secret of cookies: from when it makes them, until when they are good (Unix time, s).
#[derive(Clone, Copy, Debug, Default)]
struct TimedSecret {
    used_from_s: u64,
    accepted_until_s: u64,
    secret: [u8; 16],
}

/// Of the secrets whose time to make has come the latest, or else the first to come, makes
/// cookies; the others are good until their end.
fn choose(secrets: &[TimedSecret], now_s: u64) -> (CookieSecrets, u64) {
    let times = secrets.iter().flat_map(|one| [one.used_from_s, one.accepted_until_s]);
    let change_s = times.filter(|&at_s| at_s > now_s).min().unwrap_or(u64::MAX);
    let is_good = |one: &TimedSecret| now_s < one.accepted_until_s;
    let mut making: Option<usize> = None;
    for (number, one) in secrets.iter().enumerate().filter(|(_, one)| is_good(one)) {
        let has_begun = one.used_from_s <= now_s;
        making = match making {
            None => Some(number),
            Some(before) => {
                let before_s = secrets[before].used_from_s;
                let is_better = if has_begun {
                    before_s > now_s || one.used_from_s > before_s
                } else {
                    before_s > now_s && one.used_from_s < before_s
                };
                Some(if is_better { number } else { before })
            }
        };
    }
    let Some(making) = making else { return (CookieSecrets::default(), change_s) };
    let mut others = [[0; 16]; SECRETS_MAX];
    let mut count = 0;
    for (number, one) in secrets.iter().enumerate() {
        if number != making && is_good(one) {
            others[count] = one.secret;
            count += 1;
        }
    }
    (CookieSecrets::new(secrets[making].secret, &others[..count]), change_s)
}

fn le_number(octets: &[u8]) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(octets);
    u64::from_le_bytes(number)
}
