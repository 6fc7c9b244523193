//! One readable query, and what its reply has whatever the answer is.

use crate::cookies::{answer_cookie, CookieSecrets, COOKIES_SIZE_OCTETS};
use crate::edns::Opt;
use crate::message::finish;
use crate::query::{is_cookie, Query, FORMERR, HEADER_SIZE_OCTETS};
use crate::respond::{Client, Decision, Scratch, Settings, ERROR};

/// QR.
pub const QR: u16 = 0x8000;
/// AA.
pub const AA: u16 = 0x0400;
/// TC.
pub const TC: u16 = 0x0200;
/// RD.
pub const RD: u16 = 0x0100;
/// RA.
const RA: u16 = 0x0080;
/// What a reply takes from the query: opcode, RD and CD.
const COPIED: u16 = 0x7800 | 0x0100 | 0x0010;

/// The OPT of a reply and an error with the longest question fit into this.
const REPLY_OCTETS_MIN: usize = 512;

/// The COOKIE option of a reply, and what the query's was.
#[derive(Default)]
pub struct Cookie {
    octets: [u8; COOKIES_SIZE_OCTETS],
    size: usize,
    is_good: bool,
    /// It held a server cookie, and no good one.
    pub is_bad: bool,
}

impl Cookie {
    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.size > 0
    }

    /// Return what answers the COOKIE option of *query*, if it has a well-formed one.
    fn answer(query: &Query<'_>, client: &Client, now_s: f64, secrets: &CookieSecrets) -> Cookie {
        let option = query.edns.and_then(|edns| edns.cookie);
        match option {
            // One that is out of form is the FORMERR of RFC 7873 section 5.2.2.
            Some(option) if !secrets.is_empty() && is_cookie(option) => {
                let answer = answer_cookie(option, client.address, now_s as u64, secrets);
                Cookie {
                    octets: answer.option,
                    size: COOKIES_SIZE_OCTETS,
                    is_good: answer.is_good,
                    is_bad: option.len() > 8 && !answer.is_good,
                }
            }
            _ => Cookie::default(),
        }
    }
}

/// One readable query and what its reply has whatever the answer is.
pub struct Exchange<'x> {
    /// The query.
    pub query: Query<'x>,
    /// Who asks.
    pub client: &'x Client,
    /// What the answer depends on beside the zones.
    pub settings: &'x Settings,
    /// What answers its COOKIE option.
    pub cookie: Cookie,
    /// Whether the client may have questions resolved.
    pub may_recurse: bool,
}

impl<'x> Exchange<'x> {
    /// Parse *octets*; or decide at once, when they are no readable query.
    pub fn begin(
        octets: &'x [u8],
        client: &'x Client,
        now_s: f64,
        settings: &'x Settings,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<Exchange<'x>, Decision> {
        scratch.subject = None;
        scratch.facts = ERROR;
        scratch.is_to_resolve = false;
        if octets.len() < HEADER_SIZE_OCTETS || octets[2] & 0x80 != 0 || client.port == 0 {
            return Err(Decision::Drop);
        }
        if out.len() < REPLY_OCTETS_MIN {
            return Err(Decision::Punt);
        }
        let query = match Query::parse(octets, client.is_tcp) {
            Ok(query) if !query.question.is_empty() || !settings.cookie_secrets.is_empty() => query,
            // Without secrets there are no cookies to ask for.
            Ok(_) => return Err(Decision::Reply(header_alone(octets, FORMERR, out))),
            Err(rcode) => return Err(Decision::Reply(header_alone(octets, rcode, out))),
        };
        let cookie = Cookie::answer(&query, client, now_s, &settings.cookie_secrets);
        scratch.facts.has_cookie = cookie.is_there();
        scratch.facts.has_good_cookie = cookie.is_good;
        let may_recurse = settings.recursion.lists(client.address);
        Ok(Exchange { query, client, settings, cookie, may_recurse })
    }

    /// The flags of a reply, without AA and TC.
    pub fn flags(&self, rcode: u16) -> u16 {
        let ra = if self.may_recurse { RA } else { 0 };
        QR | self.query.flags & COPIED | ra | rcode & 15
    }

    /// The counts of a reply without records but the OPT.
    pub fn counts(&self) -> [u16; 4] {
        let questions = u16::from(!self.query.question.is_empty());
        [questions, 0, 0, u16::from(self.query.edns.is_some())]
    }

    /// Write a reply of the question, an OPT if there was one, and *rcode*.
    pub fn error(&self, rcode: u16, info: Option<u16>, flags: u16, out: &mut [u8]) -> Decision {
        let question = self.query.question;
        let end = HEADER_SIZE_OCTETS + question.len();
        out[HEADER_SIZE_OCTETS..end].copy_from_slice(question);
        let opt = self.opt(rcode, info);
        let flags = self.flags(rcode) | flags;
        let id = self.query.message_id;
        Decision::Reply(finish(out, id, flags, self.counts(), end, opt.octets()))
    }

    /// The OPT record of a reply.
    pub fn opt(&self, rcode: u16, info: Option<u16>) -> Opt {
        let Some(edns) = &self.query.edns else { return Opt::none() };
        let idle_timeout_s = if self.client.is_tcp { self.settings.idle_timeout_s } else { 0 };
        let cookie = &self.cookie.octets[..self.cookie.size];
        Opt::answer(edns, rcode, &self.settings.identity, cookie, idle_timeout_s, info)
    }
}

/// Write the reply to a message without a readable question: a header alone.
fn header_alone(octets: &[u8], rcode: u16, out: &mut [u8]) -> usize {
    let flags = QR | u16::from_be_bytes([octets[2], octets[3]]) & COPIED | rcode;
    finish(out, [octets[0], octets[1]], flags, [0; 4], HEADER_SIZE_OCTETS, &[])
}
