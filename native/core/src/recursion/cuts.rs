//! Whom a question may be asked without more ado: zone cuts and their servers, as Python tells them
//! (`dns_node.net.recursion.native_miss`), and what was seen of the servers since.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::recursion::chance::Chance;

/// Cuts of one generation: of those that were not used lately half are forgotten at a time.
const CUTS_MAX: usize = 8192;
/// Servers that are known at once.
const SERVERS_MAX: usize = 16_384;
/// Servers of one cut among which there is a choice.
const CHOICES_MAX: usize = 13;
/// A cut whose questions had to be handed up so often, and that often out of ten, is forgotten.
const FAILURES_MAX: u32 = 3;
/// Names in a second that may turn out not to exist below one cut, and how many more at once: of
/// what goes beyond Python hears, who bounds it (random names below a zone: water torture).
const ABSENT_PER_S: f64 = 20.0;
const ABSENT_MAX: f64 = 10.0;

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

struct Cut {
    servers: Vec<(u32, u32)>,
    depth_max: usize,
    is_forward: bool,
    expires_s: f64,
    asked: u32,
    failures: u32,
    /// Names that did not exist, less those that time has forgiven until `absent_s`.
    absent: f64,
    absent_s: f64,
}

impl Cut {
    fn absent_at(&self, now_s: f64) -> f64 {
        (self.absent - (now_s - self.absent_s) * ABSENT_PER_S).max(0.0)
    }
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
    /// How long it takes, in microseconds.
    pub rtt_us: u32,
    /// When it was chosen.
    pub chosen_s: f64,
}

/// The cuts and their servers.
#[derive(Default)]
pub struct Cuts {
    /// Those that were used since the others were.
    fresh: HashMap<Box<[u8]>, Cut>,
    old: HashMap<Box<[u8]>, Cut>,
    servers: Vec<Known>,
    numbers: HashMap<SocketAddr, u32>,
}

impl Cuts {
    /// Hold *facts* of the cut at *apex* (in lower case) from now on.  None when the kernel has no
    /// chance to give.
    pub fn put(&mut self, apex: &[u8], facts: &CutFacts, chance: &mut Chance) -> Option<()> {
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
        let old = self.old.remove(apex);
        let old = self.fresh.get(apex).or(old.as_ref());
        let (absent, absent_s) = old.map_or((0.0, 0.0), |cut| (cut.absent, cut.absent_s));
        self.keep(
            apex.into(),
            Cut {
                servers,
                depth_max: facts.depth_max,
                is_forward: facts.is_forward,
                expires_s: facts.expires_s,
                asked: 0,
                failures: 0,
                absent,
                absent_s,
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
                if depth > cut.depth_max {
                    return None;
                }
                if cut.absent > ABSENT_MAX && cut.absent_at(now_s) > ABSENT_MAX {
                    return None;
                }
                cut.asked = cut.asked.saturating_add(1);
                let (server, rtt_us) = choose_server(&cut.servers, chance)?;
                let is_forward = cut.is_forward;
                let zone_octets = apex.len();
                return Some(Choice { server, zone_octets, is_forward, rtt_us, chosen_s: now_s });
            }
            if apex.len() == 1 {
                return None;
            }
            at += 1 + usize::from(apex[0]);
            depth += 1;
        }
    }

    /// A question at the cut *apex* had to be handed up; *is_dead*: its server is silent.
    pub fn note_failure(&mut self, apex: &[u8], is_dead: bool) {
        let Some(cut) = self.fresh.get_mut(apex) else { return };
        cut.failures += 1;
        if is_dead || cut.failures >= FAILURES_MAX && cut.failures >= cut.asked / 10 {
            self.fresh.remove(apex);
        }
    }

