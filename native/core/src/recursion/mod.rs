//! The miss path's shortcut: a plain question to a server that is known to answer it.
//!
//! Python says which cuts may be asked so (`cuts`).  A question goes out through a socket of its
//! own (`asks`, `watch`); the reply that matches it is read strictly (`reply`), becomes the message
//! that the message cache keeps (`compose`), and answers all who wait for it.  Whatever else comes
//! of it, or nothing within its time (`wheel`), its clients' queries are handed up, and Python
//! resolves them from the beginning.

pub mod admission;
pub mod asks;
pub mod chance;
pub mod compose;
pub mod cuts;
pub mod names;
pub mod question;
pub mod reply;
pub mod watch;
pub mod wheel;

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::kept_reply::Key;
use crate::name::label_starts;
use crate::recursion::admission::{admit, release, Excess, QuestionLimits};
use crate::recursion::asks::{Asks, Place, QUERY_OCTETS_MAX};
use crate::recursion::chance::Chance;
use crate::recursion::compose::{Composer, KeptMessage, TtlLimits};
use crate::recursion::cuts::{Choice, Cuts, End};
use crate::recursion::question::{compose_query, is_reply, open};
use crate::recursion::reply::{Asked, Reading, NXDOMAIN};
use crate::recursion::watch::Watch;
use crate::recursion::wheel::{TICK_MS, WAIT_MS_MAX};
use crate::respond::{Client, Facts};
use crate::shared_block::SharedBlock;

/// Datagrams of one socket that are looked at in one turn.
const DATAGRAMS_MAX: usize = 8;
/// What is longer is cut, and then it is out of form.
const DATAGRAM_OCTETS_MAX: usize = 4096;
/// A server that takes some time is slow and not silent, and is not to get the question twice; Python
/// needs the rest of what a client waits.
const WAIT_MS_MIN: u64 = 400;
/// The same for a server that is the only one (`ALONE_TIMEOUT_S` of
/// `dns_node.resolver.name_servers`).
const WAIT_ALONE_MS_MIN: u64 = 1250;

const HEADER_OCTETS: usize = 12;
const RD: u8 = 1;

/// The types that are asked for without more ado: those of which all is in the answer.
const PLAIN_TYPES: [u16; 15] = [1, 5, 6, 12, 13, 15, 16, 17, 28, 29, 33, 52, 64, 65, 257];

/// What a socket had.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that ends the question.
    Nothing,
    /// The reply, of so many octets.
    Reply(usize),
    /// It can't be asked.
    Failure,
}

/// What became of a client's question.
#[derive(Debug, PartialEq, Eq)]
pub enum Begun {
    /// Its client waits, at this place; a server was asked, or had been.
    Waits {
        /// The place.
        waiter: u32,
        /// Whether a server was asked.
        is_asked: bool,
    },
    /// It has to be handed up.
    HandUp,
    /// It is more than the limits allow.
    TooMany(Excess),
}

/// Questions that were numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Questions in flight.
    pub in_flight: usize,
    /// Clients that wait for them.
    pub waiting: usize,
    /// Cuts that may be asked.
    pub cuts: usize,
}

/// The questions in flight of one worker, and all that is needed for them.
pub struct Misses {
    /// Whom to ask.
    pub cuts: Cuts,
    /// What is in flight.
    pub asks: Asks,
    /// What is watched.
    pub watch: Watch,
    /// The bounds of TTLs.
    pub limits: TtlLimits,
    /// How many questions there may be.
    pub question_limits: QuestionLimits,
    /// Types that are handed up though they are plain (AAAA, where it is made of A).
    pub types_handed_up: Vec<u16>,
    chance: Chance,
    composer: Composer,
    reading: Reading,
    datagram: Box<[u8]>,
    began: Instant,
}

impl Misses {
    /// Nothing in flight, and nobody to ask yet.
    pub fn new() -> io::Result<Misses> {
        Ok(Misses {
            cuts: Cuts::default(),
            asks: Asks::default(),
            watch: Watch::new()?,
            limits: TtlLimits::default(),
            question_limits: QuestionLimits::default(),
            types_handed_up: Vec::new(),
            chance: Chance::default(),
            composer: Composer::default(),
            reading: Reading::default(),
            datagram: vec![0; DATAGRAM_OCTETS_MAX].into_boxed_slice(),
            began: Instant::now(),
        })
    }

