//! `respond`: what a worker does with one request (`dns_node.answer.respond`).

use std::net::IpAddr;

use crate::access::Networks;
use crate::snapshot::Snapshot;

/// Who asks: the address and port that the query came from, and whether it came over a stream.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The source address (behind a listed proxy, the inner one).
    pub address: IpAddr,
    /// The source port; nobody can be answered at 0.
    pub port: u16,
    /// Whether the query came over a stream.
    pub is_tcp: bool,
}

/// What answers depend on beside the zones (`AnswerSettings`).
#[derive(Clone, Debug)]
pub struct Settings {
    /// What NSID and id.server tell; empty tells nothing.
    pub identity: Vec<u8>,
    /// What version.bind tells; empty tells nothing.
    pub version: Vec<u8>,
    /// Who may ask.
    pub query: Networks,
    /// What a TCP client hears that asks for it (RFC 7828).
    pub idle_timeout_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            identity: Vec::new(),
            version: Vec::new(),
            query: Networks::any(),
            idle_timeout_s: 10,
        }
    }
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The reply is the first octets of the output, this many.
    Reply(usize),
    /// Nothing is sent: the octets are no request, or nobody could get the reply.
    Drop,
    /// The Python definition answers.
    Punt,
}

/// Room that `respond` works in, kept from one packet to the next so that nothing is allocated.
#[derive(Default)]
pub struct Scratch {}

/// Decide on the request *query* from the zones of *view* (None while there is no store).
///
/// *out* takes the reply: at least 1,232 octets over UDP, 65,535 over TCP.  Never panics on any
/// octets.
pub fn respond(
    query: &[u8],
    view: Option<&Snapshot<'_>>,
    client: &Client,
    now_s: f64,
    settings: &Settings,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Decision {
    let _ = (query, view, client, now_s, settings, scratch, out);
    Decision::Punt
}
