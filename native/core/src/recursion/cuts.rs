//! Whom a question may be asked without more ado: zone cuts and their servers, as Python tells them
//! (`dns_node.net.recursion.native_miss`), and what was seen of the servers since.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use crate::recursion::chance::Chance;

/// Cuts of one generation: of those that were not used lately half are forgotten at a time.
const CUTS_MAX: usize = 8192;
/// Servers that are known at once.
const SERVERS_MAX: usize = 16_384;
/// Servers of one cut among which there is a choice.
const CHOICES_MAX: usize = 13;
/// A cut whose questions had to be handed up so often, and one of ten, is left alone.
const FAILURES_MAX: u32 = 3;
/// How long.
const REST_S: f64 = 60.0;
/// Slower servers are Python's to wait for.
const RTT_US_MAX: u32 = 800_000;
/// Questions that wait at one cut whose servers have been silent for so long; of what goes beyond,
/// here and below, Python hears, who bounds it.
const OUTSTANDING_MAX: u32 = 100;
const SILENCE_S: f64 = 0.1;
/// Questions in a second for names below one cut that may bring nothing, and how many more at once
/// (random names below a zone: water torture).
const FRUITLESS_PER_S: f64 = 50.0;
const FRUITLESS_MAX: f64 = 30.0;

/// Octets of a cookie option, ours and the server's part.
const COOKIE_OCTETS_MAX: usize = 40;
/// Octets of our part.
pub const CLIENT_COOKIE_OCTETS: usize = 8;

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// With an OPT record.
    pub has_edns: bool,
    /// With a COOKIE option.
    pub has_cookie: bool,
    /// With letters of mixed case.
    pub mixes_case: bool,
}

/// A server of a cut.
#[derive(Clone, Copy, Debug)]
pub struct AskedServer {
    /// Where it is.
    pub address: SocketAddr,
    /// How long it takes, in microseconds.
    pub rtt_us: u32,
    /// How it is asked.
    pub manner: Manner,
}

/// What is to be known of a cut.
#[derive(Clone, Debug)]
pub struct CutFacts {
    /// Who is asked; nobody: questions below are handed up.
    pub servers: Vec<AskedServer>,
    /// Names with more labels than that below the cut are handed up.
    pub depth_max: usize,
    /// The servers are resolvers, which are asked with RD and answer from any zone.
    pub is_forward: bool,
    /// Until when it holds (Unix time).
    pub expires_s: f64,
}

/// What happens at a cut just now: see `dns_node.resolver.cut_load`, whose bounds these are.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    outstanding: u32,
    answered_s: f64,
    fruitless: f64,
    fruitless_s: f64,
    asked: u32,
    failures: u32,
}

struct Cut {
    servers: Vec<(u32, u32)>,
    depth_max: usize,
    is_forward: bool,
    expires_s: f64,
    load: Load,
    /// It is not to be asked, whoever says so, until it expires.
    is_resting: bool,
}

/// What was seen of a server since Python asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Questions it answered.
    pub answered: u32,
    /// Questions it did not answer in time.
    pub failed: u32,
    /// Datagrams from its address that were no reply.
    pub near_misses: u32,
    /// How long all the answers took together.
    pub rtt_us: u64,
}

/// A server, how it is asked and what is remembered of it.
pub struct Known {
    /// Where it is.
    pub address: SocketAddr,
    /// How it is asked.
    pub manner: Manner,
    cookie: [u8; COOKIE_OCTETS_MAX],
    cookie_octets: usize,
    seen: Seen,
}

impl Known {
    /// The COOKIE option it is asked with: our part and, once it has told it, its own.
    pub fn cookie(&self) -> &[u8] {
        &self.cookie[..self.cookie_octets]
    }

    /// Take the COOKIE option of a reply; false when the reply can't be from this server (RFC 7873
    /// section 5.3).
    pub fn take_cookie(&mut self, option: Option<&[u8]>) -> bool {
        match option {
            // One that has told a cookie tells it always.
            None => self.cookie_octets <= CLIENT_COOKIE_OCTETS,
            Some(option) => {
                let is_ours = self.cookie_octets >= CLIENT_COOKIE_OCTETS
                    && option.len() <= COOKIE_OCTETS_MAX
                    && option.starts_with(&self.cookie[..CLIENT_COOKIE_OCTETS]);
                if is_ours && option.len() >= 2 * CLIENT_COOKIE_OCTETS {
                    self.cookie[..option.len()].copy_from_slice(option);
                    self.cookie_octets = option.len();
                }
                is_ours
            }
        }
    }
}

