//! `respond`: what a worker does with one request (`dns_node.answer.respond`).

use std::net::IpAddr;

use crate::access::Networks;
use crate::cookies::CookieSecrets;
use crate::edns::{
    payload_size_octets_max, INVALID_QUERY_TYPE, NOT_AUTHORITATIVE, NOT_READY, OTHER_ERROR,
    PROHIBITED,
};
use crate::exchange::{Exchange, AA, RD, TC};
use crate::lookup::{look_up, Owners, Wishes, REFUSED};
use crate::message::{finish, Message, Suffixes};
use crate::pages::Damage;
use crate::query::{FORMERR, HEADER_SIZE_OCTETS, NOERROR, QUERY};
use crate::rate::Kind;
use crate::sections::{recycle, Entry, Names, Place, Sections, ANSWER, AUTHORITY};
use crate::snapshot::Snapshot;

const IN: u16 = 1;
const CHAOS: u16 = 3;
const TXT: u16 = 16;
const ANY: u16 = 255;

const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;
const NOTAUTH: u16 = 9;
const BADCOOKIE: u16 = 23;

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
    /// Whose questions are resolved.
    pub recursion: Networks,
    /// What a TCP client hears that asks for it (RFC 7828).
    pub idle_timeout_s: u32,
    /// What server cookies are made with; without any, COOKIE options are like unknown ones.
    pub cookie_secrets: CookieSecrets,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            identity: Vec::new(),
            version: Vec::new(),
            query: Networks::any(),
            recursion: Networks::default(),
            idle_timeout_s: 10,
            cookie_secrets: CookieSecrets::default(),
        }
    }
}

/// What is known of a reply beside its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it is counted as where replies are limited.
    pub kind: Kind,
    /// There is a COOKIE option in it.
    pub has_cookie: bool,
    /// The COOKIE of the query was good: the client receives what is sent to its address.
    pub has_good_cookie: bool,
}

/// An error to a client without cookies.
pub const ERROR: Facts = Facts { kind: Kind::Error, has_cookie: false, has_good_cookie: false };

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The reply is this many octets of the output.
    Reply(usize),
    /// Nothing is sent: the octets are no request, or nobody could get the reply.
    Drop,
    /// The Python definition answers.
    Punt,
    /// The reply is sent later (`recursion`), or Python is handed the query then.
    Wait,
}

/// Room that `respond` works in, kept from one packet to the next so that nothing is allocated.
pub struct Scratch {
    names: Names,
    entries: Vec<Entry<'static>>,
    owners: Owners,
    suffixes: Suffixes,
    pub(crate) subject: Option<Place>,
    pub(crate) facts: Facts,
    /// The punt is of a question that no zone of ours has a part of the answer to, and that the
    /// client may have resolved.
    pub(crate) is_to_resolve: bool,
    /// No zone of ours encloses the name of that question.
    pub(crate) is_outside: bool,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            names: Names::default(),
            entries: Vec::new(),
            owners: Owners::default(),
            suffixes: Suffixes::default(),
            subject: None,
            facts: ERROR,
            is_to_resolve: false,
            is_outside: false,
        }
    }
}

impl Scratch {
    /// What is known of the last reply.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The name that the last reply is counted under: the root for an error.
    pub fn subject(&self) -> &[u8] {
        self.subject.map_or(b"\0", |place| self.names.get(place))
    }
}

