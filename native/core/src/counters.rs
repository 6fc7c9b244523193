//! The counters of the worker's shared block, and the tally of one batch.
//!
//! `dns_node.metrics` says what each counts and where it stands; both sides meet by name.  A batch
//! is counted in memory of its own, and written to the block once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

macro_rules! counters {
    ($($variant:ident $name:literal,)*) => {
        /// What is counted here; `dns_node.metrics` says what each means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Counter { $($variant,)* }

        /// The names of the counters, in the order of `Counter`.
        pub const NAMES: &[&str] = &[$($name,)*];
    };
}

counters! {
    QueriesUdp "queries_udp",
    QueriesTcp "queries_tcp",
    QueriesIpv6 "queries_ipv6",
    RepliesUdp "replies_udp",
    RepliesTcp "replies_tcp",
    Dropped "dropped",
    Noerror "noerror",
    Formerr "formerr",
    Servfail "servfail",
    Nxdomain "nxdomain",
    Notimp "notimp",
    Refused "refused",
    OtherRcodes "other_rcodes",
    Truncated "truncated",
    Nodata "nodata",
    EdnsQueries "edns_queries",
    SendFailures "send_failures",
    Batches "batches",
    ReceivedOctets "received_octets",
    SentOctets "sent_octets",
    RateDropped "rate_dropped",
    RateSlipped "rate_slipped",
    RateNoted "rate_noted",
    CookieQueries "cookie_queries",
    CookieGood "cookie_good",
    Badcookie "badcookie",
    LatencySumUs "latency_sum_us",
    NativePunts "native_punts",
    NativePanics "native_panics",
    CacheHits "message_cache_hits",
    CacheMisses "message_cache_misses",
    RecursionQuestions "recursion_questions",
    RecursionInFlight "recursion_in_flight",
    RecursionAnswered "recursion_answered",
    RecursionNative "recursion_native",
    RecursionJoined "recursion_joined",
    RecursionOverWorker "recursion_over_worker",
    RecursionOverClient "recursion_over_client",
    RecursionOverName "recursion_over_name",
    UpstreamQueries "upstream_queries",
    UpstreamTimeouts "upstream_timeouts",
    UpstreamFailures "upstream_failures",
    UpstreamNearMisses "upstream_near_misses",
    ResolverInFlight "stage_resolver_in_flight",
    ResolverDone "stage_resolver_done",
    ResolverSumUs "stage_resolver_sum_us",
    Resolver10Us "stage_resolver_10us",
    Resolver100Us "stage_resolver_100us",
    Resolver1000Us "stage_resolver_1000us",
    Resolver10000Us "stage_resolver_10000us",
    Resolver100000Us "stage_resolver_100000us",
    Resolver1000000Us "stage_resolver_1000000us",
    Resolver10000000Us "stage_resolver_10000000us",
    ResolverOver "stage_resolver_over",
    ListenerDone "stage_listener_done",
    ListenerSumUs "stage_listener_sum_us",
    Listener10Us "stage_listener_10us",
    Listener100Us "stage_listener_100us",
    Listener1000Us "stage_listener_1000us",
    Listener10000Us "stage_listener_10000us",
    Listener100000Us "stage_listener_100000us",
    Listener1000000Us "stage_listener_1000000us",
    Listener10000000Us "stage_listener_10000000us",
    ListenerOver "stage_listener_over",
    ZoneManagerDone "stage_zone_manager_done",
    ZoneManagerSumUs "stage_zone_manager_sum_us",
    ZoneManager10Us "stage_zone_manager_10us",
    ZoneManager100Us "stage_zone_manager_100us",
    ZoneManager1000Us "stage_zone_manager_1000us",
    ZoneManager10000Us "stage_zone_manager_10000us",
    ZoneManager100000Us "stage_zone_manager_100000us",
    ZoneManager1000000Us "stage_zone_manager_1000000us",
    ZoneManager10000000Us "stage_zone_manager_10000000us",
    ZoneManagerOver "stage_zone_manager_over",
    SenderDone "stage_sender_done",
    SenderSumUs "stage_sender_sum_us",
    Sender10Us "stage_sender_10us",
    Sender100Us "stage_sender_100us",
    Sender1000Us "stage_sender_1000us",
    Sender10000Us "stage_sender_10000us",
    Sender100000Us "stage_sender_100000us",
    Sender1000000Us "stage_sender_1000000us",
    Sender10000000Us "stage_sender_10000000us",
    SenderOver "stage_sender_over",
}

const COUNT: usize = NAMES.len();

/// The upper bounds of the latency histogram's buckets; what took longer is in one bucket more.
pub const LATENCY_BOUNDS_US: [u64; 40] = latency_bounds_us();

/// The number of the latency histogram's buckets.
pub const BUCKETS: usize = LATENCY_BOUNDS_US.len() + 1;

/// 1, 2, 3, 4, 6, 8, 12, 16, ...: two steps to every doubling.
const fn latency_bounds_us() -> [u64; 40] {
    let mut bounds = [1; 40];
    let mut number = 1;
    while number < bounds.len() {
        bounds[number] = if number % 2 == 1 { 2 << (number / 2) } else { 3 << (number / 2 - 1) };
        number += 1;
    }
    bounds
}

