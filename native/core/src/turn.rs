//! One turn's answers, in one revision of the store: from the zones or the message cache, judged by
//! the limits, counted; the twin of `dns_node.net.answering`.

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::ahead::Ahead;
use crate::cookies::{answer_cookie, COOKIES_SIZE_OCTETS};
use crate::counters::{Counter, Tally};
use crate::edns::{payload_size_octets_max, Opt};
use crate::kept_reply::{Asked, Key};
use crate::message_cache::MessageCache;
use crate::outbox::ReturnAddress;
use crate::query::{is_cookie, Query, NOERROR, QUERY};
use crate::rate::{RateLimits, Verdict};
use crate::recursion::admission::{release, Excess};
use crate::recursion::asks::Waiter;
use crate::recursion::{Begun, Misses};
use crate::respond::{respond_limited, Client, Decision, Facts, Scratch, Settings};
use crate::shared_block::SharedBlock;
use crate::snapshot::Snapshot;

const CD: u16 = 0x0010;

/// What answers a query: `respond`, and other things in tests.
pub type Responder =
    fn(&[u8], Option<&Snapshot<'_>>, &Client, f64, &Settings, &mut Scratch, &mut [u8]) -> Decision;

/// The limits of answers over UDP, and where they are kept.
pub struct Limiter {
    /// The limits in force.
    pub limits: RateLimits,
    /// The memory that all workers share; None: nothing is limited.
    pub block: Option<SharedBlock<'static>>,
}

/// Replies to questions that were resolved for a client.
pub struct Kept {
    /// The message cache.
    pub cache: MessageCache,
    /// Some of those whose replies came without Python since it asked last, in the same form.
    pub learnt: Vec<Vec<u8>>,
    /// Questions whose replies are due for a refresh: name in lower case, type, class, and an octet
    /// of DO (1) and CD (2).
    pub due: Vec<Vec<u8>>,
}

/// When a turn is: Unix time, and microseconds of the clock that all workers share.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Unix time.
    pub s: f64,
    /// The clock of the limits.
    pub us: u64,
}

/// A turn: everything an answer needs.
pub struct Turn<'a> {
    pub(crate) responder: Responder,
    pub(crate) settings: &'a Settings,
    pub(crate) view: Option<Snapshot<'a>>,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) kept: &'a mut Kept,
    pub(crate) limiter: &'a Limiter,
    pub(crate) tally: &'a mut Tally,
    pub(crate) now: Now,
    /// What may be asked without more ado; None for queries that can't be answered later.
    pub(crate) misses: Option<&'a mut Misses>,
    /// The place of the client that waits since the last `Decision::Wait`.
    pub(crate) waiter: u32,
}

