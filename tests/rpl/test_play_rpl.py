"""The player of `.rpl` files: what it reads, how it matches, and that it notices what is wrong."""

import argparse
import shutil
from pathlib import Path

import dns.message
import pytest

from tests.end_to_end.hierarchy.namespace import why_not

from . import __main__ as player
from . import matching, playing, resolvers, scenario, settings
from .scenario import Entry, Scenario, ScenarioError, UnsupportedError

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.rpl"))
SMALL = """
; a comment
server:
\ttrust-anchor: "example.com. 3600 IN DS 1 13 2 00" ; with a comment
val-override-date: '20260201120000'
stub-zone:
\tname: "."
\tstub-addr: 192.0.2.1 \t# A.ROOT-SERVERS.NET.
CONFIG_END
SCENARIO_BEGIN what it is about
RANGE_BEGIN 0 100
\tADDRESS 192.0.2.1
\tADDRESS 2001:db8::1
ENTRY_BEGIN
MATCH opcode qtype qname
ADJUST copy_id sleep=2
REPLY QR AA NOERROR
SECTION QUESTION
www.example.com. IN A
SECTION ANSWER
www.example.com. IN A 198.51.100.1 ; text
www.example.com. 60 IN TXT "a;b" "c"
SECTION AUTHORITY
example.com. IN SOA ns.example.com. host.example.com. (
    1 2 3 4 5 )
ENTRY_END
RANGE_END
STEP 2 TIME_PASSES ELAPSE 30
STEP 1 QUERY
ENTRY_BEGIN
REPLY RD DO
SECTION QUESTION
www.example.com. IN A
ENTRY_END
SCENARIO_END
"""


def changed(text: str, before: str, after: str) -> Scenario:
    assert before in text
    return scenario.parse(text.replace(before, after))


def test_a_scenario_is_read_with_its_ranges_entries_and_steps() -> None:
    read = scenario.parse(SMALL)
    assert read.title == "what it is about"
    assert read.addresses() == ["192.0.2.1", "2001:db8::1"]
    [entry] = read.ranges[0].entries
    assert (entry.match, entry.adjust, entry.sleep_s) == (
        {"opcode", "qtype", "qname"}, {"copy_id"}, 2.0,
    )  # fmt: skip
    assert [str(rrset) for rrset in entry.section("answer")] == [
        "www.example.com. 3600 IN A 198.51.100.1",
        'www.example.com. 60 IN TXT "a;b" "c"',
    ]
    assert entry.section("authority")[0][0].minimum == 5
    assert [(step.number, step.kind, step.elapse_s) for step in read.steps] == [
        (1, "QUERY", 0.0), (2, "TIME_PASSES", 30.0),
    ]  # fmt: skip


def test_settings_become_what_the_resolver_is_told() -> None:
    told = settings.parse(scenario.parse(SMALL).settings)
    assert told.root_hints == [("a.root-servers.net.", "192.0.2.1")]
    assert told.trust_anchors == ["example.com. 3600 IN DS 1 13 2 00"]
    assert (told.stubs, told.forwards, told.qmin) == ([], [], None)
    assert told.time_s == 1769947200
    forwarded = settings.parse(["forward-zone:", ' name: "com"', " forward-addr: 192.0.2.9@53"])
    assert forwarded.forwards == [("com.", ["192.0.2.9"])]
    in_one_line = settings.parse(['forward-zone: name: "com" forward-addr: 192.0.2.9 # here'])
    assert in_one_line.forwards == forwarded.forwards


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("STEP 2 TIME_PASSES ELAPSE 30", "STEP 2 FLUSH_MESSAGE"),
        ("sleep=2", "fly"),
        ("MATCH opcode", "MATCH mood"),
        ("IN TXT", "IN NOSUCHTYPE"),
        ("REPLY QR AA", "REPLY QR XX"),
    ],
)
def test_what_the_player_does_not_know_is_said_and_not_passed_over(
    before: str, after: str
) -> None:  # fmt: skip
    with pytest.raises(UnsupportedError, match="line|entry"):
        changed(SMALL, before, after)


def test_addresses_may_stand_beside_the_range_and_forwarders_without_a_zone() -> None:
    read = changed(SMALL, "RANGE_BEGIN 0 100", "RANGE_BEGIN 0 100 192.0.2.77")
    assert read.addresses()[0] == "192.0.2.77"
    assert settings.parse(["forward-addr: 192.0.2.9"]).forwards == [(".", ["192.0.2.9"])]


def test_settings_that_change_what_is_answered_are_not_passed_over() -> None:
    with pytest.raises(UnsupportedError, match="serve-expired"):
        settings.parse(["serve-expired: yes"])


def test_without_hints_the_root_servers_of_the_internet_that_are_played_are_known() -> None:
    assert not playing.known_roots(scenario.parse(SMALL))
    read = changed(SMALL, "ADDRESS 192.0.2.1", "ADDRESS 199.7.83.42")
    assert playing.known_roots(read) == [("l.root-servers.net.", "199.7.83.42")]


def test_a_file_without_its_end_is_no_scenario() -> None:
    with pytest.raises(ScenarioError, match="SCENARIO_END"):
        changed(SMALL, "SCENARIO_END", "")


