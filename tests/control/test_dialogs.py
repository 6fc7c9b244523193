"""Dialogs at the console, over the real store and its judging."""

from dataclasses import replace

from dns_node.cluster.command import Done, Refused
from dns_node.control.api import Answer, LoadReport
from dns_node.control.compose import Asker, serial_floor
from dns_node.control.session import LINE_SIZE_OCTETS_MAX, Session

from .fake_node import NOW_MS, FakeNode, ask, dialog

ZONE = "> ADD: www.example.com 60 A 192.0.2.1"


def made(console: Session) -> None:
    """Let example.com be there."""
    assert ask(console, ZONE[2:]).exit_status == 0


def test_adding_makes_a_zone_and_says_so_and_removing_takes_it_away(console: Session) -> None:
    dialog(console, """
        > ADD:  newdomain.com \t A  1.3.3.7
        < Read line into resource record newdomain.com. A 1.3.3.7
        < Added resource record for this entry.
        < zone newdomain.com. created (SOA, NS from the configuration)
        < OK newdomain.com. serial # revision #
        > SHOW newdomain.com A
        < newdomain.com. 3600 IN A 1.3.3.7
        > REMOVE: newdomain.com A 1.3.3.7
        < Read line into resource record newdomain.com. A 1.3.3.7
        < Removed resource record for this entry.
        < zone newdomain.com. vanished with its last record
        < OK newdomain.com. withdrawn revision #
        > SHOW newdomain.com
        < no zone holds newdomain.com.
    """)


def test_what_exists_and_what_is_not_there_is_said_and_changes_nothing(console: Session) -> None:
    made(console)
    dialog(console, f"""
        {ZONE}
        < Read line into resource record www.example.com. 60 A 192.0.2.1
        < exists already: www.example.com. A 192.0.2.1
        < OK nothing to change, revision #
        > REMOVE: never.example.com A
        < Read line into resource record never.example.com. A
        < not there: never.example.com.
        < OK nothing to change, revision #
    """)


def test_a_line_that_can_not_be_read_gets_the_legacy_error(console: Session) -> None:
    dialog(console, """
        > ADD: x.example.com A 300.1.2.3
        < Some error prevented parsing line: …300.1.2.3…
        > FROBNICATE
        < Some error prevented parsing line: "FROBNICATE" is no verb. HELP lists the verbs.
        >
        > # a comment
    """)
    assert ask(console, "FROBNICATE").exit_status == 1
    assert ask(console, "ADD: " + "y" * LINE_SIZE_OCTETS_MAX).exit_status == 1


def test_public_suffixes_are_refused_and_so_is_everything_without_auto_zones(
    console: Session, node: FakeNode
) -> None:
    dialog(console, """
        > ADD: co.uk A 192.0.2.1
        < Read line into resource record co.uk. A 192.0.2.1
        < REFUSED co.uk.: nothing changed. co.uk. is a public suffix;…
    """)
    auto_zones = replace(node.settings.auto_zones, enabled=False)
    node.settings = replace(node.settings, auto_zones=auto_zones)
    dialog(console, """
        > ADD: www.example.com A 192.0.2.1
        < Read line into resource record www.example.com. A 192.0.2.1
        < REFUSED www.example.com.: nothing changed. …
    """)


def test_a_transaction_is_one_revision_over_its_zones(console: Session) -> None:
    dialog(console, """
        > BEGIN
        < Transaction begun: …
        > ADD: a.example.com 60 A 192.0.2.1
        < Read line into resource record a.example.com. 60 A 192.0.2.1
        > ADD: a.cats.com 60 A 192.0.2.1
        < Read line into resource record a.cats.com. 60 A 192.0.2.1
        > KV SET colour blue
        > SHOW a.example.com
        < no zone holds a.example.com.
        > COMMIT reason="a test"
        < Added resource record for this entry.
        < Added resource record for this entry.
        < …cats.com. created…
        < …example.com. created…
        < OK …example.com. serial #…revision #
        > KV GET colour
        < blue
    """.replace("< …cats.com. created…\n        < …example.com. created…",
                "< zone … created…\n        < zone … created…"))


def test_one_bad_line_refuses_the_whole_and_says_which(console: Session, node: FakeNode) -> None:
    made(console)
    before = node.machine.revision()
    dialog(console, """
        > BEGIN
        < Transaction begun: …
        > ADD: a.example.com 60 A 192.0.2.1
        < Read line into resource record a.example.com. 60 A 192.0.2.1
        > ADD: b.example.com A 999.2.3.4
        < Some error prevented parsing line: …999.2.3.4… (line 2 of the transaction)
        > COMMIT
        < REFUSED the transaction: nothing changed. line 2: …999.2.3.4…
        > COMMIT
        < REFUSED COMMIT: nothing changed. There is no transaction; BEGIN starts one.
    """)
    assert node.machine.revision() == before


