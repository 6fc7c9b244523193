//! Response rate limiting (`dns_node.answer.rate_limit` says what is counted and how).

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip::SipHasher24;

use crate::access::Networks;
use crate::shared_block::{Notice, SharedBlock, CELLS};

const CELLS_PER_ROW: usize = 8;
const ROWS: u64 = (CELLS / CELLS_PER_ROW) as u64;
const WINDOW_US: u64 = 1_000_000;
const LACK_US_MAX: u64 = 2 * WINDOW_US;
const TIME_BITS: u64 = (1 << 40) - 1;
const IS_LIMITED: u64 = 1 << 43;

/// How often a cell that others change at the same moment is tried; then the answer goes out
/// uncounted.
const ATTEMPTS: usize = 8;

/// What an answer is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Records that were asked for.
    Answer = 0,
    /// The name exists, the type does not.
    NoData = 1,
    /// The name does not exist.
    NxDomain = 2,
    /// A delegation.
    Referral = 3,
    /// Everything without data.
    Error = 4,
    /// An error to a port that may answer it.
    Echo = 5,
}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// Send it.
    Send = 0,
    /// Send a short reply in its place.
    Slip = 1,
    /// Send nothing.
    Drop = 2,
    /// Send it, since limits are only logged.
    Note = 3,
}

/// What is done about answers beyond the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are dropped or replaced.
    On,
    /// They are counted.
    Log,
    /// Nothing is counted.
    Off,
}

/// The limits in force (`RateLimits`).
#[derive(Clone, Debug)]
pub struct RateLimits {
    /// Whether answers are limited.
    pub mode: Mode,
    /// Equal answers per second for one netblock; 0: no limit.
    pub answers_per_s: u32,
    /// Errors per second for one netblock; 0: no limit.
    pub errors_per_s: u32,
    /// Each how-manieth limited answer is replaced; 0: none.
    pub slip: u32,
    /// The prefix length of netblocks of IPv4.
    pub ipv4_prefix: u32,
    /// The prefix length of netblocks of IPv6.
    pub ipv6_prefix: u32,
    /// Who has no limits.
    pub exempt: Networks,
}

impl RateLimits {
    /// No limits.
    pub fn off() -> Self {
        RateLimits {
            mode: Mode::Off,
            answers_per_s: 0,
            errors_per_s: 0,
            slip: 0,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            exempt: Networks::default(),
        }
    }

    /// Say what to do with an answer of *kind* about *subject* (a wire name in lower case) that is
    /// sent to *address* and *port* over UDP without a good cookie, by the accounts in *block*;
    /// *now_us* is the clock that all workers share.
    pub fn judge(
        &self,
        block: &SharedBlock<'_>,
        address: IpAddr,
        port: u16,
        kind: Kind,
        subject: &[u8],
        now_us: u64,
    ) -> Verdict {
        if self.mode == Mode::Off || self.exempt.lists(address) {
            return Verdict::Send;
        }
        let (mut kind, mut rate_per_s, mut slip) = (kind, self.answers_per_s, self.slip);
        if kind == Kind::Error {
            (rate_per_s, slip) = (self.errors_per_s, 0);
            if matches!(port, 7 | 13 | 17 | 19 | 37 | 53) {
                (kind, rate_per_s) = (Kind::Echo, 1);
            }
        }
        if rate_per_s == 0 {
            return Verdict::Send;
        }
        let netblock = Netblock::of(address, self.ipv4_prefix, self.ipv6_prefix);
        let account = hash_account(block.hash_key(), netblock.octets(), kind, subject);
        let (verdict, is_first) = charge(block.cells(), account, now_us, rate_per_s, slip);
        if verdict == Verdict::Send {
            return verdict;
        }
        let is_only_logged = self.mode == Mode::Log;
        if is_first {
            let netblock = netblock.octets();
            block.put_notice(&Notice { kind: kind as u8, is_only_logged, netblock, name: subject });
        }
        if is_only_logged {
            Verdict::Note
        } else {
            verdict
        }
    }
}

/// An address with all bits after its family's prefix 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netblock {
    octets: [u8; 16],
    size: usize,
}

impl Netblock {
    /// The netblock of *address*; an IPv4-mapped IPv6 address is the IPv4 address.
    pub fn of(address: IpAddr, ipv4_prefix: u32, ipv6_prefix: u32) -> Self {
        let mut octets = [0; 16];
        let size = match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = !u32::MAX.checked_shr(ipv4_prefix).unwrap_or(0);
                octets[..4].copy_from_slice(&(u32::from(address) & mask).to_be_bytes());
                4
            }
            IpAddr::V6(address) => {
                let mask = !u128::MAX.checked_shr(ipv6_prefix).unwrap_or(0);
                octets.copy_from_slice(&(u128::from(address) & mask).to_be_bytes());
                16
            }
        };
        Netblock { octets, size }
    }

    /// Its 4 or 16 octets.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.size]
    }
}