/// Decide on the request *octets* from the zones of *view* (None while there is no store).
///
/// *now_s* is Unix time.  *out* takes the reply: at least 1,232 octets over UDP, 65,535 over TCP.
/// Never panics on any octets.
pub fn respond(
    octets: &[u8],
    view: Option<&Snapshot<'_>>,
    client: &Client,
    now_s: f64,
    settings: &Settings,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Decision {
    let exchange = match Exchange::begin(octets, client, now_s, settings, scratch, out) {
        Ok(exchange) => exchange,
        Err(decision) => return decision,
    };
    exchange.answer(view, scratch, out).unwrap_or(Decision::Punt)
}

/// Return the reply to a query that could not be answered because of a fault of ours.
pub fn respond_servfail(
    octets: &[u8],
    client: &Client,
    now_s: f64,
    settings: &Settings,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Decision {
    match Exchange::begin(octets, client, now_s, settings, scratch, out) {
        Ok(exchange) => exchange.error(SERVFAIL, Some(OTHER_ERROR), 0, out),
        Err(decision) => decision,
    }
}

/// Return the short reply to a query that had too many answers: BADCOOKIE brings a true client
/// that knows cookies a good one (RFC 7873 section 5.2.3), TC the others to TCP.
pub fn respond_limited(
    octets: &[u8],
    client: &Client,
    now_s: f64,
    settings: &Settings,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Decision {
    match Exchange::begin(octets, client, now_s, settings, scratch, out) {
        Ok(exchange) if exchange.cookie.is_there() => exchange.error(BADCOOKIE, None, 0, out),
        Ok(exchange) => exchange.error(NOERROR, None, TC, out),
        Err(decision) => decision,
    }
}

impl Exchange<'_> {
    fn answer(
        &self,
        view: Option<&Snapshot<'_>>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<Decision, Damage> {
        let query = &self.query;
        if query.rcode != NOERROR {
            return Ok(self.error(query.rcode, None, 0, out));
        }
        if !self.settings.query.lists(self.client.address) {
            return Ok(self.error(REFUSED, Some(PROHIBITED), 0, out));
        }
        if query.question.is_empty() {
            let rcode = if self.cookie.is_bad { BADCOOKIE } else { NOERROR };
            return Ok(self.error(rcode, None, 0, out));
        }
        if query.opcode != QUERY {
            let rcode = self.rcode_of_opcode(view, scratch)?;
            return Ok(self.error(rcode, None, 0, out));
        }
        if query.qclass != IN {
            return Ok(self.answer_other_class(scratch, out));
        }
        if let Some(rcode) = rcode_without_data(query.qtype) {
            let info = (rcode == FORMERR).then_some(INVALID_QUERY_TYPE);
            return Ok(self.error(rcode, info, 0, out));
        }
        let Some(view) = view else {
            return Ok(self.error(REFUSED, Some(NOT_READY), 0, out));
        };
        self.answer_from(view, scratch, out)
    }

    /// NOTIFY and UPDATE: NOTAUTH where the zone is not ours (RFC 2136 section 3.1.2).
    fn rcode_of_opcode(
        &self,
        view: Option<&Snapshot<'_>>,
        scratch: &mut Scratch,
    ) -> Result<u16, Damage> {
        let Some(view) = view else { return Ok(NOTAUTH) };
        if self.query.qclass != IN {
            return Ok(NOTAUTH);
        }
        let qname = scratch.names.put_question(self.query.qname());
        let owner = scratch.owners.name();
        if !owner.set(scratch.names.get(qname)) {
            return Err(Damage("the question"));
        }
        // No zone of ours is a secondary, nor takes updates.
        let depth = owner.depth();
        Ok(if view.is_apex(owner, depth)? { REFUSED } else { NOTAUTH })
    }

    fn answer_other_class(&self, scratch: &mut Scratch, out: &mut [u8]) -> Decision {
        let query = &self.query;
        let qname = scratch.names.put_question(query.qname());
        let text: &[u8] = match scratch.names.get(qname) {
            _ if query.qclass != CHAOS || !matches!(query.qtype, TXT | ANY) => &[],
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => &self.settings.version,
            b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => &self.settings.identity,
            _ => &[],
        };
        if text.is_empty() {
            return self.error(REFUSED, None, 0, out);
        }
        let text = &text[..text.len().min(255)];
        let opt = self.opt(NOERROR, None);
        let question_end = HEADER_SIZE_OCTETS + query.question.len();
        let start = question_end + 12;
        let end = start + 1 + text.len();
        out[HEADER_SIZE_OCTETS..question_end].copy_from_slice(query.question);
        let size = text.len() as u8;
        let fixed = [0xC0, 12, 0, TXT as u8, 0, CHAOS as u8, 0, 0, 0, 0];
        out[question_end..start - 2].copy_from_slice(&fixed);
        out[start - 2..start].copy_from_slice(&(u16::from(size) + 1).to_be_bytes());
        out[start] = size;
        out[start + 1..end].copy_from_slice(text);
        scratch.subject = Some(qname);
        scratch.facts.kind = Kind::Answer;
        let flags = self.flags(NOERROR) | AA;
        let counts = [1, 1, 0, u16::from(query.edns.is_some())];
        Decision::Reply(finish(out, query.message_id, flags, counts, end, opt.octets()))
    }

    fn answer_from(
        &self,
        view: &Snapshot<'_>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<Decision, Damage> {
        let query = &self.query;
        let is_do = query.edns.is_some_and(|edns| edns.is_do);
        let size_max = payload_size_octets_max(query.edns.as_ref(), self.client.is_tcp);
        if out.len() < size_max {
            return Ok(Decision::Punt);
        }
        let qname = scratch.names.put_question(query.qname());
        let entries = recycle(std::mem::take(&mut scratch.entries));
        let mut sections = Sections::new(&mut scratch.names, entries);
        let wishes = Wishes { is_do, leads_onward: self.may_recurse && query.flags & RD != 0 };
        let found = look_up(view, qname, query.qtype, wishes, &mut scratch.owners, &mut sections);
        let Sections { rcode, is_authoritative, subject, onward, mut entries, .. } = sections;
        if found.is_ok() && onward.is_some() {
            scratch.is_to_resolve = entries.is_empty();
            scratch.is_outside = rcode == REFUSED;
            scratch.entries = recycle(entries);
            return Ok(Decision::Punt);
        }
        let mut flags = self.flags(rcode);
        if is_authoritative {
            flags |= AA;
        }
        let kind = kind(rcode, is_authoritative, &entries);
        scratch.facts.kind = kind;
        if kind != Kind::Error {
            scratch.subject = subject;
        }
        let opt = self.opt(rcode, (rcode == REFUSED).then_some(NOT_AUTHORITATIVE));
        let names = &scratch.names;
        let mut message = Message::new(
            out,
            query.question,
            names.get(qname),
            size_max - opt.octets().len(),
            &mut scratch.suffixes,
        );
        let written = found.and_then(|()| write(&mut message, &mut entries, names, is_do));
        let size = match written {
            Ok(true) => message.finish(query.message_id, flags, opt.octets()),
            Ok(false) => {
                let end = HEADER_SIZE_OCTETS + query.question.len();
                finish(out, query.message_id, flags | TC, self.counts(), end, opt.octets())
            }
            Err(_) => 0,
        };
        scratch.entries = recycle(entries);
        written.map(|_| Decision::Reply(size))
    }
}

/// Write all sections; false when a required RRset does not fit.
fn write(
    message: &mut Message<'_>,
    entries: &mut [Entry<'_>],
    names: &Names,
    is_do: bool,
) -> Result<bool, Damage> {
    if !entries.is_sorted_by_key(|entry| entry.section) {
        entries.sort_by_key(|entry| entry.section);
    }
    for entry in entries.iter() {
        if !message.add(entry, names, is_do)? && entry.is_required {
            return Ok(false);
        }
    }
    Ok(true)
}

fn kind(rcode: u16, is_authoritative: bool, entries: &[Entry<'_>]) -> Kind {
    let has = |section| entries.iter().any(|entry| entry.section == section);
    match rcode {
        NXDOMAIN => Kind::NxDomain,
        NOERROR if has(ANSWER) => Kind::Answer,
        NOERROR if !is_authoritative && has(AUTHORITY) => Kind::Referral,
        NOERROR => Kind::NoData,
        _ => Kind::Error,
    }
}

/// The rcode of a question for a type that has no data.
fn rcode_without_data(qtype: u16) -> Option<u16> {
    match qtype {
        0 | 41 | 128 | 250 => Some(FORMERR), // reserved, OPT, NXNAME, TSIG
        249 | 251 | 252 => Some(REFUSED),    // TKEY, IXFR, AXFR
        253 | 254 => Some(NOTIMP),           // MAILB, MAILA, obsolete
        _ => None,
    }
}
