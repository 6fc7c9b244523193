"""What each type's data looks like, for the errors that tell a user how to write it."""

A, NS, CNAME, SOA, PTR, MX, TXT, RP, AAAA, SRV, DNAME = 1, 2, 5, 6, 12, 15, 16, 17, 28, 33, 39
SPF, ANY, SIG, KEY, OPT, DS, RRSIG, NSEC, NSEC3, NXT = 99, 255, 24, 25, 41, 43, 46, 47, 50, 30

_HOST = "a host name"
_DIGEST = "key tag, algorithm, digest type and digest"
_SERVICE = "priority, target name and parameters"

_FORMS: dict[int, tuple[str, str]] = {
    A: ("an IPv4 address", "192.0.2.1"),
    AAAA: ("an IPv6 address", "2001:db8::1"),
    NS: ("the host name of a server", "ns1.example.com."),
    CNAME: (_HOST, "www.example.com."),
    PTR: (_HOST, "www.example.com."),
    DNAME: ("a domain name", "example.net."),
    SOA: (
        "primary server, mailbox, serial, refresh, retry, expire and minimum",
        "ns1.example.com. hostmaster.example.com. 1 3600 600 604800 300",
    ),
    MX: ("a preference and a mail server", "10 mail.example.com."),
    TXT: ("one or more strings", '"v=spf1 -all"'),
    SPF: ("one or more strings", '"v=spf1 -all"'),
    RP: ("a mailbox and a name", "admin.example.com. info.example.com."),
    13: ("two strings", '"CPU" "OS"'),
    18: ("a subtype and a host name", "1 afs.example.com."),
    29: ("a position", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"),
    SRV: ("priority, weight, port and target", "10 5 5060 sip.example.com."),
    35: (
        "order, preference, flags, service, regular expression and replacement",
        '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .',
    ),
    37: ("type, key tag, algorithm and certificate", "1 12345 8 AQIDBA=="),
    42: ("a list of address prefixes", "1:192.0.2.0/24 !2:2001:db8::/32"),
    DS: (_DIGEST, "12345 13 2 <64 hexadecimal digits>"),
    59: (_DIGEST, "12345 13 2 <64 hexadecimal digits>"),
    44: ("algorithm, fingerprint type and fingerprint", "4 2 <64 hexadecimal digits>"),
    48: ("flags, protocol, algorithm and public key", "257 3 13 <base64>"),
    60: ("flags, protocol, algorithm and public key", "257 3 13 <base64>"),
    52: ("usage, selector, matching type and data", "3 1 1 <64 hexadecimal digits>"),
    53: ("usage, selector, matching type and data", "3 1 1 <64 hexadecimal digits>"),
    61: ("a public key", "<base64>"),
    64: (_SERVICE, "1 svc.example.com. alpn=h2,h3 port=443"),
    65: (_SERVICE, "1 . alpn=h2,h3"),
    256: ("priority, weight and a quoted URI", '10 1 "https://www.example.com/"'),
    257: ("flags, tag and value", '0 issue "ca.example.net"'),
    108: ("six octets", "00-00-5e-00-53-2a"),
    109: ("eight octets", "00-00-5e-ef-10-00-00-2a"),
}

# What dnspython says where it knows no better tells the user nothing.
_EMPTY_REASONS = ("", "Text input is malformed.", "Text input ended unexpectedly.")
_SELF_EXPLAINING = (A, AAAA, NS, CNAME, PTR, DNAME)


def wrong_form(rrtype: int, mnemonic: str, text: str, reason: str) -> str:
    """Return one line that says what data of *rrtype* look like, gives an example, shows *text*
    and, where it helps, *reason*."""
    needs, example = _FORMS.get(rrtype, ("its own data or the form of RFC 3597", r"\# 4 0a000001"))
    shown = text if len(text) <= 60 else text[:57] + "..."
    line = f"{mnemonic} needs {needs} such as {example}, not \"{shown}\""
    if not text:
        line = f"{mnemonic} needs {needs} such as {example}; there is nothing after the type"
    reason = " ".join(reason.split())
    if not text or reason in _EMPTY_REASONS or rrtype in _SELF_EXPLAINING:
        return line
    return f"{line} ({reason})"