def test_a_server_may_say_two_records_where_there_can_be_one() -> None:
    twice = "www.example.com. IN CNAME a.\nwww.example.com. IN CNAME b."
    [entry] = changed(SMALL, "www.example.com. IN A 198.51.100.1 ; text", twice).ranges[0].entries
    aliases = [one for one in entry.section("answer") if one.rdtype == dns.rdatatype.CNAME]
    assert [one[0].target.to_text() for one in aliases] == ["a.", "b."]


def test_servers_that_only_a_reply_step_names_are_there() -> None:
    step = """STEP 3 REPLY
ENTRY_BEGIN
REPLY QR
SECTION QUESTION
example.com. IN A
SECTION AUTHORITY
example.com. IN NS ns.example.com.
SECTION ADDITIONAL
ns.example.com. IN A 198.51.100.53
ENTRY_END
SCENARIO_END"""
    read = changed(SMALL, "SCENARIO_END", step)
    assert read.addresses() == ["192.0.2.1", "2001:db8::1", "198.51.100.53"]


def reply_of(entry: Entry, name: str = "wWw.example.com.", rrtype: str = "A") -> bytes:
    return matching.reply(entry, dns.message.make_query(name, rrtype, use_edns=0, id=77))


def test_a_reply_has_the_id_and_the_letters_of_the_query() -> None:
    entry = scenario.parse(SMALL).ranges[0].entries[0]
    reply = dns.message.from_wire(reply_of(entry))
    assert (reply.id, reply.question[0].name.to_text()) == (77, "wWw.example.com.")
    assert reply.answer[0].ttl == 3600


def test_a_reply_has_the_question_of_the_query_but_not_when_it_is_to_have_none() -> None:
    question = "SECTION QUESTION\nwww.example.com. IN A\n"
    without = changed(SMALL, question, "").ranges[0].entries[0]
    empty = changed(SMALL, question, "SECTION QUESTION\n").ranges[0].entries[0]
    assert dns.message.from_wire(reply_of(without)).question
    assert not dns.message.from_wire(reply_of(empty)).question


@pytest.mark.parametrize(
    ("name", "rrtype", "is_found"),
    [
        ("WWW.example.com.", "A", True),
        ("www.example.com.", "AAAA", False),
        ("x.www.example.com.", "A", False),
    ],
)
def test_an_entry_is_found_by_its_question(name: str, rrtype: str, is_found: bool) -> None:
    entries = scenario.parse(SMALL).ranges[0].entries
    query = dns.message.make_query(name, rrtype)
    assert (matching.find(entries, query, "udp") is not None) == is_found


@pytest.mark.parametrize(
    ("match", "is_found"),
    [("subdomain", True), ("qname subdomain", False), ("subdomain UDP", True),
     ("subdomain TCP", False), ("subdomain noedns", True), ("subdomain edns", False),
     ("subdomain DO", False)],
)  # fmt: skip
def test_match_words_are_all_to_hold(match: str, is_found: bool) -> None:
    [entry] = changed(SMALL, "MATCH opcode qtype qname", f"MATCH {match}").ranges[0].entries
    query = dns.message.make_query("a.www.example.com.", "A", use_edns=False)
    assert (matching.find([entry], query, "udp") is not None) == is_found


def test_match_all_looks_at_flags_rcode_and_the_sections_that_the_entry_has() -> None:
    [entry] = changed(SMALL, "MATCH opcode qtype qname", "MATCH all").ranges[0].entries
    reply = dns.message.from_wire(reply_of(entry))
    assert matching.differences(entry, reply) == []
    reply.additional = [dns.rrset.from_text("x.", 1, "IN", "A", "192.0.2.1")]
    assert matching.differences(entry, reply) == []
    authority, reply.authority = reply.authority, []
    assert matching.differences(entry, reply) == [], "a minimal answer"
    reply.authority = authority
    reply.answer.pop()
    reply.flags |= dns.flags.AD
    assert [text.split()[0] for text in matching.differences(entry, reply)] == [
        "flags", "answer:",
    ]  # fmt: skip


def play(path: Path, resolver: str, qmin: str) -> player.Result:
    if why := why_not():
        pytest.skip(why)
    if resolver != "dns-node" and not shutil.which(resolver):
        pytest.skip(f"{resolver} is not installed")
    if not resolvers._FAKETIME:
        pytest.skip("libfaketime is not installed")
    return player.play(path, argparse.Namespace(resolver=resolver, qmin=qmin))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_unbound_passes_the_scenarios(path: Path) -> None:
    result = play(path, "unbound", "off")
    assert (result.verdict, result.reason) == ("passed", "")


@pytest.mark.parametrize(
    ("path", "qmin"),
    [(path, "on" if number % 2 else "off") for number, path in enumerate(FILES)],
    ids=lambda value: getattr(value, "stem", value),
)
def test_dns_node_passes_the_scenarios(path: Path, qmin: str) -> None:
    result = play(path, "dns-node", qmin)
    assert (result.verdict, result.reason) == ("passed", "")


def test_what_is_not_as_a_step_wants_it_fails_with_the_step_and_the_difference(
    tmp_path: Path,
) -> None:
    text = (HERE / "truncated.rpl").read_text()
    first, last = text.rsplit("198.51.100.1", 1)
    path = tmp_path / "wrong.rpl"
    path.write_text(f"{first}198.51.100.99{last}")
    result = play(path, "unbound", "off")
    assert result.verdict == "failed"
    assert "step 2 CHECK_ANSWER" in result.reason
    assert "answer:" in result.reason and "198.51.100.99" in result.reason