    /// A name below the cut *apex* does not exist.
    pub fn note_absent(&mut self, apex: &[u8], now_s: f64) {
        let Some(cut) = self.fresh.get_mut(apex) else { return };
        cut.absent = cut.absent_at(now_s) + 1.0;
        cut.absent_s = now_s;
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

/// One of the servers that take hardly longer than the best one: a choice is one thing more that
/// has to be guessed.
fn choose_server(servers: &[(u32, u32)], chance: &mut Chance) -> Option<(u32, u32)> {
    let best_us = servers.iter().map(|server| server.1).min()?;
    let limit_us = best_us + best_us / 2 + 5000;
    let good = servers.iter().filter(|server| server.1 <= limit_us);
    let count = good.clone().count();
    let number = if count > 1 { chance.below(count)? } else { 0 };
    good.copied().nth(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &[u8] = b"\x07example\0";

    fn server(port: u16, rtt_us: u32) -> AskedServer {
        AskedServer {
            address: SocketAddr::from(([192, 0, 2, 1], port)),
            rtt_us,
            manner: Manner { has_edns: true, has_cookie: true, mixes_case: true },
        }
    }

    fn facts(servers: Vec<AskedServer>) -> CutFacts {
        CutFacts { servers, depth_max: 1, is_forward: false, expires_s: 100.0 }
    }

    #[test]
    fn the_deepest_cut_says_who_is_asked_and_a_name_far_below_it_is_handed_up() {
        let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
        cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), &mut chance).unwrap();
        cuts.put(b"\x06signed\x07example\0", &facts(vec![]), &mut chance).unwrap();
        let mut zone_of =
            |name: &[u8], now_s| Some(cuts.choose(name, now_s, &mut chance)?.zone_octets);
        assert_eq!(zone_of(b"\x03www\x07example\0", 0.0), Some(9));
        assert_eq!(zone_of(EXAMPLE, 0.0), Some(9));
        assert_eq!(zone_of(b"\x01a\x03www\x07example\0", 0.0), None);
        assert_eq!(zone_of(b"\x03www\x06signed\x07example\0", 0.0), None);
        assert_eq!(zone_of(b"\x03www\x05other\0", 0.0), None);
        assert_eq!(zone_of(b"\0", 0.0), None);
        assert_eq!(zone_of(EXAMPLE, 100.0), None);
    }

    #[test]
    fn one_of_the_quick_servers_is_asked() {
        let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
        let servers = vec![server(1, 10_000), server(2, 12_000), server(3, 900_000)];
        cuts.put(EXAMPLE, &facts(servers), &mut chance).unwrap();
        let mut asked = [0; 3];
        for _ in 0..200 {
            let choice = cuts.choose(EXAMPLE, 0.0, &mut chance).unwrap();
            asked[usize::from(cuts.server(choice.server).address.port()) - 1] += 1;
        }
        assert!(asked[0] > 50 && asked[1] > 50 && asked[2] == 0, "{asked:?}");
    }

    #[test]
    fn a_cut_that_fails_often_or_is_silent_is_forgotten() {
        let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
        for is_dead in [false, true] {
            cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), &mut chance).unwrap();
            for _ in 0..if is_dead { 1 } else { FAILURES_MAX } {
                assert!(cuts.choose(EXAMPLE, 0.0, &mut chance).is_some());
                cuts.note_failure(EXAMPLE, is_dead);
            }
            assert!(cuts.choose(EXAMPLE, 0.0, &mut chance).is_none());
        }
    }

    #[test]
    fn random_names_below_a_cut_are_handed_up_for_a_while() {
        let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
        let example = facts(vec![server(1, 10)]);
        cuts.put(EXAMPLE, &example, &mut chance).unwrap();
        let mut asked = 0;
        for tick in 0..2000 {
            let now_s = f64::from(tick) / 1000.0;
            if let Some(choice) = cuts.choose(EXAMPLE, now_s, &mut chance) {
                asked += 1;
                cuts.note_absent(EXAMPLE, choice.chosen_s);
            }
            // Hearing of it anew from Python forgives nothing.
            cuts.put(EXAMPLE, &example, &mut chance).unwrap();
        }
        assert!((40..=60).contains(&asked), "{asked}");
        assert!(cuts.choose(EXAMPLE, 3.0, &mut chance).is_some());
    }

    #[test]
    fn the_number_of_cuts_and_servers_is_bounded_and_what_is_used_stays() {
        let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
        cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), &mut chance).unwrap();
        for number in 0..3 * CUTS_MAX as u32 {
            let mut name = vec![4];
            name.extend(number.to_be_bytes());
            name.push(0);
            let port = (number / 4) as u16;
            cuts.put(&name, &facts(vec![server(port, 10)]), &mut chance).unwrap();
            assert!(cuts.choose(EXAMPLE, 0.0, &mut chance).is_some());
            assert!(cuts.len() <= 2 * CUTS_MAX && cuts.servers.len() <= SERVERS_MAX);
        }
    }

    #[test]
    fn a_server_that_has_told_its_cookie_has_to_tell_it_again() {
        let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
        cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), &mut chance).unwrap();
        let choice = cuts.choose(EXAMPLE, 0.0, &mut chance).unwrap();
        let known = cuts.server(choice.server);
        let ours = known.cookie().to_vec();
        assert_eq!(ours.len(), CLIENT_COOKIE_OCTETS);
        assert!(known.take_cookie(None) && known.take_cookie(Some(&ours)));
        let whole = [&ours[..], &[7; 16]].concat();
        assert!(known.take_cookie(Some(&whole)));
        assert_eq!(known.cookie(), whole);
        assert!(!known.take_cookie(None) && !known.take_cookie(Some(&[0; 24])));
    }
}
