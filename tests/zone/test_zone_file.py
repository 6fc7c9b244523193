import os
from pathlib import Path

import pytest

from dns_node.errors import InputError
from dns_node.zone.names import name_text, parse_name
from dns_node.zone.rdata import parse_type
from dns_node.zone.zone_file import is_legacy, read_zone_file

SHIPPED = Path(__file__).resolve().parents[2] / "zone-files"

SOA = "@ 60 SOA ns.x. a 1 2 3 4 5\n"


@pytest.mark.parametrize(
    "text",
    [
        "example.com A 1.2.3.4\n",
        "# comment\nexample.com MX 5 a\n",
        'example.com SOA ["a.", "b."]\n',
        'example.com 300 A 1.2.3.4\nexample.com SOA ["a.", "b."]\n',
        "example.com TXT a (b) ; c\n",
        "example.com TXT SOA 1 2\n  goes on\n",
    ],
)
def test_lists_hash_comments_and_bare_lines_are_the_legacy_format(text):
    assert is_legacy("z", text)


@pytest.mark.parametrize(
    "text",
    [
        "$TTL 3600\n",
        "; comment\nexample.com A 1.2.3.4\n",
        SOA,
        "example.com. SOA ns.x. a. (\n 1\n 2 3 4 5 )\n",
        "example.com A 1.2.3.4\nexample.com IN SOA ns. a. 1 2 3 4 5\n",
        "example.com. 300 A 1.2.3.4\n",
        "example.com. MX 5 a\n",
        "example.com. A 1.2.3.4\n  AAAA ::1\n",
    ],
)
def test_directives_columns_and_a_soa_that_is_no_list_are_the_master_files(text):
    assert not is_legacy("z", text)


@pytest.mark.parametrize("text", ["", "\n \n", "hello world\n", "<html>\n", "{}"])
def test_what_is_neither_is_refused(text):
    with pytest.raises(InputError, match="Write RFC 1035 records"):
        is_legacy("z", text)


@pytest.mark.parametrize(
    ("octets", "where", "reason"),
    [
        (b"a A 1.2.3.4\n\xff", ":2: ", "save the file as UTF-8"),
        (b"a\nb\nc\0", ":3: ", "no text file"),
    ],
)
def test_octets_that_are_no_text_are_refused_with_their_line(tmp_path, octets, where, reason):
    path = tmp_path / "z"
    path.write_bytes(octets)
    with pytest.raises(InputError) as refusal:
        read_zone_file(str(path))
    assert str(refusal.value).startswith(f"{path}{where}")
    assert reason in str(refusal.value)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "none", "."):
        with pytest.raises(InputError):
            read_zone_file(str(tmp_path / name))


def test_line_ends_of_other_systems_and_a_byte_order_mark_do_not_matter(tmp_path):
    path = tmp_path / "example.com.zone"
    path.write_bytes(b"\xef\xbb\xbf" + (SOA + "@ NS ns.x.\n").replace("\n", "\r\n").encode())
    (zone,) = read_zone_file(str(path))
    assert name_text(zone.origin) == "example.com."


def test_an_include_lies_beside_the_file_unless_a_directory_is_given(tmp_path):
    (tmp_path / "more").write_text("a A 192.0.2.1\n")
    path = tmp_path / "example.com.zone"
    path.write_text(SOA + "@ NS ns.x.\n$INCLUDE more\n")
    (zone,) = read_zone_file(str(path))
    assert parse_name("a.example.com") in zone.nodes
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="outside the zone directory"):
        read_zone_file(str(path), zone_dir=str(tmp_path / "other"))


def counts(name, kind):
    (zone,) = read_zone_file(str(SHIPPED / name))
    rrset = zone.nodes[zone.origin].get(parse_type(kind))
    return len(rrset.rdatas) if rrset else 0


def test_the_shipped_zones_hold_what_the_readme_shows():
    (zone,) = read_zone_file(str(SHIPPED / "zf0.txt"))
    assert name_text(zone.origin) == "example.com."
    assert zone.nodes[zone.origin][1].rdatas == (b"\x01\x02\x03\x04",)
    assert zone.nodes[zone.origin][5].rdatas == (parse_name("fizzbuzz.com"),)
    assert [counts("zf0.txt", kind) for kind in ("MX", "NS", "TXT", "SOA")] == [3, 2, 1, 1]
    assert len(zone.warnings) == 1
    for name, origin in (("zf1.txt", "cs244b.com."), ("zf2.txt", "cats.com.")):
        (zone,) = read_zone_file(str(SHIPPED / name))
        assert name_text(zone.origin) == origin
        assert zone.warnings == []
        assert counts(name, "MX")


def test_the_shipped_master_file_loads_without_a_warning():
    (zone,) = read_zone_file(str(SHIPPED / "example.net.zone"))
    assert name_text(zone.origin) == "example.net."
    assert zone.warnings == []
    types = {rrtype for node in zone.nodes.values() for rrtype in node}
    assert {parse_type(kind) for kind in ("SRV", "CAA", "HTTPS", "SSHFP", "TLSA", "DNAME")} <= types
