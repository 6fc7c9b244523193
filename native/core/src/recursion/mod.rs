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
pub mod reply;
pub mod watch;
pub mod wheel;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::kept_reply::Key;
use crate::name::label_starts;
use crate::recursion::admission::{admit, release, Excess, QuestionLimits};
use crate::recursion::asks::{Asks, Place, QUERY_OCTETS_MAX};
use crate::recursion::chance::Chance;
use crate::recursion::compose::{Composer, KeptMessage, TtlLimits};
use crate::recursion::cuts::{Choice, Cuts, Manner};
use crate::recursion::reply::{Asked, Reading, NXDOMAIN};
use crate::recursion::watch::Watch;
use crate::recursion::wheel::{TICK_MS, WAIT_MS_MAX};
use crate::respond::{Client, Facts};
use crate::shared_block::SharedBlock;

/// Ports that are tried for one question.
const PORTS_MAX: usize = 16;
/// Datagrams of one socket that are looked at in one turn.
const DATAGRAMS_MAX: usize = 8;
/// What we say we take, and what we take: more is cut, and then it is out of form.
const PAYLOAD_OCTETS: u16 = 1232;
const DATAGRAM_OCTETS_MAX: usize = 4096;
const WAIT_MS_MIN: u64 = 200;

const HEADER_OCTETS: usize = 12;
const OPT: u8 = 41;
const COOKIE: u8 = 10;
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
    pub fn put_cut(&mut self, apex: &[u8], facts: &cuts::CutFacts) -> Option<()> {
        self.cuts.put(apex, facts, &mut self.chance)
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
        let choice = match place {
            Place::Free(_) => self.cuts.choose(key.qname, now_s, &mut self.chance),
            _ => None,
        };
        if matches!(place, Place::Full) || matches!(place, Place::Free(_)) && choice.is_none() {
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
        let number = match (place, choice) {
            (Place::InFlight(number), _) => Some(number),
            (Place::Free(hash), Some(choice)) => self.ask(key, hash, choice),
            _ => None,
        };
        if let Some(number) = number {
            if let Some(waiter) = self.asks.wait(number, query) {
                let kept = self.asks.waiter(waiter);
                (kept.admitted, kept.facts) = (admitted, facts);
                return Begun::Waits { waiter, is_asked: choice.is_some() };
            }
        }
        if let (Some(block), Some(admitted)) = (block, admitted) {
            release(block, admitted);
        }
        Begun::HandUp
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
        let wait_ms = (2 * rtt_ms + 100).clamp(WAIT_MS_MIN, WAIT_MS_MAX);
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
    pub fn finish(&mut self, number: u32, size: usize) -> Option<KeptMessage<'_>> {
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
        if !is_plain || !is_from_it || ask.near_misses > 0 {
            let apex = &ask.qname[ask.qname.len() - choice.zone_octets..];
            self.cuts.note_failure(apex, false);
            return None;
        }
        if self.reading.rcode == NXDOMAIN {
            let apex = &ask.qname[ask.qname.len() - choice.zone_octets..];
            self.cuts.note_absent(apex, choice.chosen_s);
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
    pub fn give_up(&mut self, number: u32) {
        self.asks.end(number);
        let ask = self.asks.get(number);
        self.cuts.note(ask.choice.server, |seen| seen.failed += 1);
        let apex = &ask.qname[ask.qname.len() - ask.choice.zone_octets..];
        self.cuts.note_failure(apex, true);
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

/// A fresh socket that talks with *address* alone, from a port by chance (RFC 5452 section 9.2).
fn open(chance: &mut Chance, address: SocketAddr) -> Option<UdpSocket> {
    for _ in 0..PORTS_MAX {
        let port = chance.port()?;
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        };
        match UdpSocket::bind(any) {
            Ok(socket) => {
                socket.set_nonblocking(true).ok()?;
                socket.connect(address).ok()?;
                return Some(socket);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => (),
            // A range of ports may need a privilege here.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => (),
            Err(_) => return None,
        }
    }
    None
}

/// Write the query for *key* into *query*.
fn compose_query(
    key: &Key<'_>,
    flags: u8,
    manner: Manner,
    cookie: &[u8],
    chance: &mut Chance,
    query: &mut Vec<u8>,
) -> Option<()> {
    query.clear();
    query.extend(chance.octets::<2>()?);
    query.extend([flags, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(manner.has_edns)]);
    let start = query.len();
    query.extend_from_slice(key.qname);
    if manner.mixes_case {
        for part in query[start..].chunks_mut(64) {
            let mut bits = u64::from_be_bytes(chance.octets()?);
            // Length octets are at most 63: below "a".
            for octet in part.iter_mut().filter(|octet| octet.is_ascii_lowercase()) {
                *octet ^= (bits as u8 & 1) << 5;
                bits >>= 1;
            }
        }
    }
    query.extend(key.qtype.to_be_bytes());
    query.extend(key.qclass.to_be_bytes());
    if manner.has_edns {
        let [high, low] = PAYLOAD_OCTETS.to_be_bytes();
        let is_do = if key.is_do { 0x80 } else { 0 };
        query.extend([0, 0, OPT, high, low, 0, 0, is_do, 0, 0]);
        if cookie.is_empty() {
            query.push(0);
        } else {
            let size = cookie.len() as u8;
            query.extend([size + 4, 0, COOKIE, 0, size]);
            query.extend_from_slice(cookie);
        }
    }
    Some(())
}

/// Say whether *octets* are the reply to *query*, whose name has *name_octets* (RFC 5452 section
/// 9.1).  One without a question is none here: Python asks again.
fn is_reply(query: &[u8], name_octets: usize, octets: &[u8], manner: Manner) -> bool {
    let end = HEADER_OCTETS + name_octets + 4;
    if octets.len() < end || octets[..2] != query[..2] || octets[2] & 0xF8 != 0x80 {
        return false;
    }
    let (theirs, ours) = (&octets[HEADER_OCTETS..end], &query[HEADER_OCTETS..end]);
    octets[4..6] == [0, 1]
        && if manner.mixes_case {
            theirs == ours
        } else {
            let (theirs, ours) = (theirs.split_at(name_octets), ours.split_at(name_octets));
            theirs.0.eq_ignore_ascii_case(ours.0) && theirs.1 == ours.1
        }
}

/// Say whether *name* is a whole name.
pub fn is_name(name: &[u8]) -> bool {
    label_starts(name, &mut [0; 128]).is_some()
}
