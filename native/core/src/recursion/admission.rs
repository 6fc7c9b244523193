//! Whose questions are asked when there are many (`dns_node.net.recursion.admission`): Python and
//! the core count in the same places, one after the other.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::shared_block::{SharedBlock, Table, QUESTION_SLOTS};

/// An IPv6 client may have any address of its network.
const IPV6_PREFIX: u32 = 64;

/// The limits in force.
#[derive(Clone, Copy, Debug)]
pub struct QuestionLimits {
    /// Questions of one worker.
    pub questions: u64,
    /// Of one client, of whom nobody knows whether it exists.
    pub per_client: u64,
    /// Of one that receives what is sent to its address.
    pub per_known_client: u64,
    /// For one name and type.
    pub per_name: u64,
}

impl Default for QuestionLimits {
    fn default() -> Self {
        QuestionLimits { questions: 512, per_client: 200, per_known_client: 2000, per_name: 100 }
    }
}

/// What a question was too much for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The worker.
    Worker,
    /// The client.
    Client,
    /// The name.
    Name,
}

/// One question that is counted: its places in the tables of clients and names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admitted {
    client: usize,
    name: usize,
}

/// Count a question of the client at *address*, of whom *is_known* says that it receives what is
/// sent there; or return what it is too much for.
pub fn admit(
    block: &SharedBlock<'_>,
    limits: &QuestionLimits,
    address: IpAddr,
    is_known: bool,
    (qname, qtype): (&[u8], u16),
) -> Result<Admitted, Excess> {
    if block.questions() >= limits.questions {
        return Err(Excess::Worker);
    }
    let admitted = Admitted {
        client: client_slot(block.hash_key(), address),
        name: name_slot(block.hash_key(), qname, qtype),
    };
    let per_client = if is_known { limits.per_known_client } else { limits.per_client };
    if block.sum(Table::Clients, admitted.client) >= per_client {
        return Err(Excess::Client);
    }
    if block.sum(Table::Names, admitted.name) >= limits.per_name {
        return Err(Excess::Name);
    }
    count(block, admitted, 1);
    Ok(admitted)
}

/// Count a question's end.
pub fn release(block: &SharedBlock<'_>, admitted: Admitted) {
    count(block, admitted, -1);
}

fn count(block: &SharedBlock<'_>, admitted: Admitted, number: i16) {
    block.add_questions(number.into());
    block.add(Table::Clients, admitted.client, number);
    block.add(Table::Names, admitted.name, number);
}

fn client_slot(key: &[u8; 16], address: IpAddr) -> usize {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(&[0]);
    match address.to_canonical() {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => {
            let shift = 128 - IPV6_PREFIX;
            hasher.write(&(u128::from(address) >> shift << shift).to_be_bytes());
        }
    }
    slot(&hasher)
}

fn name_slot(key: &[u8; 16], qname: &[u8], qtype: u16) -> usize {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(&[1]);
    hasher.write(&qtype.to_be_bytes());
    hasher.write(qname);
    slot(&hasher)
}

fn slot(hasher: &SipHasher24) -> usize {
    // The digest's first two octets, it being little-endian.
    hasher.finish() as u16 as usize % QUESTION_SLOTS
}
