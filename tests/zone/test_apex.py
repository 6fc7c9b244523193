import pytest

from dns_node.errors import InputError
from dns_node.zone.apex import candidate_apex, template
from dns_node.zone.check import check_node
from dns_node.zone.names import name_text, parse_name
from dns_node.zone.rdata import rdata_text

REVERSE_6 = "ip6.arpa"


@pytest.mark.parametrize(
    ("owner", "apex"),
    [
        ("www.example.com", "example.com."),
        ("example.com", "example.com."),
        ("_dmarc.example.com", "example.com."),
        ("*.example.com", "example.com."),
        ("a.b.co.uk", "b.co.uk."),
        ("x.user.github.io", "user.github.io."),
        ("x.city.kobe.jp", "city.kobe.jp."),
        ("www.ck", "www.ck."),
        ("bücher.de", "xn--bcher-kva.de."),
        ("x.公司.cn", "x.xn--55qx5d.cn."),
        ("a.host.lan", "host.lan."),
        ("host.test", "host.test."),
        ("host.home.arpa", "host.home.arpa."),
        ("a\\.b.com", "a\\.b.com."),
        ("4.3.2.1.in-addr.arpa", "3.2.1.in-addr.arpa."),
        ("3.2.1.in-addr.arpa", "3.2.1.in-addr.arpa."),
        ("0." * 32 + REVERSE_6, "0." * 16 + REVERSE_6 + "."),
    ],
)
def test_the_candidate_is_one_label_below_the_public_suffix_or_a_reverse_24_or_64(owner, apex):
    assert name_text(candidate_apex(parse_name(owner))) == apex


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        ("com", "single label"),
        ("lan", "single label"),
        (".", "the root"),
        ("co.uk", "public suffix"),
        ("github.io", "public suffix"),
        ("foo.ck", "public suffix"),
        ("*.com", "wildcard"),
        ("2.1.in-addr.arpa", "/24"),
        ("0." * 15 + REVERSE_6, "/64"),
    ],
)
def test_what_no_zone_is_made_for_is_refused_and_the_cure_named(owner, reason):
    with pytest.raises(InputError) as refusal:
        candidate_apex(parse_name(owner))
    assert reason in str(refusal.value)
    assert "LOAD file" in str(refusal.value)


def test_a_template_has_soa_and_ns_from_the_settings():
    apex = parse_name("example.com")
    made = template(apex, name_servers=["ns1.{zone}", "ns.example.net."], ttl_s=60)
    assert made.apex == apex
    assert {rdata_text(2, rdata) for rdata in made.ns.rdatas} == {
        "ns1.example.com.", "ns.example.net.",
    }  # fmt: skip
    (soa,) = made.soa.rdatas
    assert rdata_text(6, soa).startswith("ns1.example.com. hostmaster.example.com. 1 ")
    assert made.soa.ttl_s == made.ns.ttl_s == 60
    assert check_node(apex, {6: made.soa, 2: made.ns}, True) == []


def test_a_template_with_a_bad_name_is_refused():
    with pytest.raises(InputError):
        template(parse_name("example.com"), name_servers=["a..b"])
