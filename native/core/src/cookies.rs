//! Server cookies (`dns_node.answer.cookies`; RFC 7873, RFC 9018).

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Client cookie and server cookie together: what an option of ours always has.
pub const COOKIES_SIZE_OCTETS: usize = 24;

/// The most secrets that are good at one time.
pub const SECRETS_MAX: usize = 4;

const AGE_S_MAX: i32 = 3600;
const FUTURE_S_MAX: i32 = 300;
const RENEWAL_AGE_S: i32 = 1800;

/// What server cookies are made with and checked by; the first secret makes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CookieSecrets {
    secrets: [[u8; 16]; SECRETS_MAX],
    count: usize,
}

impl CookieSecrets {
    /// The secret that makes cookies, and others that are good too; what is more than
    /// `SECRETS_MAX` is left out.
    pub fn new(making: [u8; 16], others: &[[u8; 16]]) -> Self {
        let mut found = CookieSecrets::default();
        for &secret in [making].iter().chain(others).take(SECRETS_MAX) {
            found.secrets[found.count] = secret;
            found.count += 1;
        }
        found
    }

    /// Whether there are none: then COOKIE options are like unknown ones.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The COOKIE option that answers one, and whether that held a good server cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieAnswer {
    /// The data of the option of the reply.
    pub option: [u8; COOKIES_SIZE_OCTETS],
    /// The client receives what is sent to its address.
    pub is_good: bool,
}

/// Answer the COOKIE option whose data is *option*, of 8 or 16 to 40 octets, at *now_s* (Unix
/// time); there is a secret in *secrets*.
pub fn answer_cookie(
    option: &[u8],
    address: IpAddr,
    now_s: u64,
    secrets: &CookieSecrets,
) -> CookieAnswer {
    let examined = examine(option, address, now_s, secrets);
    let mut answer = [0; COOKIES_SIZE_OCTETS];
    if let Some((age_s, 0)) = examined {
        if age_s <= RENEWAL_AGE_S {
            answer.copy_from_slice(option);
            return CookieAnswer { option: answer, is_good: true };
        }
    }
    answer[..8].copy_from_slice(&option[..8]);
    answer[8] = 1;
    // The time has 32 bits (RFC 9018 section 4.3).
    answer[12..16].copy_from_slice(&(now_s as u32).to_be_bytes());
    let hash = hash_cookie(&answer[..16], address, &secrets.secrets[0]);
    answer[16..].copy_from_slice(&hash);
    CookieAnswer { option: answer, is_good: examined.is_some() }
}

/// The age of the good server cookie in *option* and the number of the secret that made it.
fn examine(
    option: &[u8],
    address: IpAddr,
    now_s: u64,
    secrets: &CookieSecrets,
) -> Option<(i32, usize)> {
    let option: &[u8; COOKIES_SIZE_OCTETS] = option.try_into().ok()?;
    if option[8] != 1 {
        return None;
    }
    let made_s = u32::from_be_bytes([option[12], option[13], option[14], option[15]]);
    // Serial number arithmetic (RFC 1982).
    let age_s = (now_s as u32).wrapping_sub(made_s) as i32;
    if !(-FUTURE_S_MAX..=AGE_S_MAX).contains(&age_s) {
        return None;
    }
    let mut found = None;
    for (number, secret) in secrets.secrets[..secrets.count].iter().enumerate() {
        let hash = hash_cookie(&option[..16], address, secret);
        // One comparison of whole numbers: how long it takes tells nothing of where they differ.
        if found.is_none() && u64::from_be_bytes(hash) == told(option) {
            found = Some((age_s, number));
            break;
        }
    }
    found
}

fn told(option: &[u8; COOKIES_SIZE_OCTETS]) -> u64 {
    let mut octets = [0; 8];
    octets.copy_from_slice(&option[16..]);
    u64::from_be_bytes(octets)
}

fn hash_cookie(head: &[u8], address: IpAddr, secret: &[u8; 16]) -> [u8; 8] {
    let mut octets = [0; 32];
    octets[..16].copy_from_slice(head);
    let size = match address.to_canonical() {
        IpAddr::V4(address) => {
            octets[16..20].copy_from_slice(&address.octets());
            20
        }
        IpAddr::V6(address) => {
            octets[16..].copy_from_slice(&address.octets());
            32
        }
    };
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(&octets[..size]);
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn secret(hex: &str) -> [u8; 16] {
        octets(hex).try_into().unwrap()
    }

    #[test]
    fn rfc_9018_appendix_a() {
        let old = secret("e5e973e5a6b2a43f48e7dc849e37bfcf");
        let secrets = CookieSecrets::new(old, &[]);
        let client: IpAddr = "198.51.100.100".parse().unwrap();
        let first = answer_cookie(&octets("2464c4abcf10c957"), client, 1_559_731_985, &secrets);
        assert_eq!(first.option[..], octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
        assert!(!first.is_good);
        let again = answer_cookie(&first.option, client, 1_559_734_385, &secrets);
        assert_eq!(again.option[..], octets("2464c4abcf10c957010000005cf7a871d4a564a1442aca77"));
        assert!(again.is_good);
        let rolled = CookieSecrets::new(
            secret("445536bcd2513298075a5d379663c962"),
            &[secret("dd3bdf9344b678b185a6f5cb60fca715")],
        );
        let client: IpAddr = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let told = octets("22681ab97d52c298010000005cf7c57926556bd0934c72f8");
        let third = answer_cookie(&told, client, 1_559_741_961, &rolled);
        assert_eq!(third.option[..], octets("22681ab97d52c298010000005cf7c609a6bb79d16625507a"));
        assert!(third.is_good);
    }
}