    /// How much there is.
    pub fn count(&self) -> Count {
        let asks = &self.asks;
        Count { in_flight: asks.len(), waiting: asks.waiting(), cuts: self.cuts.len() }
    }

    /// Hold a cut; None when the kernel has no chance to give.
    pub fn put_cut(&mut self, apex: &[u8], facts: &cuts::CutFacts, now_s: f64) -> Option<()> {
        self.cuts.put(apex, facts, now_s, &mut self.chance)
    }

    /// Have the client of *query* wait for the answer to the question of *key*, and ask it unless
    /// it is in flight.
    pub fn begin(
        &mut self,
        key: &Key<'_>,
        query: &[u8],
        (client, facts): (&Client, Facts),
        block: Option<&SharedBlock<'_>>,
        now_s: f64,
    ) -> Begun {
        let is_plain = key.qclass == 1
            && query.len() <= QUERY_OCTETS_MAX
            && PLAIN_TYPES.contains(&key.qtype)
            && !self.types_handed_up.contains(&key.qtype);
        if !is_plain {
            return Begun::HandUp;
        }
        let place = self.asks.place(key);
        if matches!(place, Place::Full) {
            return Begun::HandUp;
        }
        let mut admitted = None;
        if let Some(block) = block {
            let asked = (key.qname, key.qtype);
            let is_known = facts.has_good_cookie;
            match admit(block, &self.question_limits, client.address, is_known, asked) {
                Ok(found) => admitted = Some(found),
                // Who is known hears of it: by Python.
                Err(_) if is_known => return Begun::HandUp,
                Err(excess) => return Begun::TooMany(excess),
            }
        }
        let begun = self.join_or_ask(key, query, place, now_s);
        if let Begun::Waits { waiter, .. } = begun {
            let kept = self.asks.waiter(waiter);
            (kept.admitted, kept.facts) = (admitted, facts);
        } else if let (Some(block), Some(admitted)) = (block, admitted) {
            release(block, admitted);
        }
        begun
    }

    fn join_or_ask(&mut self, key: &Key<'_>, query: &[u8], place: Place, now_s: f64) -> Begun {
        let is_asked = matches!(place, Place::Free(_));
        let number = match place {
            Place::InFlight(number) => number,
            Place::Full => return Begun::HandUp,
            Place::Free(hash) => {
                let Some(choice) = self.cuts.choose(key.qname, now_s, &mut self.chance) else {
                    return Begun::HandUp;
                };
                match self.ask(key, hash, choice) {
                    Some(number) => number,
                    None => {
                        let apex = &key.qname[key.qname.len() - choice.zone_octets..];
                        self.cuts.note_end(apex, End::HandedUp, now_s);
                        return Begun::HandUp;
                    }
                }
            }
        };
        match self.asks.wait(number, query) {
            Some(waiter) => Begun::Waits { waiter, is_asked },
            // A question without a client: its answer is kept all the same.
            None => Begun::HandUp,
        }
    }