def test_a_change_that_the_zone_forbids_refuses_the_whole_transaction(console: Session) -> None:
    made(console)
    dialog(console, """
        > BEGIN
        < Transaction begun: …
        > ADD: ok.example.com 60 A 192.0.2.1
        < Read line into resource record ok.example.com. 60 A 192.0.2.1
        > ADD: www.example.com CNAME elsewhere.net.
        < Read line into resource record www.example.com. CNAME elsewhere.net.
        > COMMIT
        < REFUSED the transaction (ok.example.com., www.example.com.): nothing changed. …CNAME…
        > SHOW ok.example.com
        < no records at ok.example.com. in zone example.com.
    """)


def test_abort_forgets_and_other_writes_do_not_slip_into_a_transaction(console: Session) -> None:
    dialog(console, """
        > ABORT
        < REFUSED ABORT: nothing changed. There is no transaction; BEGIN starts one.
        > BEGIN
        < Transaction begun: …
        > UNDO 1
        < Some error prevented parsing line: UNDO can't be part of a transaction. …
        > ADD: a.example.com A 192.0.2.1 wait=all
        < Some error prevented parsing line: options stand at COMMIT…
        > ABORT
        < OK transaction of # lines forgotten, nothing changed
    """)


def test_if_revision_and_dry_run_are_judged_and_change_nothing(
    console: Session, node: FakeNode
) -> None:
    made(console)
    revision = node.machine.revision()
    refused = ask(console, f"ADD: c.example.com A 192.0.2.2 if-revision={revision - 1}")
    assert refused.exit_status == 1 and refused.lines[-1].startswith("REFUSED c.example.com.:")
    assert ask(console, f"ADD: c.example.com A 192.0.2.2 if-revision={revision}").exit_status == 0
    before = node.machine.revision()
    dialog(console, """
        > ADD: d.example.com A 192.0.2.2 dry-run
        < Read line into resource record d.example.com. A 192.0.2.2
        < OK example.com. serial # revision # (dry run: nothing was changed)
        > ADD: dry-run www.example.com CNAME x.
        < Read line into resource record www.example.com. CNAME x.
        < REFUSED www.example.com.: nothing changed. …CNAME… (dry run)
    """)
    assert node.machine.revision() == before


def test_undo_puts_back_and_is_refused_when_the_name_has_changed_since(
    console: Session, node: FakeNode
) -> None:
    made(console)
    assert ask(console, "REPLACE: www.example.com 60 A 192.0.2.20").exit_status == 0
    second = node.machine.revision()
    dialog(console, f"""
        > UNDO {second}
        < OK example.com. serial # revision #
        > SHOW www.example.com A
        < www.example.com. 60 IN A 192.0.2.1
        > UNDO 999999
        < REFUSED UNDO 999999: nothing changed. …
    """)
    refused = ask(console, f"UNDO {second}")
    assert refused.exit_status == 1 and "www.example.com." in "\n".join(refused.lines)
    assert refused.lines[-1].startswith("REFUSED")


def test_drop_and_undo_of_the_drop(console: Session, node: FakeNode) -> None:
    made(console)
    assert ask(console, "DROP example.com").lines[-1].startswith("OK example.com. withdrawn")
    assert ask(console, f"UNDO {node.machine.revision()}").exit_status == 0
    assert ask(console, "SHOW www.example.com").lines == ("www.example.com. 60 IN A 192.0.2.1",)


def test_history_says_who_when_why_and_what(console: Session) -> None:
    made(console)
    ask(console, 'REPLACE: www.example.com 60 A 192.0.2.20 reason="moved"')
    dialog(console, """
        > HISTORY example.com 1
        < revision #  2026-11-21 00:00:00 UTC  by console me  "moved"
        <     example.com. serial # -> #
        <       - www.example.com. 60 IN A 192.0.2.1
        <       + www.example.com. 60 IN A 192.0.2.20
    """)


def test_wait_names_who_serves_it_and_who_does_not(console: Session, node: FakeNode) -> None:
    made(console)
    said = []
    for number, visible in enumerate([
        (("0", "1", "2"), (), ()), (("0", "2"), (), ("1",)), (("0",), ("1",), ("2",)),
    ]):  # fmt: skip
        node.visible = visible
        line = f"ADD: n{number}.example.com A 192.0.2.1 wait=all"
        said.append(ask(console, line).lines[-1].split(" ", 6)[6])
    assert said == [
        "visible on 3 of 3", "visible on 2 of 3; unreachable: 1",
        "committed; not yet visible on: 1; unreachable: 2",
    ]  # fmt: skip


