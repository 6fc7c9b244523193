//! Questions in flight, and who waits for them: both in places that are made once and used again.

use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::net::UdpSocket;
use std::time::Instant;

use crate::kept_reply::Key;
use crate::message_cache::AsItIs;
use crate::outbox::ReturnAddress;
use crate::recursion::admission::Admitted;
use crate::recursion::cuts::Choice;
use crate::recursion::wheel::Wheel;
use crate::respond::{Facts, ERROR};

/// Questions in flight of one worker.
pub const ASKS_MAX: usize = 4096;
/// Clients that wait for them.
const WAITERS_MAX: usize = 8192;
/// A longer query is handed up: it would have to be kept.
pub const QUERY_OCTETS_MAX: usize = 512;

const NONE: u32 = u32::MAX;

/// A client that waits.
pub struct Waiter {
    /// Its query.
    pub query: Vec<u8>,
    /// Where the reply goes.
    pub back: ReturnAddress,
    /// What is known of the reply to it.
    pub facts: Facts,
    /// How it is counted.
    pub admitted: Option<Admitted>,
    next: u32,
}

/// A question in flight.
pub struct Ask {
    /// The name, in lower case.
    pub qname: Vec<u8>,
    /// The type.
    pub qtype: u16,
    /// Whether DO is set.
    pub is_do: bool,
    /// Whether CD is set.
    pub is_cd: bool,
    /// Whom it was sent to.
    pub choice: Choice,
    /// What was sent.
    pub query: Vec<u8>,
    /// From where; None: this place is free.
    pub socket: Option<UdpSocket>,
    /// When.
    pub sent: Instant,
    /// Datagrams of the server that were no reply.
    pub near_misses: u32,
    hash: u64,
    life: u32,
    first: u32,
    last: u32,
}

impl Ask {
    /// What the reply is kept under.
    pub fn key(&self) -> Key<'_> {
        let (qname, is_do, is_cd) = (&self.qname[..], self.is_do, self.is_cd);
        Key { qname, qtype: self.qtype, qclass: 1, is_do, is_cd }
    }
}

/// All of them.
pub struct Asks {
    asks: Vec<Ask>,
    free: Vec<u32>,
    waiters: Vec<Waiter>,
    free_waiters: Vec<u32>,
    by_key: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    hasher: RandomState,
    /// When they are given up.
    pub wheel: Wheel,
}

impl Default for Asks {
    fn default() -> Self {
        Asks {
            asks: Vec::new(),
            free: Vec::new(),
            waiters: Vec::new(),
            free_waiters: Vec::new(),
            by_key: HashMap::default(),
            hasher: RandomState::new(),
            wheel: Wheel::new(ASKS_MAX),
        }
    }
}

/// What is known of a key among the questions in flight.
pub enum Place {
    /// It is in flight under this number.
    InFlight(u32),
    /// It may be asked; this is its hash.
    Free(u64),
    /// There is no room, or another question has the same hash.
    Full,
}

impl Asks {
    /// How many are in flight.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether none is in flight.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// One that is in flight.
    pub fn any(&self) -> Option<u32> {
        self.by_key.values().next().copied()
    }

    /// How many clients wait.
    pub fn waiting(&self) -> usize {
        self.waiters.len() - self.free_waiters.len()
    }

    /// Find the place of *key*.
    pub fn place(&self, key: &Key<'_>) -> Place {
        let hash = self.hasher.hash_one((key.qname, key.qtype, key.is_do, key.is_cd));
        match self.by_key.get(&hash) {
            Some(&number) if self.asks[number as usize].key() == *key => Place::InFlight(number),
            None if self.by_key.len() < ASKS_MAX => Place::Free(hash),
            _ => Place::Full,
        }
    }

