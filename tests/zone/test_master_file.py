import dns.zone
import dns.zonefile
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from dns_node.errors import InputError
from dns_node.zone import master_file
from dns_node.zone.generate import substitute
from dns_node.zone.master_file import read_master_file
from dns_node.zone.names import BadText, name_text, parse_name
from dns_node.zone.plain_record import plain_rdata, split_plain
from dns_node.zone.rdata import BadRdata, parse_master_rdata, rdata_text, type_text
from tests.zone.strategies import EVERYDAY_DATA, HOST_TEXTS

HEAD = (
    "$ORIGIN example.com.\n$TTL 3600\n"
    "@ SOA ns.example.org. admin 1 2 3 4 5\n@ NS ns.example.org.\n"
)
APEX = parse_name("example.com")


def read(text, **options):
    return read_master_file("zone.txt", text, **options)


def problems_of(text, **options):
    with pytest.raises(InputError) as refusal:
        read(text, **options)
    return str(refusal.value).split("\n")


def records_of(zone):
    """(owner, TTL, type, data) of every record, as text."""
    return {
        (name_text(owner), rrset.ttl_s, type_text(rrtype), rdata_text(rrtype, rdata))
        for owner, node in zone.nodes.items()
        for rrtype, rrset in node.items()
        for rdata in rrset.rdatas
    }


def test_owner_ttl_class_and_type_may_come_in_every_order_of_rfc1035_5_1():
    zone = read(
        HEAD + "a 60 IN A 192.0.2.1\nb IN 60 A 192.0.2.1\nc in A 192.0.2.1\nd a 192.0.2.1\n"
        "  TXT \"the last owner's\" x\n\te.example.com.\tA\t192.0.2.1\n".replace("\te.", "e.")
    )
    assert records_of(zone) >= {
        ("a.example.com.", 60, "A", "192.0.2.1"),
        ("b.example.com.", 60, "A", "192.0.2.1"),
        ("c.example.com.", 3600, "A", "192.0.2.1"),
        ("d.example.com.", 3600, "A", "192.0.2.1"),
        ("d.example.com.", 3600, "TXT", '"the last owner\'s" "x"'),
        ("e.example.com.", 3600, "A", "192.0.2.1"),
    }


def test_parentheses_comments_and_quotes():
    zone = read(
        "$TTL 1h\n@ IN SOA ns.example.org. admin.example.com. ( ; ) \n 1 ; serial (\n 2 3\n4 5)\n"
        '(@) NS ns.example.org.;comment\nt TXT ( "a;(" ; "\n  "b)" ) ;\n  ; nothing\n\n',
        origin=APEX,
    )
    assert records_of(zone) == {
        ("example.com.", 3600, "SOA", "ns.example.org. admin.example.com. 1 2 3 4 5"),
        ("example.com.", 3600, "NS", "ns.example.org."),
        ("t.example.com.", 3600, "TXT", '"a;(" "b)"'),
    }


RECORD = st.tuples(
    st.one_of(HOST_TEXTS.map(lambda text: text.rstrip(".")), st.sampled_from(["@", "", "*"])),
    st.sampled_from(["", "60", "1h", "IN", "60 IN", "IN 60"]),
    EVERYDAY_DATA,
    st.sampled_from(["", " ", " ; comment"]),
).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2][0]} {parts[2][1]}{parts[3]}")


@given(st.lists(RECORD, max_size=12))
def test_the_records_are_those_that_dnspython_reads(lines):
    text = HEAD + "\n".join(lines) + "\n"
    try:
        zone = read(text)
    except InputError:
        event("refused")
        return
    theirs = dns.zone.from_text(text, origin="example.com.", relativize=False)
    expected = {
        (name.to_text().lower(), int(rdataset.rdtype), rdata.to_digestable())
        for name, rdataset in theirs.iterate_rdatasets()
        for rdata in rdataset
    }
    ours = {
        (name_text(owner), rrtype, rdata)
        for owner, node in zone.nodes.items()
        for rrtype, rrset in node.items()
        for rdata in rrset.rdatas
    }
    assert ours == expected


@given(st.lists(RECORD, max_size=12))
def test_the_short_way_for_everyday_lines_gives_what_the_long_way_gives(lines):
    text = HEAD + "\n".join(lines) + "\n"

    def outcome():
        try:
            return read(text)
        except InputError as error:
            return str(error)

    short = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(master_file, "split_plain", lambda line: None)
        assert outcome() == short


PLAIN_LINES = st.from_regex(
    r"[a-z@*.]{0,4}[ \t]{1,2}(60 )?(IN )?(A|AAAA|NS|CNAME|PTR|MX|TXT)[ \t]"
    r'([0-9a-fA-Z.:@*_-]{1,20}|[0-9]{1,6}[ \t]{1,2}[a-zA-Z.@]{1,9}|"[A-Za-z0-9=:/+,. -]{0,30}")',
    fullmatch=True,
)


