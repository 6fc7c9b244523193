"""`dns-node query` as a user runs it, against real servers."""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.answer.dict_view import zone_from_text
from tests.answer.example_zones import EXAMPLE
from tests.net.worker_process import WorkerProcess, fill
from tests.query_tool.servers import free_port, reply_to, serve

ROOT = Path(__file__).resolve().parents[2]
A_RECORD = ("www.example.", 60, "A", "192.0.2.1")


def query(*words):
    """(exit status, output, complaints) of the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "dns_node", "query", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def ask(capsys):
    """Run the tool within this process: a second less for each."""
    from dns_node.query_tool.run import run

    def ask_it(*words):
        status = run([str(word) for word in words])
        seen = capsys.readouterr()
        return status, seen.out, seen.err

    return ask_it


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    fill(path, zone_from_text("example.", EXAMPLE, 1))
    with WorkerProcess(path) as process:
        yield process


def test_a_node_s_answer_is_shown_whole_by_the_command_line(worker):
    status, out, _ = query(f"@127.0.0.1:{worker.port}", "web.example", "+nsid", "+nord")
    assert status == 0
    assert out.startswith("NOERROR, authoritative (id ")
    assert 'NSID: "0"' in out
    assert "Question\n  web.example. A\n" in out
    assert "Answer\n  web.example.  60  A  192.0.2.5\n" in out
    assert f" octets, 127.0.0.1 port {worker.port} over UDP\n" in out


def test_the_exit_status_tells_an_answer_from_an_error_and_from_nothing(worker, ask):
    at = f"@127.0.0.1:{worker.port}"
    assert ask(at, "web.example", "+nord")[0] == 0
    assert ask(at, "web.example", "MX", "+nord")[0] == 0, "no data is no error"
    assert ask(at, "nosuch.example", "+nord")[0] == 1
    status, out, _ = ask(at, "www.elsewhere", "+nord")
    assert status == 1 and "error 20: not authoritative" in out
    status, _, err = ask(f"@127.0.0.1:{free_port()}", "a")
    assert status == 2 and "Connection refused" in err
    assert ask("a..b")[0] == 64
    assert ask("--help")[0] == 0


def test_tcp_short_and_json(worker, ask):
    at = f"@127.0.0.1:{worker.port}"
    assert ask(at, "www.example", "+tcp", "+short", "+nord")[1] == "web.example.\n192.0.2.5\n"
    found = json.loads(ask(at, "web.example", "+tcp", "+json", "+nord")[1])
    assert (found["rcode"], found["transport"]) == ("NOERROR", "tcp")
    assert found["answer"][0]["data"] == "192.0.2.5" and "aa" in found["flags"]


@pytest.mark.parametrize("transport", [[], ["+tcp"]])
def test_a_thousand_questions_get_a_summary(worker, ask, transport):
    at = f"@127.0.0.1:{worker.port}"
    status, out, _ = ask(at, "web.example", "--count", 1000, "--parallel", 4, "+nord", *transport)
    assert status == 0
    assert "4 at a time" in out
    assert "Total: 1000   Successes: 1000   Failures: 0" in out
    assert "Rcodes: NOERROR 1000" in out and "Average RTT:" in out and "p99" in out


def test_questions_without_a_reply_are_failures(ask):
    def every_second(octets, _transport, seen=[]):  # noqa: B006 (it remembers)
        seen.append(octets)
        return [reply_to(octets, A_RECORD)] if len(seen) % 2 else []

    with serve(every_second) as port:
        words = (f"@127.0.0.1:{port}", "www.example", "--count", 4, "+tries=1", "+timeout=0.6")
        status, out, _ = ask(*words)
    assert status == 1
    assert "Successes: 2   Failures: 2" in out and "No reply: 2 (no reply within 0.6 s)" in out


def test_what_is_not_the_reply_is_passed_over(ask):
    def liar(octets, _transport):
        good = reply_to(octets, A_RECORD)
        other_id = bytes([octets[0] ^ 1]) + good[1:]
        query = dns.message.make_query("other.example", "A", id=int.from_bytes(octets[:2], "big"))
        return [b"", other_id, octets, reply_to(query.to_wire()), good]

    with serve(liar) as port:
        assert ask(f"@127.0.0.1:{port}", "www.example", "+short")[1] == "192.0.2.1\n"


def test_a_reply_that_is_truncated_is_asked_for_again_over_tcp_unless_told_otherwise(ask):
    def too_long(octets, transport):
        if transport == "udp":
            return [reply_to(octets, flags=dns.flags.TC)]
        return [reply_to(octets, A_RECORD)]

    with serve(too_long) as port:
        assert "over TCP" in ask(f"@127.0.0.1:{port}", "www.example")[1]
        out = ask(f"@127.0.0.1:{port}", "www.example", "+ignore")[1]
        assert "truncated" in out and "over UDP" in out


def test_a_reply_that_is_no_message_is_no_reply(ask):
    with serve(lambda octets, _: [reply_to(octets, A_RECORD)[:-3]]) as port:
        status, _, err = ask(f"@127.0.0.1:{port}", "www.example")
        assert status == 2 and "can't be read" in err


def test_a_connection_that_was_closed_is_opened_again(ask):
    with serve(lambda octets, _: [reply_to(octets, A_RECORD)], closes_at_once=True) as port:
        words = (f"@127.0.0.1:{port}", "www.example", "+tcp", "--count", 5, "--parallel", 1)
        assert "Successes: 5" in ask(*words)[1]


def test_what_is_told_beside_the_answer_is_shown(ask):
    def telling(octets, _transport):
        query = dns.message.from_wire(octets)
        assert query.ednsflags & dns.flags.DO and query.flags & dns.flags.CD
        reply = dns.message.make_response(query)
        options = [
            dns.edns.EDEOption(6, "the signature is over"),
            dns.edns.GenericOption(65001, b"x"),
        ]
        reply.use_edns(0, dns.flags.DO, 1400, options=options)
        reply.set_rcode(2)
        return [reply.to_wire()]

    with serve(telling) as port:
        out = ask(f"@127.0.0.1:{port}", "www.example", "+dnssec", "+cd")[1]
    assert out.startswith("SERVFAIL, recursion desired (id ")
    assert "EDNS: version 0, 1400 octets over UDP, DNSSEC ok" in out
    assert "error 6: dnssec bogus (the signature is over)" in out and "65001: 78" in out


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for dns.example, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dns.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("dns.example")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "dns.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_over_tls_the_certificate_counts_where_a_name_is_given(certificate, ask):
    with serve(lambda octets, _: [reply_to(octets, A_RECORD)], certificate=certificate) as port:
        words = (f"@127.0.0.1:{port}", "www.example", "+tls")
        status, out, _ = ask(*words)
        assert status == 0 and "over TLS" in out
        assert ask(*words, "+tls-host=dns.example", f"+tls-ca={certificate}")[0] == 0
        for wrong in (["+tls-host=dns.example"], ["+tls-host=x", f"+tls-ca={certificate}"]):
            status, _, err = ask(*words, *wrong)
            assert status == 2 and "TLS: " in err
        assert "Successes: 20" in ask(*words, "--count", 20)[1]