impl<'a> Turn<'a> {
    /// Answer *query* into *room*, and count it, unless it is handed up.
    #[inline]
    pub fn answer(&mut self, query: &[u8], client: &Client, room: &mut [u8]) -> Decision {
        let work = || self.answer_or_panic(query, client, room);
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            // What it worked in may be in any state.
            *self.scratch = Scratch::default();
            self.tally.add(Counter::NativePanics, 1);
            Decision::Punt
        })
    }

    /// Find the names of *queries* together, before each is answered; None when that is of no use.
    pub fn seek_ahead<'q>(&mut self, queries: impl Iterator<Item = &'q [u8]>) -> Option<Ahead<'a>> {
        let view = self.view.as_ref()?;
        catch_unwind(AssertUnwindSafe(|| view.seek_ahead(queries))).unwrap_or_else(|_| {
            self.tally.add(Counter::NativePanics, 1);
            None
        })
    }

    fn answer_or_panic(&mut self, query: &[u8], client: &Client, room: &mut [u8]) -> Decision {
        let (responder, view, settings) = (self.responder, self.view.as_ref(), self.settings);
        let (scratch, now_s) = (&mut *self.scratch, self.now.s);
        let mut decision = responder(query, view, client, now_s, settings, scratch, room);
        if decision == Decision::Punt && self.scratch.is_to_resolve {
            decision = self.find_kept(query, client, room);
        } else if !client.is_tcp {
            let Some(limited) = self.limit(decision, query, client, room) else {
                self.count_query(query, client);
                return Decision::Drop;
            };
            decision = limited;
        }
        match decision {
            Decision::Punt | Decision::Wait => return decision,
            Decision::Drop => self.tally.add(Counter::Dropped, 1),
            Decision::Reply(size) => {
                self.tally.add_reply(query, &room[..size]);
                self.count_cookie(self.scratch.facts());
            }
        }
        self.count_query(query, client);
        decision
    }

    /// Remember how the client of the last `Decision::Wait` is reached.
    pub(crate) fn keep_waiter(&mut self, back: ReturnAddress) {
        if let Some(misses) = &mut self.misses {
            misses.asks.waiter(self.waiter).back = back;
        }
    }

    /// Count that *waiter* does not wait any more.
    pub(crate) fn count_end(&mut self, waiter: &mut Waiter) {
        self.tally.remove(Counter::RecursionInFlight, 1);
        self.tally.remove(Counter::ResolverInFlight, 1);
        if let (Some(block), Some(admitted)) = (&self.limiter.block, waiter.admitted.take()) {
            release(block, admitted);
        }
    }

    #[inline]
    pub(crate) fn count_cookie(&mut self, facts: Facts) {
        self.tally.add(Counter::CookieQueries, usize::from(facts.has_cookie));
        self.tally.add(Counter::CookieGood, usize::from(facts.has_good_cookie));
    }

    #[inline]
    pub(crate) fn count_query(&mut self, query: &[u8], client: &Client) {
        self.tally.add(Counter::ReceivedOctets, query.len());
        self.tally.add(Counter::QueriesIpv6, usize::from(client.address.is_ipv6()));
    }

    /// What is sent in place of a reply over UDP; None when nothing is, because of the limits.
    #[inline]
    fn limit(
        &mut self,
        decision: Decision,
        query: &[u8],
        client: &Client,
        room: &mut [u8],
    ) -> Option<Decision> {
        let facts = self.scratch.facts();
        let (Decision::Reply(_), Some(block)) = (decision, &self.limiter.block) else {
            return Some(decision);
        };
        if facts.has_good_cookie {
            return Some(decision);
        }
        let subject = self.scratch.subject();
        let (address, port) = (client.address, client.port);
        match self.limiter.limits.judge(block, address, port, facts.kind, subject, self.now.us) {
            Verdict::Send => (),
            Verdict::Note => self.tally.add(Counter::RateNoted, 1),
            Verdict::Drop => {
                self.tally.add(Counter::RateDropped, 1);
                return None;
            }
            Verdict::Slip => {
                self.tally.add(Counter::RateSlipped, 1);
                let (scratch, settings) = (&mut *self.scratch, self.settings);
                return Some(respond_limited(query, client, self.now.s, settings, scratch, room));
            }
        }
        Some(decision)
    }

    /// Answer *query* from the message cache, or have it wait for a server's answer.
    fn find_kept(&mut self, query: &[u8], client: &Client, room: &mut [u8]) -> Decision {
        let mut lower = [0; 255];
        let Some((parsed, key)) = read_key(query, client, &mut lower) else {
            return Decision::Punt;
        };
        if let Some(size) = self.compose_kept(&parsed, &key, client, room) {
            self.tally.add(Counter::CacheHits, 1);
            return Decision::Reply(size);
        }
        self.tally.add(Counter::CacheMisses, 1);
        let Some(misses) = &mut self.misses else { return Decision::Punt };
        if !self.scratch.is_outside {
            // A zone of ours leads there: Python knows how.
            return Decision::Punt;
        }
        let (who, block) = ((client, self.scratch.facts()), self.limiter.block.as_ref());
        let excess = match misses.begin(&key, query, who, block, self.now.s) {
            Begun::HandUp => return Decision::Punt,
            Begun::Waits { waiter, is_asked } => {
                self.waiter = waiter;
                self.tally.add(Counter::RecursionInFlight, 1);
                self.tally.add(Counter::ResolverInFlight, 1);
                let counter =
                    if is_asked { Counter::UpstreamQueries } else { Counter::RecursionJoined };
                self.tally.add(counter, 1);
                return Decision::Wait;
            }
            Begun::TooMany(excess) => excess,
        };
        self.tally.add(
            match excess {
                Excess::Worker => Counter::RecursionOverWorker,
                Excess::Client => Counter::RecursionOverClient,
                Excess::Name => Counter::RecursionOverName,
            },
            1,
        );
        Decision::Drop
    }

    /// Answer *query* with what was kept for it just now; None when nothing was.
    pub(crate) fn answer_late(
        &mut self,
        query: &[u8],
        client: &Client,
        room: &mut [u8],
    ) -> Option<usize> {
        let mut lower = [0; 255];
        let (parsed, key) = read_key(query, client, &mut lower)?;
        self.compose_kept(&parsed, &key, client, room)
    }

    fn compose_kept(
        &mut self,
        parsed: &Query<'_>,
        key: &Key<'_>,
        client: &Client,
        room: &mut [u8],
    ) -> Option<usize> {
        let found = self.kept.cache.find(key, self.now.s)?;
        if found.is_due {
            self.kept.due.push(compose_due(key));
        }
        let opt = compose_opt(parsed, client, self.now.s, self.settings, found.error());
        let asked = Asked {
            message_id: u16::from_be_bytes(parsed.message_id),
            flags: parsed.flags,
            question: parsed.question,
            is_do: key.is_do,
        };
        let size_octets_max = payload_size_octets_max(parsed.edns.as_ref(), client.is_tcp);
        Some(found.compose(&asked, opt.octets(), size_octets_max, room))
    }
}

