"""The command line of `dns-node query`."""

import dns.rdataclass
import dns.rdatatype
import pytest

from dns_node.query_tool.options import HelpWanted, UsageError, parse_words


def parse(line):
    return parse_words(line.split())


def test_a_name_alone_is_asked_for_its_address_at_the_node_of_this_machine():
    options = parse("www.example.com")
    assert str(options.name) == "www.example.com." and options.rdtype == dns.rdatatype.A
    assert (options.host, options.server_port) == ("127.0.0.1", 10053)
    assert options.is_rd and not options.is_do and options.payload_size_octets == 1232


@pytest.mark.parametrize(
    "server, host, port",
    [("@192.0.2.1", "192.0.2.1", 53), ("@192.0.2.1:5353", "192.0.2.1", 5353),
     ("@2001:db8::1", "2001:db8::1", 53), ("@[2001:db8::1]:54", "2001:db8::1", 54),
     ("@dns.example", "dns.example", 53), ("@dns.example:54", "dns.example", 54),
     ("@192.0.2.1 +tls", "192.0.2.1", 853), ("@192.0.2.1 -p 99", "192.0.2.1", 99)],
)  # fmt: skip
def test_a_server_is_an_address_or_a_name_with_or_without_a_port(server, host, port):
    options = parse(f"{server} www.example.com")
    assert (options.host, options.server_port) == (host, port)


def test_type_and_class_follow_the_name_in_any_case():
    options = parse("version.bind ch txt")
    assert options.rdclass == dns.rdataclass.CH and options.rdtype == dns.rdatatype.TXT
    assert parse("example type65534").rdtype == 65534
    assert str(parse("bücher.example").name) == "xn--bcher-kva.example."


def test_an_address_is_turned_into_its_name():
    options = parse("-x 192.0.2.1")
    assert str(options.name) == "1.2.0.192.in-addr.arpa."
    assert options.rdtype == dns.rdatatype.PTR
    assert str(parse("-x ::1").name).endswith("0.0.ip6.arpa.")


def test_options_say_how_to_ask():
    options = parse("a +tcp +dnssec +cd +ad +nord +nsid +bufsize=512 +timeout=0.5 +tries=4 +short")
    assert options.transport == "tcp" and options.is_do and options.is_cd and options.is_ad
    assert not options.is_rd and options.has_nsid and options.payload_size_octets == 512
    assert (options.timeout_s, options.tries, options.format) == (0.5, 4, "short")
    assert parse("a +noedns").payload_size_octets is None
    assert parse("a +tls +tls-host=dns.example").tls_host == "dns.example"


def test_many_questions_go_ten_at_a_time_unless_the_user_says_so():
    assert parse("a --count 1000").parallel == 10
    assert parse("a --count=3").parallel == 1
    assert parse("a --count 1000 --parallel 64").parallel == 64


@pytest.mark.parametrize(
    "line",
    ["", "a b", "a A IN x", "@ a", "@[::1 a", "a +nothing", "a +tcp=1", "a +bufsize", "a -z",
     "a --count", "a --count 0", "a --count x", "a -p 0", "a -p 70000", "-x 1.2.3", "-x ::1 a",
     "a..b", "a --parallel 1000", "a +timeout=0", "a +timeout=x"],
)  # fmt: skip
def test_what_can_not_be_understood_is_a_usage_error(line):
    with pytest.raises(UsageError):
        parse(line)


def test_help_is_asked_for():
    with pytest.raises(HelpWanted):
        parse("--help")