    /// Take a place for the question of *key*, whose *hash* is free, sent through *socket*; return
    /// its number.  What is sent has to be put into `query`.
    pub fn begin(
        &mut self,
        key: &Key<'_>,
        hash: u64,
        choice: Choice,
        socket: UdpSocket,
        sent: Instant,
    ) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.asks.push(Ask {
                qname: Vec::with_capacity(256),
                qtype: 0,
                is_do: false,
                is_cd: false,
                choice,
                query: Vec::with_capacity(QUERY_OCTETS_MAX),
                socket: None,
                sent,
                near_misses: 0,
                hash,
                life: 0,
                first: NONE,
                last: NONE,
            });
            (self.asks.len() - 1) as u32
        });
        let ask = &mut self.asks[number as usize];
        ask.qname.clear();
        ask.qname.extend_from_slice(key.qname);
        (ask.qtype, ask.is_do, ask.is_cd) = (key.qtype, key.is_do, key.is_cd);
        (ask.choice, ask.sent, ask.hash) = (choice, sent, hash);
        (ask.near_misses, ask.first, ask.last) = (0, NONE, NONE);
        ask.socket = Some(socket);
        self.by_key.insert(hash, number);
        number
    }

    /// The question in flight of this number.
    pub fn get(&mut self, number: u32) -> &mut Ask {
        &mut self.asks[number as usize]
    }

    /// What tells this use of place *number* from the ones before and after it.
    pub fn token(&self, number: u32) -> u64 {
        u64::from(self.asks[number as usize].life) << 32 | u64::from(number)
    }

    /// The number of the question in flight with this token.
    pub fn of_token(&self, token: u64) -> Option<u32> {
        let number = token as u32;
        let ask = self.asks.get(number as usize)?;
        (ask.socket.is_some() && ask.life == (token >> 32) as u32).then_some(number)
    }

    /// Have a client with *query* wait for question *number*; return its place, None when there is
    /// no room for it.
    pub fn wait(&mut self, number: u32, query: &[u8]) -> Option<u32> {
        let place = match self.free_waiters.pop() {
            Some(place) => place,
            None if self.waiters.len() < WAITERS_MAX => {
                let query = Vec::with_capacity(QUERY_OCTETS_MAX);
                let back = ReturnAddress::default();
                let waiter = Waiter { query, back, facts: ERROR, admitted: None, next: NONE };
                self.waiters.push(waiter);
                (self.waiters.len() - 1) as u32
            }
            None => return None,
        };
        let ask = &mut self.asks[number as usize];
        if ask.first == NONE {
            ask.first = place;
        } else {
            self.waiters[ask.last as usize].next = place;
        }
        ask.last = place;
        let waiter = &mut self.waiters[place as usize];
        waiter.next = NONE;
        waiter.query.clear();
        waiter.query.extend_from_slice(query);
        Some(place)
    }

    /// The waiter at *place*.
    pub fn waiter(&mut self, place: u32) -> &mut Waiter {
        &mut self.waiters[place as usize]
    }

    /// End question *number*: its socket is closed, and its place is kept until `release`.
    pub fn end(&mut self, number: u32) {
        self.wheel.remove(number);
        let ask = &mut self.asks[number as usize];
        ask.socket = None;
        ask.life = ask.life.wrapping_add(1);
        self.by_key.remove(&ask.hash);
    }

    /// The clients that wait for question *number*, from *place* on (None: the first one).
    pub fn next_waiter(&self, number: u32, place: Option<u32>) -> Option<u32> {
        let next = match place {
            None => self.asks[number as usize].first,
            Some(place) => self.waiters[place as usize].next,
        };
        (next != NONE).then_some(next)
    }

    /// Free the place of question *number*, which has ended, and those of its waiters.
    pub fn release(&mut self, number: u32) {
        let mut place = self.asks[number as usize].first;
        while place != NONE {
            self.free_waiters.push(place);
            place = self.waiters[place as usize].next;
        }
        self.asks[number as usize].first = NONE;
        self.free.push(number);
    }
}