/// The parts of *query* and what its answer is kept under, with the name in *lower*; None when it
/// is no plain question.
fn read_key<'q>(
    query: &'q [u8],
    client: &Client,
    lower: &'q mut [u8; 255],
) -> Option<(Query<'q>, Key<'q>)> {
    let parsed = Query::parse(query, client.is_tcp).ok()?;
    if parsed.opcode != QUERY || parsed.rcode != NOERROR || parsed.question.is_empty() {
        return None;
    }
    let qname = &mut lower[..parsed.qname().len()];
    qname.copy_from_slice(parsed.qname());
    qname.make_ascii_lowercase();
    let key = Key {
        qname,
        qtype: parsed.qtype,
        qclass: parsed.qclass,
        is_do: parsed.edns.is_some_and(|edns| edns.is_do),
        is_cd: parsed.flags & CD != 0,
    };
    Some((parsed, key))
}

/// The form of questions in `Kept`.
pub(crate) fn compose_due(key: &Key<'_>) -> Vec<u8> {
    let mut due = key.qname.to_vec();
    due.extend(key.qtype.to_be_bytes());
    due.extend(key.qclass.to_be_bytes());
    due.push(u8::from(key.is_do) | u8::from(key.is_cd) << 1);
    due
}

fn compose_opt(
    query: &Query<'_>,
    client: &Client,
    now_s: f64,
    settings: &Settings,
    error: Option<u16>,
) -> Opt {
    let Some(edns) = &query.edns else { return Opt::none() };
    let secrets = &settings.cookie_secrets;
    let mut cookie = [0; COOKIES_SIZE_OCTETS];
    let mut cookie_size = 0;
    if let Some(option) = edns.cookie.filter(|data| !secrets.is_empty() && is_cookie(data)) {
        cookie = answer_cookie(option, client.address, now_s as u64, secrets).option;
        cookie_size = COOKIES_SIZE_OCTETS;
    }
    let idle_timeout_s = if client.is_tcp { settings.idle_timeout_s } else { 0 };
    Opt::answer(edns, 0, &settings.identity, &cookie[..cookie_size], idle_timeout_s, error)
}
