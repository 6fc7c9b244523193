"""What lines ask for: pure reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_node.cluster.command import DeleteKey, PutKey
from dns_node.control.kv_requests import Get, Set, parse_request, record_key, set_edit
from dns_node.control.options import NAMES, split_options
from dns_node.control.requests import Change, Load, Request, Show, ShowHistory, Undo
from dns_node.control.verbs import VERBS, help_lines, parse_line
from dns_node.errors import InputError
from dns_node.zone.change import Add, DropZone, Remove, Replace
from dns_node.zone.names import parse_name

WWW = parse_name("www.example.com")
A = bytes((192, 0, 2, 1))

words = st.sampled_from(
    [*VERBS, "add:", "www.example.com", "A", "MX", "TXT", "192.0.2.1", '"', '"a b"', "60", "IN",
     "wait=all", "wait=", "dry-run", "reason=\"x y\"", "if-revision=3", "SET", "GET", "#", "[",
     '["mx.", 5]', "\\", "merge", "42", ":"]
)  # fmt: skip
lines = st.one_of(
    st.text(max_size=80),
    st.lists(st.one_of(words, st.text(max_size=10)), max_size=9).map(" ".join),
    st.builds("{}:{}{}".format, st.sampled_from(list(VERBS)), st.sampled_from(" \t"), st.text()),
)


@given(lines)
def test_any_line_gives_a_request_or_nothing_or_one_clear_error(line: str) -> None:
    try:
        request = parse_line(line)
    except InputError as error:
        assert len(error.problems) == 1 and str(error)
    else:
        assert request is None or isinstance(request, Request) and request.verb in VERBS


@given(st.lists(st.sampled_from(["wait=all", "dry-run", "if-revision=7", 'reason="a \\" b"']),
                unique=True))  # fmt: skip
def test_options_are_read_at_the_head_and_at_the_tail_alike(options: list[str]) -> None:
    record = 'www.example.com TXT "wait=node dry-run"'
    head, tail = " ".join([*options, record]), " ".join([record, *options])
    for text in (head, tail):
        rest, read = split_options(text)
        assert rest == record
        assert set(read.given) == {option.partition("=")[0] for option in options}
        assert read.reason in ("", 'a " b')


def edit_of(line: str) -> object:
    request = parse_line(line)
    assert request is not None and isinstance(request.value, Change)
    return request.value.edit


@pytest.mark.parametrize("line", [
    "ADD: www.example.com A 192.0.2.1", "add www.example.com. A 192.0.2.1",
    "Add:\twww.example.com\tA\t192.0.2.1", "  ADD:www.example.com   IN  A 192.0.2.1  ",
    "ADD : WWW.example.COM a 192.0.2.1",
])  # fmt: skip
def test_verbs_in_any_case_the_colon_optional_blanks_or_tabs(line: str) -> None:
    assert edit_of(line) == Add(WWW, 1, None, (A,), 3600)


def test_each_verb_says_its_change() -> None:
    assert edit_of("ADD: www.example.com 60 A 192.0.2.1") == Add(WWW, 1, 60, (A,), 3600)
    assert edit_of("REPLACE www.example.com A 192.0.2.1") == Replace(WWW, 1, None, (A,), 3600)
    assert edit_of("REMOVE: www.example.com A 192.0.2.1") == Remove(WWW, 1, (A,))
    assert edit_of("REMOVE: www.example.com A") == Remove(WWW, 1, None)
    assert edit_of("REMOVE: www.example.com ANY") == Remove(WWW, 255, None)
    assert edit_of("DROP example.com") == DropZone(parse_name("example.com"))
    assert edit_of("kv set\tcolour deep  blue") == PutKey("colour", "deep  blue")
    assert edit_of("KV: DEL colour") == DeleteKey("colour")


def test_reading_verbs_say_what_to_read() -> None:
    def value(line: str) -> object:
        request = parse_line(line)
        assert request is not None
        return request.value
    assert value("SHOW www.example.com a") == Show(WWW, 1)
    assert value("SHOW www.example.com ANY") == Show(WWW, None)
    assert value("HISTORY www.example.com 5") == ShowHistory(WWW, 5)
    assert value("UNDO 42") == Undo(42)
    assert value("LOAD my zone.txt merge") == Load("my zone.txt", "merge")
    assert value('LOAD "merge"') == Load("merge", None)


@pytest.mark.parametrize("line", ["", "  \t ", "# a comment", "   # ADD: x A 1.2.3.4"])
def test_blank_lines_and_comments_ask_for_nothing(line: str) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize(("line", "part"), [
    ("FROBNICATE", "HELP"), ("ADDD: x", "ADD"), ("ADD: x.example.com", "data"),
    ("ADD: x.example.com A 300.1.2.3", "300.1.2.3"), ("UNDO x", "HISTORY"), ("COMMIT now", "now"),
    ("ADD: x.example.com A 192.0.2.1 wait=sometimes", "wait=all"),
    ("ADD: x.example.com A 192.0.2.1 dry-run dry-run", "twice"), ("KV FOO", "SET"),
    ("SHOW", "SHOW name"), ("HISTORY a b c", "HISTORY [zone]"), (":", "HELP"),
])  # fmt: skip
def test_an_error_says_what_to_do(line: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_line(line)
    assert part in str(caught.value)


def test_help_names_every_verb_and_explains_each_with_its_options() -> None:
    text = "\n".join(help_lines(None))
    for name, verb in VERBS.items():
        assert verb.usage in text
        assert all(f"{option}" in "\n".join(help_lines(name.lower())) for option in verb.options)
    assert set(VERBS["ADD"].options) == set(NAMES)


# ---- kv


@given(st.text(max_size=60))
def test_any_kv_line_gives_a_request_or_none(line: str) -> None:
    for text in (line, f"kv {line}", f"kv set {line}", f"kv get {line}"):
        parse_request(text)


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_kv_set_gives_a_change_or_an_error(key: str, value: str) -> None:
    for name in (key, "db.example.com._1", "example.com._15"):
        try:
            set_edit(name, value, 60)
        except InputError as error:
            assert str(error)


def test_kv_verbs_are_read_in_any_case_with_exact_arity() -> None:
    assert parse_request("KV Set toto titi  tata") == Set("toto", "titi  tata")
    assert parse_request("kv get K") == Get("K")
    for wrong in ("kv", "kv get", "kv get a b", "kv set a", "kv del", "hello", "kv ping x"):
        assert parse_request(wrong) is None


def test_a_key_of_name_and_type_number_is_a_record_and_others_are_not() -> None:
    found = record_key("db.example.com._1")
    assert found is not None and (found.owner, found.rrtype) == (parse_name("db.example.com"), 1)
    for plain in ("toto_1", "db.example.com._0", "db.example.com._70000", "a..b._1", "x._y"):
        assert record_key(plain) is None
    edit = set_edit("db.example.com._1", '"db.example.com. 60 IN A 192.0.2.1"', 3600)
    assert edit == Replace(parse_name("db.example.com"), 1, 60, (A,), 3600)
    with pytest.raises(InputError, match=r"A record of db\.example\.com"):
        set_edit("db.example.com._1", "other.example.com. 60 IN A 192.0.2.1", 3600)
