//! The OPT record of a reply and what it carries (`dns_node.answer.edns`).

/// The largest UDP message that we take and send.
pub const PAYLOAD_SIZE_OCTETS: usize = 1232;

/// Options of EDNS that matter here.
pub const NSID: u16 = 3;
/// COOKIE (RFC 7873).
pub const COOKIE: u16 = 10;
/// edns-tcp-keepalive (RFC 7828).
pub const TCP_KEEPALIVE: u16 = 11;
const EDE: u16 = 15;

/// Info codes of RFC 8914.
pub const OTHER_ERROR: u16 = 0;
/// There is no store yet.
pub const NOT_READY: u16 = 14;
/// The client may not ask.
pub const PROHIBITED: u16 = 18;
/// No zone of ours encloses the name.
pub const NOT_AUTHORITATIVE: u16 = 20;
/// The type is none that can be asked for.
pub const INVALID_QUERY_TYPE: u16 = 30;

/// What NSID tells of the identity at most.
const IDENTITY_SIZE_OCTETS_MAX: usize = 128;
/// Header, NSID, COOKIE, keepalive, extended error.
const OPT_OCTETS_MAX: usize = 11 + 4 + IDENTITY_SIZE_OCTETS_MAX + 4 + 40 + 6 + 6;

/// What the OPT record of a query says; of each option the first one.
#[derive(Clone, Copy, Debug)]
pub struct Edns<'q> {
    /// What the client takes over UDP; at least 512.
    pub payload_size_octets: u16,
    /// The version.
    pub version: u8,
    /// DO.
    pub is_do: bool,
    /// Whether there is an NSID option.
    pub has_nsid: bool,
    /// The data of the COOKIE option.
    pub cookie: Option<&'q [u8]>,
    /// The data of the keepalive option.
    pub keepalive: Option<&'q [u8]>,
}

/// Return the size that a reply may have.
pub fn payload_size_octets_max(edns: Option<&Edns<'_>>, is_tcp: bool) -> usize {
    match edns {
        _ if is_tcp => 65535,
        None => 512,
        Some(edns) => (edns.payload_size_octets as usize).min(PAYLOAD_SIZE_OCTETS),
    }
}

/// An OPT record, or nothing.
pub struct Opt {
    octets: [u8; OPT_OCTETS_MAX],
    size: usize,
}

impl Opt {
    /// No OPT record, for a query without one.
    pub fn none() -> Opt {
        Opt { octets: [0; OPT_OCTETS_MAX], size: 0 }
    }

    /// Return the OPT record that answers *edns*.  *cookie* is the data of the COOKIE option, empty
    /// for none; *idle_timeout_s* is 0 over UDP; *error* is an info code without text.
    pub fn answer(
        edns: &Edns<'_>,
        rcode: u16,
        nsid: &[u8],
        cookie: &[u8],
        idle_timeout_s: u32,
        error: Option<u16>,
    ) -> Opt {
        let mut opt = Opt::none();
        let flags = if edns.is_do { 0x80 } else { 0 };
        opt.put(&[0, 0, 41, 0x04, 0xD0, (rcode >> 4) as u8, 0, flags, 0, 0, 0]);
        if edns.has_nsid && !nsid.is_empty() {
            opt.put_option(NSID, &nsid[..nsid.len().min(IDENTITY_SIZE_OCTETS_MAX)]);
        }
        if !cookie.is_empty() {
            opt.put_option(COOKIE, cookie);
        }
        if idle_timeout_s != 0 && edns.keepalive.is_some() {
            let timeout = idle_timeout_s.saturating_mul(10).min(65535) as u16;
            opt.put_option(TCP_KEEPALIVE, &timeout.to_be_bytes());
        }
        if let Some(error) = error {
            opt.put_option(EDE, &error.to_be_bytes());
        }
        let size = (opt.size - 11) as u16;
        opt.octets[9..11].copy_from_slice(&size.to_be_bytes());
        opt
    }

    /// The record.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.size]
    }

    fn put_option(&mut self, code: u16, data: &[u8]) {
        self.put(&code.to_be_bytes());
        self.put(&(data.len() as u16).to_be_bytes());
        self.put(data);
    }

    fn put(&mut self, octets: &[u8]) {
        self.octets[self.size..self.size + octets.len()].copy_from_slice(octets);
        self.size += octets.len();
    }
}