/// Who is asked for a name.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The server, for `Cuts::server`.
    pub server: u32,
    /// Octets of the zone's name, at the end of the name.
    pub zone_octets: usize,
    /// The server is a resolver.
    pub is_forward: bool,
    /// There is no other one.
    pub is_alone: bool,
    /// How long it takes, in microseconds.
    pub rtt_us: u32,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is an answer.
    Answered,
    /// There is none, for the name does not exist.
    NxDomain,
    /// What came has to be handed up.
    HandedUp,
    /// Nothing came.
    Silence,
}

/// The cuts and their servers.
#[derive(Default)]
pub struct Cuts {
    /// Names at and below which all is handed up, unless there is a cut below them.
    handed_up: HashSet<Box<[u8]>>,
    /// Those that were used since the others were.
    fresh: HashMap<Box<[u8]>, Cut>,
    old: HashMap<Box<[u8]>, Cut>,
    servers: Vec<Known>,
    numbers: HashMap<SocketAddr, u32>,
}

impl Cuts {
    /// Hand up all that is at and below *names*, unless there is a cut at or below them.
    pub fn hand_up(&mut self, names: impl Iterator<Item = Box<[u8]>>) {
        self.handed_up = names.collect();
    }

    /// Hold *facts* of the cut at *apex* (in lower case) from now on.  None when the kernel has no
    /// chance to give.
    pub fn put(
        &mut self,
        apex: &[u8],
        facts: &CutFacts,
        now_s: f64,
        chance: &mut Chance,
    ) -> Option<()> {
        let known = self.fresh.get(apex).or_else(|| self.old.get(apex));
        if known.is_some_and(|cut| cut.is_resting && now_s < cut.expires_s) {
            return Some(());
        }
        let load = known.filter(|cut| !cut.is_resting).map_or(Load::default(), |cut| cut.load);
        if self.numbers.len() + facts.servers.len() > SERVERS_MAX {
            // Questions in flight have numbers of servers; these stay what they are.
            self.fresh.clear();
            self.old.clear();
            self.numbers.clear();
        }
        let mut servers = Vec::with_capacity(facts.servers.len().min(CHOICES_MAX));
        for server in facts.servers.iter().take(CHOICES_MAX) {
            servers.push((self.number_of(server, chance)?, server.rtt_us));
        }
        self.old.remove(apex);
        self.keep(
            apex.into(),
            Cut {
                servers,
                depth_max: facts.depth_max,
                is_forward: facts.is_forward,
                expires_s: facts.expires_s,
                load,
                is_resting: false,
            },
        );
        Some(())
    }

    fn keep(&mut self, apex: Box<[u8]>, cut: Cut) {
        if self.fresh.len() >= CUTS_MAX {
            self.old = std::mem::take(&mut self.fresh);
        }
        self.fresh.insert(apex, cut);
    }

    fn number_of(&mut self, server: &AskedServer, chance: &mut Chance) -> Option<u32> {
        if let Some(&number) = self.numbers.get(&server.address) {
            let known = &mut self.servers[number as usize];
            known.manner = server.manner;
            if !server.manner.has_cookie {
                known.cookie_octets = 0;
            } else if known.cookie_octets == 0 {
                known.cookie_octets = CLIENT_COOKIE_OCTETS;
            }
            return Some(number);
        }
        let mut cookie = [0; COOKIE_OCTETS_MAX];
        cookie[..CLIENT_COOKIE_OCTETS].copy_from_slice(&chance.octets::<CLIENT_COOKIE_OCTETS>()?);
        let cookie_octets = if server.manner.has_cookie { CLIENT_COOKIE_OCTETS } else { 0 };
        let known = Known {
            address: server.address,
            manner: server.manner,
            cookie,
            cookie_octets,
            seen: Seen::default(),
        };
        let number = self.numbers.len() as u32;
        // After all were forgotten their places are used again.
        match self.servers.get_mut(number as usize) {
            Some(place) => *place = known,
            None => self.servers.push(known),
        }
        self.numbers.insert(server.address, number);
        Some(number)
    }

    /// Forget all cuts, as when the settings change.
    pub fn clear(&mut self) {
        self.fresh.clear();
        self.old.clear();
    }

