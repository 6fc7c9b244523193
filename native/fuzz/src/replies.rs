//! What servers may say, and what must hold of what is kept of it.
//!
//! An input is an octet (who is asked), then a reply to the question for `QNAME`.

use dns_node_core::kept_reply::{KeptReply, Key};
use dns_node_core::recursion::reply::Asked;
use dns_node_core::recursion::Misses;

/// The name that is asked for.
pub const QNAME: &[u8] = b"\x03www\x07example\0";
const ZONE_OCTETS: usize = 9;
const IS_FORWARD: u8 = 1;
const QTYPES: [u16; 4] = [1, 28, 15, 16];
const NOW_S: f64 = 1_750_000_000.0;

/// Replies that make sense, to begin with: an octet, then flags, counts and all that is behind the
/// question.
const SEEDS: [(u8, &[u8], &[u8]); 8] = [
    // An address, twice, with EDNS.
    (
        0,
        b"\x84\0\0\x01\0\x02\0\0\0\x01",
        b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\xC0\0\x02\x01\
          \xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\xC0\0\x02\x02\
          \0\0\x29\x04\xD0\0\0\0\0\0\x0C\0\x0A\0\x08abcdefgh",
    ),
    // An alias within the zone, and what it leads to.
    (
        0,
        b"\x84\0\0\x01\0\x02\0\0\0\0",
        b"\xC0\x0C\0\x05\0\x01\0\0\0\x3C\0\x04\x01b\xC0\x10\
          \x01b\xC0\x10\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01",
    ),
    // No such name.
    (
        0,
        b"\x84\x03\0\x01\0\0\0\x01\0\0",
        b"\xC0\x10\0\x06\0\x01\0\0\x0E\x10\0\x1E\x02ns\xC0\x10\x01h\xC0\x10\
          \0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\x01\x2C",
    ),
    // A mail exchange, its address, and the zone's servers.
    (
        2 << 1,
        b"\x84\0\0\x01\0\x01\0\x01\0\x01",
        b"\xC0\x0C\0\x0F\0\x01\0\0\0\x3C\0\x07\0\x0A\x02mx\xC0\x10\
          \xC0\x10\0\x02\0\x01\0\0\0\x3C\0\x05\x02ns\xC0\x10\
          \x02mx\xC0\x10\0\x01\0\x01\0\0\0\x3C\0\x04\xC0\0\x02\x01",
    ),
    (3 << 1, b"\x84\0\0\x01\0\x01\0\0\0\0", b"\xC0\x0C\0\x10\0\x01\0\0\0\x3C\0\x06\x05hello"),
    (
        1 << 1,
        b"\x84\0\0\x01\0\x01\0\0\0\0",
        b"\xC0\x0C\0\x1C\0\x01\0\0\0\x3C\0\x100123456789abcdef",
    ),
    // A resolver's answer.
    (IS_FORWARD, b"\x81\x80\0\x01\0\x01\0\0\0\0", b"\xC0\x0C\0\x01\0\x01\0\0\0\x3C\0\x04abcd"),
    // A referral.
    (0, b"\x80\0\0\x01\0\0\0\x01\0\0", b"\xC0\x0C\0\x02\0\x01\0\0\0\x3C\0\x05\x02ns\xC0\x10"),
];

/// The inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let compose = |(who, head, rest): &(u8, &[u8], &[u8])| {
        let qtype = qtype(*who);
        [&[*who, 0x12, 0x34], *head, QNAME, &qtype.to_be_bytes(), &[0, 1], *rest].concat()
    };
    SEEDS.iter().map(compose).collect()
}

fn qtype(who: u8) -> u16 {
    QTYPES[usize::from(who >> 1) % QTYPES.len()]
}

/// Judge one reply after another.
pub struct ReplyBench {
    misses: Misses,
    /// How many were taken.
    pub taken: u64,
}

impl Default for ReplyBench {
    fn default() -> Self {
        ReplyBench { misses: Misses::new().expect("descriptors"), taken: 0 }
    }
}

impl ReplyBench {
    /// Judge one input, and panic when what is kept is no message for the cache.
    pub fn judge(&mut self, input: &[u8]) {
        let Some((&who, message)) = input.split_first() else { return };
        let (qtype, is_forward) = (qtype(who), who & IS_FORWARD != 0);
        let zone_octets = if is_forward { 1 } else { ZONE_OCTETS };
        // `is_reply` has seen to that.
        let question = [QNAME, &qtype.to_be_bytes(), &[0, 1]].concat();
        if message.get(12..12 + question.len()) != Some(&question[..]) {
            return;
        }
        let asked = Asked { qname: QNAME, qtype, zone_octets, is_forward };
        let Some(kept) = self.misses.judge(message, &asked) else { return };
        self.taken += 1;
        assert!(message[2] & 0x82 == 0x80, "a query, or a part of a reply");
        assert!(is_forward || message[2] & 4 != 0, "not the zone's word");
        assert!(kept.octets.len() <= 65_535 && kept.ttl_s > 0 && kept.ttl_s <= 86_400);
        let key = Key { qname: QNAME, qtype, qclass: 1, is_do: false, is_cd: false };
        let entry = KeptReply::new(&key, kept.octets, kept.ttl_s, NOW_S, None);
        assert!(entry.is_some(), "the cache does not take it");
        super::check_form(message, kept.octets);
    }
}