/// The upper bounds of a stage's histogram; what took longer is in one bucket more.
const STAGE_BOUNDS_US: [u64; 7] = [10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

/// What one batch counted.
#[derive(Clone, Debug)]
pub struct Tally {
    numbers: [u64; COUNT],
}

impl Default for Tally {
    fn default() -> Self {
        Tally { numbers: [0; COUNT] }
    }
}

impl Tally {
    /// Count *number* more of *counter*.
    #[inline]
    pub fn add(&mut self, counter: Counter, number: usize) {
        self.numbers[counter as usize] += number as u64;
    }

    /// Count *number* that went through a stage in *took* each.  *done* is the first of the stage's
    /// counters; the sum and the histogram are those behind it.
    pub fn add_stage(&mut self, done: Counter, number: usize, took: Duration) {
        let (number, took_us) = (number as u64, took.as_micros() as u64);
        let bucket = STAGE_BOUNDS_US.partition_point(|&bound_us| bound_us < took_us);
        let stage = &mut self.numbers[done as usize..][..3 + STAGE_BOUNDS_US.len()];
        stage[0] += number;
        stage[1] += took_us * number;
        stage[2 + bucket] += number;
    }

    /// Count *number* questions that were resolved in *took* each.
    pub fn add_resolved(&mut self, number: usize, took: Duration) {
        self.add_stage(Counter::ResolverDone, number, took);
        for counter in
            [Counter::RecursionQuestions, Counter::RecursionAnswered, Counter::RecursionNative]
        {
            self.add(counter, number);
        }
    }

    /// Count *number* fewer of *counter*, which says how many there are.
    pub fn remove(&mut self, counter: Counter, number: usize) {
        let sum = &mut self.numbers[counter as usize];
        *sum = sum.wrapping_sub(number as u64);
    }

    /// How many of *counter* were counted.
    pub fn count_of(&self, counter: Counter) -> u64 {
        self.numbers[counter as usize]
    }

    /// Count the reply to *query* as `dns_node.net.answering` does.
    #[inline]
    pub fn add_reply(&mut self, query: &[u8], reply: &[u8]) {
        if reply[10..12] != [0, 0] && query[10..12] != [0, 0] {
            self.add(Counter::EdnsQueries, 1);
        }
        let rcode = reply[3] & 15;
        self.add(
            match rcode {
                0 => Counter::Noerror,
                1 => Counter::Formerr,
                2 => Counter::Servfail,
                3 => Counter::Nxdomain,
                4 => Counter::Notimp,
                5 => Counter::Refused,
                7 => Counter::Badcookie, // the low four bits of 23
                _ => Counter::OtherRcodes,
            },
            1,
        );
        if reply[2] & 2 != 0 {
            self.add(Counter::Truncated, 1);
        } else if rcode == 0 && reply[6..8] == [0, 0] {
            self.add(Counter::Nodata, 1);
        }
        self.add(Counter::SentOctets, reply.len());
    }
}

/// Where the counters stand in a block.
#[derive(Clone, Debug)]
pub struct Places {
    counters: [usize; COUNT],
    first_bucket: usize,
}

impl Places {
    /// Find the counters among the *names* of a block, whose histogram begins with the name
    /// *first_bucket*; the error is a name that is missing.
    pub fn find(names: &[String], first_bucket: &str) -> Result<Places, String> {
        let place = |wanted: &str| {
            names.iter().position(|name| name == wanted).ok_or_else(|| wanted.to_string())
        };
        let mut counters = [0; COUNT];
        for (number, name) in NAMES.iter().enumerate() {
            counters[number] = place(name)?;
        }
        let first_bucket = place(first_bucket)?;
        if first_bucket + BUCKETS > names.len() {
            return Err("the buckets of the histogram".to_string());
        }
        Ok(Places { counters, first_bucket })
    }

    /// The places of a block that nobody else reads.
    pub fn private() -> Places {
        let mut counters = [0; COUNT];
        for (number, place) in counters.iter_mut().enumerate() {
            *place = number;
        }
        Places { counters, first_bucket: COUNT }
    }

    /// The size of the block that `private` is about.
    pub const PRIVATE_SIZE: usize = COUNT + BUCKETS;

    /// Write *tally* to *block*, which has a number for every name.
    pub fn write(&self, tally: &Tally, block: &[AtomicU64]) {
        for (&place, &number) in self.counters.iter().zip(&tally.numbers) {
            if number != 0 {
                add(&block[place], number);
            }
        }
    }

    /// Count *number* replies that took *latency* in the histogram of *block*.
    pub fn write_latency(&self, latency: Duration, number: usize, block: &[AtomicU64]) {
        let latency_us = latency.as_nanos().div_ceil(1000) as u64;
        let bucket = LATENCY_BOUNDS_US.partition_point(|&bound_us| bound_us < latency_us);
        add(&block[self.first_bucket + bucket], number as u64);
        add(&block[self.counters[Counter::LatencySumUs as usize]], latency_us * number as u64);
    }
}

/// Add without a lock: a block has one writer.
#[inline]
fn add(cell: &AtomicU64, number: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
}