    /// Ask; return the number of the question.
    fn ask(&mut self, key: &Key<'_>, hash: u64, choice: Choice) -> Option<u32> {
        let server = self.cuts.server(choice.server);
        let manner = server.manner;
        let socket = open(&mut self.chance, server.address)?;
        let number = self.asks.begin(key, hash, choice, socket, Instant::now());
        let ask = self.asks.get(number);
        let flags = if choice.is_forward { RD } else { 0 };
        let is_sent =
            compose_query(key, flags, manner, server.cookie(), &mut self.chance, &mut ask.query)
                .and_then(|()| ask.socket.as_ref()?.send(&ask.query).ok());
        let descriptor = ask.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let token = self.asks.token(number);
        if is_sent.is_none() || self.watch.add(descriptor, token).is_err() {
            self.asks.end(number);
            self.asks.release(number);
            return None;
        }
        let rtt_ms = u64::from(choice.rtt_us / 1000);
        let wait_ms_min = if choice.is_alone { WAIT_ALONE_MS_MIN } else { WAIT_MS_MIN };
        let wait_ms = (2 * rtt_ms + 100).clamp(wait_ms_min, WAIT_MS_MAX);
        let now_ms = self.now_ms();
        self.asks.wheel.put(number, now_ms, wait_ms);
        self.watch.wind_up(Some(Duration::from_millis(TICK_MS)));
        Some(number)
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Look at what the socket of question *number* has.
    ///
    /// What is not the reply is counted and never ends the question: who guesses must not be able
    /// to have it given up.
    pub fn hear(&mut self, number: u32) -> Heard {
        for _ in 0..DATAGRAMS_MAX {
            let ask = self.asks.get(number);
            let Some(socket) = &ask.socket else { return Heard::Nothing };
            match socket.recv(&mut self.datagram) {
                Ok(size) => {
                    let server = self.cuts.server(ask.choice.server);
                    let datagram = &self.datagram[..size];
                    if is_reply(&ask.query, ask.qname.len(), datagram, server.manner) {
                        return Heard::Reply(size);
                    }
                    ask.near_misses += 1;
                    self.cuts.note(ask.choice.server, |seen| seen.near_misses += 1);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Heard::Nothing,
                    ErrorKind::Interrupted => (),
                    // It is not there (ICMP), or can't be reached.
                    _ => return Heard::Failure,
                },
            }
        }
        Heard::Nothing
    }

    /// End question *number* with the reply of *size* octets that was heard last; return what is to
    /// be kept of it, None when its clients are to be handed up.
    pub fn finish(&mut self, number: u32, size: usize, now_s: f64) -> Option<KeptMessage<'_>> {
        self.asks.end(number);
        let ask = &*self.asks.get(number);
        let choice = ask.choice;
        let rtt_us = ask.sent.elapsed().as_micros() as u64;
        self.cuts.note(choice.server, |seen| {
            seen.answered += 1;
            seen.rtt_us += rtt_us;
        });
        let asked = Asked {
            qname: &ask.qname,
            qtype: ask.qtype,
            zone_octets: choice.zone_octets,
            is_forward: choice.is_forward,
        };
        let message = &self.datagram[..size];
        let is_plain = self.reading.read(message, &asked).is_some();
        let option = self.reading.cookie().filter(|place| place.0 < place.1);
        let option = option.map(|(start, end)| &message[start..end]);
        let is_from_it = self.cuts.server(choice.server).take_cookie(option);
        let end = match self.reading.rcode {
            _ if !is_plain || !is_from_it || ask.near_misses > 0 => End::HandedUp,
            NXDOMAIN => End::NxDomain,
            _ => End::Answered,
        };
        let apex = &ask.qname[ask.qname.len() - choice.zone_octets..];
        self.cuts.note_end(apex, end, now_s);
        if end == End::HandedUp {
            return None;
        }
        self.composer.compose(&self.reading, &asked, ask.key(), &self.limits)
    }

    /// Return what is kept of *message*, whose question is the one that was *asked*; None when it
    /// has to be handed up.
    pub fn judge<'m>(&'m mut self, message: &[u8], asked: &Asked<'m>) -> Option<KeptMessage<'m>> {
        let question = message.get(HEADER_OCTETS..)?.get(..asked.qname.len() + 4)?;
        self.reading.read(message, asked)?;
        let qclass =
            u16::from_be_bytes([question[question.len() - 2], question[question.len() - 1]]);
        let key =
            Key { qname: asked.qname, qtype: asked.qtype, qclass, is_do: false, is_cd: false };
        self.composer.compose(&self.reading, asked, key, &self.limits)
    }

    /// End question *number*, to which there is no reply; its clients are to be handed up.
    pub fn give_up(&mut self, number: u32, now_s: f64) {
        self.asks.end(number);
        let ask = self.asks.get(number);
        self.cuts.note(ask.choice.server, |seen| seen.failed += 1);
        let apex = &ask.qname[ask.qname.len() - ask.choice.zone_octets..];
        self.cuts.note_end(apex, End::Silence, now_s);
    }

    /// Any question in flight.
    pub fn any(&self) -> Option<u32> {
        self.asks.any()
    }

    /// Take out a question whose time is over.
    pub fn next_over(&mut self) -> Option<u32> {
        let now_ms = self.now_ms();
        self.asks.wheel.next_over(now_ms)
    }

    /// The descriptor that is readable when `Server::resume` has something to do.
    pub fn descriptor(&self) -> RawFd {
        self.watch.descriptor()
    }
}

/// Say whether *name* is a whole name.
pub fn is_name(name: &[u8]) -> bool {
    label_starts(name, &mut [0; 128]).is_some()
}