def test_an_unknown_outcome_names_the_operation_and_asking_again_does_it_once(
    console: Session, node: FakeNode
) -> None:
    made(console)
    node.is_lost = True
    reply = ask(console, "ADD: lost.example.com A 192.0.2.9")
    assert reply.exit_status == 2
    word = reply.lines[-1].split()
    assert word[0] == "UNKNOWN" and word[2] == "operation"
    node.is_lost = False
    again = f"ADD: lost.example.com A 192.0.2.9 operation={word[3].rstrip(':')}"
    first, second = ask(console, again).lines[-1], ask(console, again).lines[-1]
    assert first.startswith("OK example.com. serial") and first == second


def test_status_members_and_tokens(console: Session, node: FakeNode) -> None:
    dialog(console, """
        > STATUS
        < node: 0
        < leader: none
        < log entries: 0
        < revision: #
        < digest: …
        < members: 2
        < member 0: role voter, lag 0
        < member 1: role voter, lag 3
        < workers: 1
        < worker 0: queries 5
        > JOIN-TOKEN 15m
        < token-of-the-test
        < One node may join with it until 2026-11-21 00:15:00 UTC. On the new node:
        < dns-node -n ID --join 127.0.0.1:4321 --token token-of-the-test
        < OK revision #
        > REMOVE-MEMBER 7
        < REFUSED REMOVE-MEMBER 7: nothing changed. There is no such member; …0, 1.
        > REMOVE-MEMBER 1
        < OK revision #
        > MEMBERS
        < id  role   address         state
        < 0   voter  127.0.0.1:4321  lag 0
    """.replace("        < dns-node -n", "        <   dns-node -n"))


def test_load_and_reload_tell_what_the_files_did(console: Session, node: FakeNode) -> None:
    node.report = LoadReport(("a warning",), (Answer(Done(9, True, ((b"\1a\0", 4),))),))
    assert ask(console, "RELOAD").lines == ("a warning", "OK a. serial 4 revision 9")
    node.report = LoadReport(("z.zone:5: bad",), (), True)
    reply = ask(console, "LOAD /tmp/z.zone replace")
    assert reply.exit_status == 1 and reply.lines[0] == "z.zone:5: bad"
    assert node.loaded == [(None, None), ("/tmp/z.zone", "replace")]
    node.report = LoadReport(())
    assert ask(console, "RELOAD").lines == ("OK nothing to change",)
    node.report = LoadReport((), (Answer(Refused(("no", "never"))),))
    assert ask(console, "RELOAD").exit_status == 1


def test_quit_is_for_the_console_and_control_characters_do_not_reach_the_terminal(
    console: Session, node: FakeNode
) -> None:
    assert ask(console, "QUIT").is_quit
    assert ask(Session(node, Asker("ctl")), "QUIT").exit_status == 1
    said = ask(console, "SHOW \x1b[2J.example.com A").lines
    assert not any("\x1b" in line for line in said)


def test_a_silent_console_prints_no_legacy_lines(node: FakeNode) -> None:
    dialog(Session(node, Asker("console"), is_silent=True), f"""
        {ZONE}
        < zone example.com. created (SOA, NS from the configuration)
        < OK example.com. serial # revision #
    """)


def test_the_serial_that_is_suggested_is_the_day() -> None:
    assert serial_floor(NOW_MS) // 100 == 20261121
    assert 0 <= serial_floor(10**15) < 2**32


def test_the_secret_of_cookies_is_renewed_and_shown_to_nobody(console: Session) -> None:
    dialog(console, """
        > ROLL-COOKIES
        < OK revision #
        > roll-cookies: NOW
        < OK revision #
        > ROLL-COOKIES soon
        < Some error prevented parsing line: ROLL-COOKIES takes nothing, or the word now.
        > KV GET dns-node/cookie-secrets
        < Some error prevented parsing line: keys that begin with dns-node/ are the cluster's own.
        > KV SET dns-node/cookie-secrets x
        < Some error prevented parsing line: keys that begin with dns-node/ are the cluster's own.
        > KV DEL dns-node/cookie-secrets
        < Some error prevented parsing line: keys that begin with dns-node/ are the cluster's own.
    """)
    lines = ask(console, "HISTORY 2").lines
    assert [line for line in lines if "key" in line] == [
        "    key dns-node/cookie-secrets: renewed (sealed)"
    ] * 2