    /// Forget the cuts at and below *apex*.
    pub fn remove_subtree(&mut self, apex: &[u8]) {
        let is_other = |name: &[u8]| !crate::name::is_at_or_below(name, apex);
        self.fresh.retain(|name, _| is_other(name));
        self.old.retain(|name, _| is_other(name));
    }

    /// The number of cuts that are held.
    pub fn len(&self) -> usize {
        self.fresh.len() + self.old.len()
    }

    /// Whether there is no cut.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Choose whom to ask for *qname* (in lower case); None when it has to be handed up.
    pub fn choose(&mut self, qname: &[u8], now_s: f64, chance: &mut Chance) -> Option<Choice> {
        if self.is_empty() {
            return None;
        }
        let (mut at, mut depth) = (0, 0);
        loop {
            let apex = &qname[at..];
            if !self.fresh.contains_key(apex) {
                if let Some((apex, cut)) = self.old.remove_entry(apex) {
                    self.keep(apex, cut);
                }
            }
            if let Some(cut) = self.fresh.get_mut(apex) {
                if cut.expires_s <= now_s {
                    self.fresh.remove(apex);
                    return None;
                }
                if depth > cut.depth_max || cut.is_flooded(now_s) {
                    return None;
                }
                let (server, rtt_us) = cut.choose(chance)?;
                cut.load.asked = cut.load.asked.saturating_add(1);
                cut.load.outstanding += 1;
                let (is_forward, is_alone) = (cut.is_forward, cut.servers.len() == 1);
                let zone_octets = apex.len();
                return Some(Choice { server, zone_octets, is_forward, is_alone, rtt_us });
            }
            if apex.len() == 1 || self.handed_up.contains(apex) {
                return None;
            }
            at += 1 + usize::from(apex[0]);
            depth += 1;
        }
    }

    /// A question at the cut *apex* has come to its end.
    pub fn note_end(&mut self, apex: &[u8], end: End, now_s: f64) {
        let Some(cut) = self.fresh.get_mut(apex) else { return };
        let load = &mut cut.load;
        load.outstanding = load.outstanding.saturating_sub(1);
        if end != End::Silence {
            load.answered_s = now_s;
        }
        if end != End::Answered && !cut.is_forward {
            let passed = (now_s - load.fruitless_s) * FRUITLESS_PER_S;
            load.fruitless = (load.fruitless - passed).max(0.0) + 1.0;
            load.fruitless_s = now_s;
        }
        match end {
            End::Answered | End::NxDomain => (),
            // It is Python's to say when it may be asked again.
            End::Silence => drop(self.fresh.remove(apex)),
            End::HandedUp => {
                load.failures += 1;
                if load.failures >= FAILURES_MAX && load.failures > load.asked / 10 {
                    cut.servers.clear();
                    (cut.is_resting, cut.expires_s) = (true, now_s + REST_S);
                }
            }
        }
    }

    /// A server by its number.
    pub fn server(&mut self, number: u32) -> &mut Known {
        &mut self.servers[number as usize]
    }

    /// Take note of what was seen of a server.
    pub fn note(&mut self, number: u32, note: impl FnOnce(&mut Seen)) {
        note(&mut self.servers[number as usize].seen);
    }

    /// Tell what was seen of each server since the last time.
    pub fn drain_seen(&mut self, mut tell: impl FnMut(SocketAddr, Seen)) {
        for server in &mut self.servers {
            let seen = std::mem::take(&mut server.seen);
            if seen != Seen::default() {
                tell(server.address, seen);
            }
        }
    }
}

impl Cut {
    /// One of the servers that take hardly longer than the best one: a choice is one thing more
    /// that has to be guessed.
    fn choose(&self, chance: &mut Chance) -> Option<(u32, u32)> {
        let best_us = self.servers.iter().map(|server| server.1).min()?;
        if best_us > RTT_US_MAX {
            return None;
        }
        let limit_us = best_us + best_us / 2 + 5000;
        let good = self.servers.iter().filter(|server| server.1 <= limit_us);
        let count = good.clone().count();
        let number = if count > 1 { chance.below(count)? } else { 0 };
        good.copied().nth(number)
    }

    fn is_flooded(&self, now_s: f64) -> bool {
        if self.is_forward {
            return false;
        }
        let load = &self.load;
        let passed = (now_s - load.fruitless_s) * FRUITLESS_PER_S;
        let is_silent = now_s - load.answered_s > SILENCE_S;
        load.fruitless - passed > FRUITLESS_MAX || load.outstanding >= OUTSTANDING_MAX && is_silent
    }
}

#[cfg(test)]
mod tests;