/// The 64-bit number of an account.
pub fn hash_account(hash_key: &[u8; 16], netblock: &[u8], kind: Kind, subject: &[u8]) -> u64 {
    // Hashed at once: a hasher that is fed in parts costs twice as much.
    let mut octets = [0; 1 + 16 + 1 + 255];
    let mut size = 1;
    octets[0] = netblock.len() as u8;
    octets[size..size + netblock.len()].copy_from_slice(netblock);
    size += netblock.len();
    octets[size] = kind as u8;
    size += 1;
    octets[size..size + subject.len()].copy_from_slice(subject);
    size += subject.len();
    let mut hasher = SipHasher24::new_with_key(hash_key);
    hasher.write(&octets[..size]);
    hasher.finish()
}

/// Take one answer from the bucket of *account*; say Send, Slip or Drop, and whether this is the
/// first that is limited since the bucket was full.
pub fn charge(
    cells: &[AtomicU64],
    account: u64,
    now_us: u64,
    rate_per_s: u32,
    slip: u32,
) -> (Verdict, bool) {
    let row = (account % ROWS) as usize * CELLS_PER_ROW;
    let row = &cells[row..row + CELLS_PER_ROW];
    let now_us = now_us & TIME_BITS;
    for _ in 0..ATTEMPTS {
        let (place, seen, cell, missing_us) = find(row, account >> 44, now_us);
        let (fresh, verdict, is_first) = decide(cell, missing_us, now_us, rate_per_s, slip);
        let order = Ordering::Relaxed;
        if row[place].compare_exchange(seen, fresh, order, order).is_ok() {
            return (verdict, is_first);
        }
    }
    (Verdict::Send, false)
}

/// The place of the account, what stands there, the account's cell, and what its bucket lacks.
#[inline]
fn find(row: &[AtomicU64], tag: u64, now_us: u64) -> (usize, u64, u64, u64) {
    let (mut oldest, mut oldest_cell, mut least_us) = (0, 0, LACK_US_MAX + 1);
    for (place, cell) in row.iter().enumerate() {
        let cell = cell.load(Ordering::Relaxed);
        let mut missing_us = cell.wrapping_sub(now_us) & TIME_BITS;
        if missing_us > LACK_US_MAX {
            missing_us = 0; // the bucket has been full since
        }
        if missing_us != 0 && cell >> 44 == tag {
            return (place, cell, cell, missing_us);
        }
        if missing_us < least_us {
            (oldest, oldest_cell, least_us) = (place, cell, missing_us);
        }
    }
    (oldest, oldest_cell, tag << 44, 0)
}

#[inline]
fn decide(
    cell: u64,
    missing_us: u64,
    now_us: u64,
    rate_per_s: u32,
    slip: u32,
) -> (u64, Verdict, bool) {
    let each_us = WINDOW_US / u64::from(rate_per_s);
    if missing_us + each_us <= WINDOW_US {
        let full_at_us = (now_us + missing_us + each_us) & TIME_BITS;
        return (cell & !TIME_BITS | full_at_us, Verdict::Send, false);
    }
    let is_first = cell & IS_LIMITED == 0;
    let number = cell >> 40 & 7;
    let mut fresh = cell;
    if slip != 0 {
        fresh = cell & !(7 << 40) | (((number + 1) % u64::from(slip)) << 40);
    }
    let verdict = if slip != 0 && number == 0 { Verdict::Slip } else { Verdict::Drop };
    (fresh | IS_LIMITED, verdict, is_first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Vec<AtomicU64> {
        (0..CELLS).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn of_answers_at_the_same_moment_in_many_threads_each_one_counts() {
        let cells = cells();
        let sent_by_one =
            || (0..500).filter(|_| charge(&cells, 7, 0, 200, 2).0 == Verdict::Send).count();
        let sent: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(sent_by_one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // Only one that loses eight races in a row goes out uncounted.
        assert!((200..=202).contains(&sent), "{sent}");
    }

    #[test]
    fn a_bucket_holds_one_second_and_fills_at_the_rate() {
        let cells = cells();
        let now_us = TIME_BITS - 300_000; // the clock's bits wrap on the way
        let sent = |now_us, count| {
            let account = 0xABC << 44 | 7;
            (0..count).filter(|_| charge(&cells, account, now_us, 10, 2).0 == Verdict::Send).count()
        };
        assert_eq!(sent(now_us, 100), 10);
        assert_eq!(sent(now_us + 500_000, 100), 5);
        assert_eq!(sent(now_us + 5_000_000, 100), 10);
    }

    #[test]
    fn netblocks_are_cut_at_the_prefix() {
        let block = |text: &str| Netblock::of(text.parse().unwrap(), 24, 56);
        assert_eq!(block("192.0.2.77").octets(), [192, 0, 2, 0]);
        assert_eq!(block("::ffff:192.0.2.77"), block("192.0.2.1"));
        assert_eq!(block("2001:db8:0:12ff::1"), block("2001:db8:0:1200::"));
        assert_ne!(block("2001:db8:0:1300::1"), block("2001:db8:0:1200::"));
    }
}