@given(PLAIN_LINES)
@example("a PTR 10\tb")
@example("a MX 5  B.c")
@example("a A 01.2.3.4")
def test_the_short_way_reads_data_as_dnspython_does(line):
    plain = split_plain(line)
    rdata = plain and plain_rdata(plain[2], plain[3], APEX)
    event("long way" if rdata is None else "short way")
    if plain and rdata is not None:
        assert parse_master_rdata(plain[2], plain[3], APEX) == rdata
    elif plain:
        try:
            parse_master_rdata(plain[2], plain[3], APEX)
        except BadRdata:
            event("bad")


def test_the_short_way_is_taken_for_everyday_lines():
    for line in ("a 60 IN A 192.0.2.1", "@ MX 10 mail", 'a TXT "v=spf1 -all"', " NS ns1.a.b."):
        plain = split_plain(line)
        assert plain is not None
        assert plain_rdata(plain[2], plain[3], APEX) is not None


def test_a_record_without_ttl_takes_the_ttl_directive_else_the_last_one_else_the_soa_minimum():
    start = "@ SOA ns.example.org. admin 1 2 3 4 55\n@ NS ns.example.org.\n"
    assert {record[1] for record in records_of(read(start, origin=APEX))} == {55}
    stated = read(start + "a 60 A 192.0.2.1\nb A 192.0.2.1\n", origin=APEX)
    assert ("b.example.com.", 60, "A", "192.0.2.1") in records_of(stated)
    directive = read(start + "$TTL 1d\na 60 A 192.0.2.1\nb A 192.0.2.1\n", origin=APEX)
    assert ("b.example.com.", 86_400, "A", "192.0.2.1") in records_of(directive)
    (problem,) = problems_of("@ NS ns.example.org.\n@ 5 SOA a. b. 1 2 3 4 5\n", origin=APEX)[:1]
    assert "write $TTL 3600 above it" in problem


def test_rfc2181_5_2_of_different_ttls_in_one_rrset_the_lowest_is_taken_with_a_warning():
    zone = read(HEAD + "a 60 A 192.0.2.1\na 30 A 192.0.2.2\n")
    assert {r[1] for r in records_of(zone) if r[0] == "a.example.com."} == {30}
    assert zone.warnings == [
        "zone.txt:6: a.example.com. A has records of different TTLs; all get 30"
        " (RFC 2181 section 5.2)."
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("z", "$ORIGIN example.com.\n@ 5 SOA ns.x. a 1 2 3 4 5\n@ NS ns.x.\n"),
        ("z", "$ORIGIN example.com\n@ 5 SOA ns.x. a 1 2 3 4 5\n@ NS ns.x.\n"),
        ("z", "$ORIGIN com.\nexample 5 SOA ns.x. a 1 2 3 4 5\nexample NS ns.x.\n"),
        ("z", "example.com. 5 SOA ns.x. a 1 2 3 4 5\n  NS ns.x.\n"),
        ("/zones/example.com.zone", "@ 5 SOA ns.x. a 1 2 3 4 5\n@ NS ns.x.\n"),
        ("db.example.com", "@ 5 SOA ns.x. a 1 2 3 4 5\n@ NS ns.x.\n"),
    ],
)
def test_the_origin_is_the_first_directive_else_the_soas_owner_else_the_files_name(path, text):
    assert read_master_file(path, text).origin == APEX


def test_a_configured_origin_must_be_the_soas_owner():
    (problem,) = problems_of(HEAD, origin=parse_name("example.org"))
    assert problem == "zone.txt:3: the SOA is that of example.com., not of example.org."


def test_signatures_lie_beside_the_records_that_they_cover():
    signature = "a RRSIG A 13 3 3600 20300101000000 20200101000000 1 example.com. AAAA\n"
    zone = read(HEAD + "a A 192.0.2.1\n" + signature)
    node = zone.nodes[parse_name("a", APEX)]
    assert set(node) == {1}
    assert len(node[1].signatures) == 1
    (warning,) = read(HEAD + signature).warnings
    assert warning.startswith("zone.txt:5: a.example.com. RRSIG covers A, which is not here")


def test_every_bad_line_is_named_once_with_its_place():
    problems = problems_of(
        HEAD
        + "$TTTL 1\na A 300.1.1.1\na..b A 192.0.2.1\nt TXT \"abc\nu ( A\n 192.0.2.1\n; (\nv AA 1\n"
        "w 99999999999 A 192.0.2.1\nx CH A 192.0.2.1\ny.example.org. A 192.0.2.1\n"
        "c CNAME d\nc A 192.0.2.1\n$TTL x\n$ORIGIN\n$GENERATE 5-1 a$ A 192.0.2.$\n"
    )
    assert [problem.split(":")[1] for problem in problems] == [
        "5", "6", "7", "8", "9", "12", "13", "14", "18", "19", "20", "15", "16",
    ]  # fmt: skip
    assert problems[-1].endswith(
        "c.example.com. has a CNAME and an A record; a CNAME must stand alone"
        " (RFC 1034 section 3.6.2). Remove one of them."
    )


