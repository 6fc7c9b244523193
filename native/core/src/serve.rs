//! A worker's data path: batches from the socket, streams from connections, and what is counted.
//!
//! What can't be answered here is handed up, within the same call.  A panic in an answer is counted
//! and handed up too: one query must never end a worker, for it would come back.

use std::os::fd::RawFd;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::cookies::CookieSecrets;
use crate::counters::{Counter, Places, Tally};
use crate::message_cache::MessageCache;
use crate::outbox::Outbox;
use crate::rate::RateLimits;
use crate::recursion::Misses;
use crate::respond::{respond, Client, Decision, Facts, Scratch, Settings};
use crate::shared_block::SharedBlock;
use crate::socket::{Datagrams, Sender, BATCH_SIZE_MAX};
use crate::store::{Store, StoreError};
use crate::turn::{Kept, Limiter, Now, Responder, Turn};

/// Datagrams of one wake-up: what waits at other sockets has its turn after that.
pub const DATAGRAMS_MAX: usize = 8 * BATCH_SIZE_MAX;

/// Octets of replies for one stream after which no further query is answered in the same turn.
pub const STREAM_REPLIES_OCTETS: usize = 65536;

const STREAM_ROOM_OCTETS: usize = STREAM_REPLIES_OCTETS + 2 + 65535;

/// The signature of the PROXY protocol, version 2; who may use it, Python knows.
const PROXY_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What is told of the datagrams of a wake-up.
pub trait Witness {
    /// Say whether `answered` is to be called (a query log, dnstap).
    fn wants_answers(&self) -> bool;
    /// *query* was answered with *reply*.
    fn answered(&mut self, query: &[u8], reply: &[u8], sender: &Sender);
    /// *query* has to be answered by the definition; the reply needs *source* (level, type, data)
    /// as ancillary data to leave from the address that was asked.
    fn handed_up(&mut self, query: &[u8], sender: &Sender, source: Option<(i32, i32, &[u8])>);
    /// The reply to a *query* that came to *socket* earlier has left.
    fn answered_late(&mut self, socket: RawFd, query: &[u8], reply: &[u8], sender: &Sender);
    /// A *query* that came to *socket* earlier, and of which was *waited* for a reply since, has to
    /// be answered by the definition after all.
    fn handed_up_late(
        &mut self,
        socket: RawFd,
        waited: Duration,
        query: &[u8],
        sender: &Sender,
        source: Option<(i32, i32, &[u8])>,
    );
}

/// What a wake-up did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Datagrams received.
    pub received: usize,
    /// Datagrams handed up.
    pub punts: usize,
}

/// Why a turn of a stream ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamEnd {
    /// There is no further whole query.
    #[default]
    Empty,
    /// The share of queries or of octets is used up.
    Share,
    /// The next query has to be answered by the definition.
    Punt,
    /// The last query that was consumed is none: the connection has to end.
    Drop,
}

/// What a turn of a stream did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streamed {
    /// Octets consumed, up to the end of a message.
    pub consumed: usize,
    /// Queries consumed.
    pub queries: usize,
    /// Octets of replies, each behind its length, in `Server::stream`.
    pub replies_octets: usize,
    /// Why it ended.
    pub end: StreamEnd,
}

/// The data path of one worker.
pub struct Server {
    /// What answers depend on beside the zones.
    pub settings: Settings,
    /// The limits of answers over UDP.
    pub limiter: Limiter,
    /// Whether cookies are made and checked, by the secrets of the block.
    pub has_cookies: bool,
    /// The message cache.
    pub kept: Kept,
    /// What is asked of servers; None: everything is handed up.
    pub misses: Option<Box<Misses>>,
    store: Option<Store>,
    datagrams: Datagrams,
    outbox: Outbox,
    stream: Box<[u8]>,
    scratch: Scratch,
    places: Places,
    numbers: &'static [AtomicU64],
    tally: Tally,
    responder: Responder,
    secrets_version: u64,
    secrets_change_s: u64,
}

impl Server {
    /// A data path without a store that counts at *places* of *numbers*; *block* is the memory that
    /// all workers share.
    pub fn new(
        places: Places,
        numbers: &'static [AtomicU64],
        block: Option<SharedBlock<'static>>,
    ) -> Self {
        Server {
            settings: Settings::default(),
            limiter: Limiter { limits: RateLimits::off(), block },
            has_cookies: true,
            kept: Kept { cache: MessageCache::new(0), due: Vec::new(), learnt: Vec::new() },
            store: None,
            misses: None,
            datagrams: Datagrams::new(),
            outbox: Outbox::default(),
            stream: vec![0; STREAM_ROOM_OCTETS].into_boxed_slice(),
            scratch: Scratch::default(),
            places,
            numbers,
            tally: Tally::default(),
            responder: respond,
            secrets_version: u64::MAX,
            secrets_change_s: 0,
        }
    }