def test_a_parenthesis_that_was_not_opened_is_named():
    assert problems_of(HEAD + "a NS b )\n") == [
        "zone.txt:5: a parenthesis is closed that was not opened"
    ]


def test_a_file_without_a_soa_is_no_zone():
    (problem,) = problems_of("$ORIGIN example.com.\n@ 5 NS ns\n")
    assert "there is no SOA record" in problem


def test_a_file_of_rubbish_gives_a_bounded_answer():
    problems = problems_of("x\n" * 5000)
    assert len(problems) == 1001
    assert "the first 1000 are shown" in problems[-1]


def test_many_parentheses_that_are_never_closed_do_not_take_for_ever():
    assert len(problems_of(HEAD + "a ( A\n" * 3000)) == 1001


@given(st.text(alphabet=st.sampled_from('aA1. \n\t()";\\$@IN/'), max_size=80))
def test_any_text_is_a_zone_or_an_input_error(text):
    try:
        read(HEAD + text)
    except InputError as error:
        assert "zone.txt" in str(error)


def test_generate_makes_a_record_for_each_number():
    zone = read(HEAD + "$GENERATE 1-5/2 h${10,3} 60 IN A 192.0.2.$\n$GENERATE 7-7 $ TXT $$\\$\n")
    assert {r for r in records_of(zone) if r[2] in ("A", "TXT")} == {
        ("h011.example.com.", 60, "A", "192.0.2.1"),
        ("h013.example.com.", 60, "A", "192.0.2.3"),
        ("h015.example.com.", 60, "A", "192.0.2.5"),
        ("7.example.com.", 3600, "TXT", '"$$"'),
    }


MODIFIERS = st.builds(
    "{{{},{},{}}}".format, st.integers(-99, 99), st.integers(0, 40), st.sampled_from("doxXnN")
)


@given(st.integers(0, 10**9), MODIFIERS)
def test_generate_numbers_are_those_of_dnspython(number, modifier):
    template = f"a${modifier}b$.\\$"
    try:
        ours = substitute(template, number)
    except BadText:
        ours = None
    try:
        theirs = dns.zonefile._generate_text(template, number)
    except dns.exception.SyntaxError:
        theirs = None
    assert ours == theirs


def test_generate_is_bounded():
    (problem,) = problems_of(HEAD + "$GENERATE 1-65537 a$ A 192.0.2.1\n")
    assert "65536 are left" in problem
    problems = problems_of(HEAD + "$GENERATE 1-40000 a TXT $\n" * 2)
    assert "25536 are left" in problems[0]


def test_include_reads_below_the_zone_directory_and_hands_nothing_back(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner").write_text("$TTL 7\n@ A 192.0.2.1\n$ORIGIN x.\n$INCLUDE deep\n")
    (tmp_path / "sub" / "deep").write_text("y.a.example.com. A 192.0.2.2\n")
    text = HEAD + "b A 192.0.2.3\n$INCLUDE sub/inner a\n  TXT c\n"
    zone = read_master_file(str(tmp_path / "z"), text, zone_dir=str(tmp_path))
    assert {r for r in records_of(zone) if r[2] in ("A", "TXT")} == {
        ("b.example.com.", 3600, "A", "192.0.2.3"),
        ("a.example.com.", 7, "A", "192.0.2.1"),
        ("y.a.example.com.", 7, "A", "192.0.2.2"),
        ("b.example.com.", 3600, "TXT", '"c"'),
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret", "outside the zone directory"),
        ("/etc/passwd", "outside the zone directory"),
        ("link", "outside the zone directory"),
        ("loop", "the file itself, or one that includes it"),
        ("deep0", "nested over 8 deep"),
        ("none", "No such file"),
        ("", "takes a file name"),
    ],
)
def test_an_include_elsewhere_in_a_loop_or_too_deep_is_refused(tmp_path, name, reason):
    zones = tmp_path / "zones"
    zones.mkdir()
    (tmp_path / "secret").write_text("s A 192.0.2.1\n")
    (zones / "link").symlink_to(tmp_path / "secret")
    (zones / "loop").write_text("$INCLUDE loop\n")
    for depth in range(9):
        (zones / f"deep{depth}").write_text(f"$INCLUDE deep{depth + 1}\n")
    with pytest.raises(InputError, match=reason):
        read_master_file(str(zones / "z"), HEAD + f"$INCLUDE {name}\n", zone_dir=str(zones))


def test_a_bad_line_of_an_include_is_named_with_its_own_file(tmp_path):
    (tmp_path / "inner").write_text("a A 192.0.2.1\na A 300.0.0.1\n")
    with pytest.raises(InputError) as refusal:
        read_master_file(str(tmp_path / "z"), HEAD + "$INCLUDE inner\n", zone_dir=str(tmp_path))
    assert str(refusal.value).startswith(f"{tmp_path}/inner:2: A needs an IPv4 address")


def test_without_a_zone_directory_there_are_no_includes():
    (problem,) = problems_of(HEAD + "$INCLUDE a\n")
    assert "not allowed here" in problem