    /// Answer from *store* from here on; None: from none.
    pub fn use_store(&mut self, store: Option<Store>) {
        self.store = store;
    }

    /// The store that is answered from.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// See the newest revision from here on, without a store nothing.
    pub fn renew(&mut self) -> Result<(), StoreError> {
        self.store.as_mut().map_or(Ok(()), Store::renew)
    }

    /// Let go of the revision.
    pub fn reset(&mut self) {
        if let Some(store) = &mut self.store {
            store.reset();
        }
    }

    /// Answer what waits at the UDP *socket*, at most `DATAGRAMS_MAX`; *now* is when.
    pub fn serve(
        &mut self,
        socket: RawFd,
        is_wildcard: bool,
        now: Now,
        witness: &mut dyn Witness,
    ) -> Served {
        let mut served = Served::default();
        while served.received < DATAGRAMS_MAX {
            let listening = Instant::now();
            let received = self.datagrams.receive(socket, is_wildcard);
            if received == 0 {
                break;
            }
            let begin = Instant::now();
            self.tally.add_stage(Counter::ListenerDone, received, begin - listening);
            let punts = self.answer_batch(socket, received, now, witness);
            let answered = Instant::now();
            // From the decoder to the encoder it is one step here.
            self.tally.add_stage(Counter::ZoneManagerDone, received, answered - begin);
            // Counted before a client can know that it was answered.
            self.write_tally();
            let sent = self.datagrams.send(socket);
            self.tally.add(Counter::RepliesUdp, sent.replies);
            self.tally.add(Counter::SendFailures, sent.failures);
            if sent.replies > 0 {
                self.tally.add_stage(Counter::SenderDone, sent.replies, answered.elapsed());
                self.places.write_latency(begin.elapsed(), sent.replies, self.numbers);
            }
            served.received += received;
            served.punts += punts;
            if received < BATCH_SIZE_MAX / 4 || punts > 0 {
                break;
            }
        }
        self.write_tally();
        served
    }

    fn answer_batch(
        &mut self,
        socket: RawFd,
        received: usize,
        now: Now,
        witness: &mut dyn Witness,
    ) -> usize {
        // Only now: a record that was committed before a query came must be seen by its answer.
        let is_readable = self.renew().is_ok();
        let wants_answers = witness.wants_answers();
        let (mut turn, datagrams, _) = self.turn(now, true);
        turn.tally.add(Counter::QueriesUdp, received);
        turn.tally.add(Counter::Batches, 1);
        let mut punts = 0;
        let mut ahead = None;
        for number in 0..received {
            if number == 1 {
                // The zone of the first answer is likely that of the others.
                ahead = turn.seek_ahead((0..received).map(|other| datagrams.query(other)));
            }
            if let Some(view) = &turn.view {
                view.expect(ahead.as_ref().and_then(|ahead| ahead.guess(number)));
            }
            let sender = datagrams.sender(number);
            let client = Client { address: sender.address, port: sender.port, is_tcp: false };
            let (query, room) = datagrams.query_and_room(number);
            let decision = if is_readable && !query.starts_with(PROXY_SIGNATURE) {
                turn.answer(query, &client, room)
            } else {
                Decision::Punt
            };
            match decision {
                Decision::Reply(size) => {
                    if wants_answers {
                        let query = datagrams.query(number);
                        witness.answered(query, datagrams.reply(number, size), &sender);
                    }
                    datagrams.queue(number, size);
                }
                Decision::Drop => (),
                Decision::Wait => {
                    let back = datagrams.return_address(number, socket);
                    turn.keep_waiter(back);
                }
                Decision::Punt => {
                    punts += 1;
                    datagrams.hand_up(number, |query, source| {
                        witness.handed_up(query, &sender, source);
                    });
                }
            }
        }
        turn.tally.add(Counter::NativePunts, punts);
        self.reset();
        punts
    }

    /// Answer whole queries at the beginning of *octets*, which *client* sent over a stream: at
    /// most *queries_max*, and `STREAM_REPLIES_OCTETS` of replies, which are in `stream` then.
    ///
    /// Calls *answered* with each query and its reply.
    pub fn serve_stream(
        &mut self,
        octets: &[u8],
        client: &Client,
        now: Now,
        queries_max: usize,
        answered: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Streamed {
        let begin = Instant::now();
        let mut done = Streamed::default();
        if framed(octets).is_none() {
            return done;
        }
        let is_readable = self.renew().is_ok();
        let (mut turn, _, stream) = self.turn(now, false);
        let mut replies = 0;
        while let Some(query) = framed(&octets[done.consumed..]) {
            if done.queries == queries_max || done.replies_octets >= STREAM_REPLIES_OCTETS {
                done.end = StreamEnd::Share;
                break;
            }
            let (head, room) = stream[done.replies_octets..].split_at_mut(2);
            let room = &mut room[..65535];
            let decision =
                if is_readable { turn.answer(query, client, room) } else { Decision::Punt };
            if decision == Decision::Punt {
                turn.tally.add(Counter::NativePunts, 1);
                done.end = StreamEnd::Punt;
                break;
            }
            done.consumed += 2 + query.len();
            done.queries += 1;
            let Decision::Reply(size) = decision else {
                done.end = StreamEnd::Drop;
                break;
            };
            head.copy_from_slice(&(size as u16).to_be_bytes());
            answered(query, &room[..size]);
            done.replies_octets += 2 + size;
            replies += 1;
        }
        turn.tally.add(Counter::QueriesTcp, done.queries);
        turn.tally.add(Counter::RepliesTcp, replies);
        turn.tally.add(Counter::Batches, 1);
        self.reset();
        if replies > 0 {
            self.places.write_latency(begin.elapsed(), replies, self.numbers);
        }
        self.write_tally();
        done
    }

    /// Answer one query in the revision that was renewed to last, into *out*, which has at least
    /// 65,535 octets.
    pub fn respond(&mut self, query: &[u8], client: &Client, now: Now, out: &mut [u8]) -> Decision {
        let decision = self.turn(now, false).0.answer(query, client, out);
        self.write_tally();
        decision
    }

    /// Have the settings read again: they, or whether there are cookies, have changed.
    pub fn settings_changed(&mut self) {
        self.secrets_version = u64::MAX;
    }

    /// Take the cookies' secrets from the block; they are right until the next change.
    fn take_secrets(&mut self, now_s: u64) {
        let Some(block) = &self.limiter.block else { return };
        let version = block.secrets_version();
        if version == self.secrets_version && now_s < self.secrets_change_s {
            return;
        }
        // None: they are being written, and the next turn sees them.
        if let Some((secrets, change_s)) = block.secrets_at(now_s) {
            self.secrets_version = version;
            self.secrets_change_s = change_s;
            self.settings.cookie_secrets =
                if self.has_cookies { secrets } else { CookieSecrets::default() };
        }
    }

    /// A turn at *now*; *may_wait*: its clients can be answered later.
    fn turn(&mut self, now: Now, may_wait: bool) -> (Turn<'_>, &mut Datagrams, &mut [u8]) {
        self.take_secrets(now.s as u64);
        let turn = Turn {
            responder: self.responder,
            settings: &self.settings,
            view: self.store.as_ref().and_then(Store::snapshot),
            scratch: &mut self.scratch,
            kept: &mut self.kept,
            limiter: &self.limiter,
            tally: &mut self.tally,
            now,
            misses: self.misses.as_deref_mut().filter(|_| may_wait),
            waiter: 0,
        };
        (turn, &mut self.datagrams, &mut self.stream)
    }

    /// What is known of the last reply, and the name that it is counted under.
    pub fn last_facts(&self) -> (Facts, &[u8]) {
        (self.scratch.facts(), self.scratch.subject())
    }

    /// The replies of the last turn of a stream.
    pub fn stream(&self, octets: usize) -> &[u8] {
        &self.stream[..octets]
    }

    fn write_tally(&mut self) {
        self.places.write(&self.tally, self.numbers);
        self.tally = Tally::default();
    }
}

/// The first message of a stream, when it is whole (RFC 1035 section 4.2.2).
fn framed(octets: &[u8]) -> Option<&[u8]> {
    let size = u16::from_be_bytes([*octets.first()?, *octets.get(1)?]);
    octets.get(2..2 + usize::from(size))
}

mod late;
#[cfg(test)]
mod tests;
