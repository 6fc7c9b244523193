"""Asking upstreams over TLS: connections that are used again, and certificates that count."""

import datetime
import os
import ssl

import dns.rcode
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.net.recursion.clients import addresses, ask
from tests.net.recursion.upstream import Upstream, forward
from tests.net.worker_process import WorkerProcess

NAME = "dns.upstream.test-zone"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return the file of a certificate for NAME, and its key, that SSL_CERT_FILE trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    encoding, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(
        made.public_bytes(encoding)
        + key.private_bytes(encoding, plain, serialization.NoEncryption())
    )
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(path)
    yield path
    if before is None:
        del os.environ["SSL_CERT_FILE"]
    else:
        os.environ["SSL_CERT_FILE"] = before


class TlsUpstream(Upstream):
    """The same over TLS; *alpn* is what was agreed on, *connections* how many there were."""

    def __init__(self, certificate, **options):
        super().__init__(**options)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._context.set_alpn_protocols(["dot"])
        self.alpn = []
        self.connections = 0

    def _talk(self, connection, peer):
        try:
            with self._context.wrap_socket(connection, server_side=True) as secure:
                self.alpn.append(secure.selected_alpn_protocol())
                self.connections += 1
                super()._talk(secure, peer)
        except (OSError, ssl.SSLError):
            return


def over_tls(server, name=""):
    settings = forward(server, upstream_tls=True)
    if name:
        settings["recursion"]["section"]["upstreams"][0]["tls_name"] = name
    return settings


def test_questions_go_over_one_connection_and_never_in_clear(own_zones, certificate):
    with TlsUpstream(certificate) as server:
        with WorkerProcess(own_zones, **over_tls(server, NAME)) as worker:
            for number in range(20):
                reply = ask(worker, f"n{number}.elsewhere.test-zone.")
                assert addresses(reply) == ["192.0.2.1"]
        assert server.connections == 1 and server.alpn == ["dot"]
        assert server.over_tcp == len(server.asked)


def test_a_certificate_for_another_name_is_not_good_enough(own_zones, certificate):
    with TlsUpstream(certificate) as server:
        with WorkerProcess(own_zones, **over_tls(server, "other.test-zone")) as worker:
            reply = ask(worker, "n.elsewhere.test-zone.")
            assert reply.rcode() == dns.rcode.SERVFAIL
        assert server.asked == []


def test_without_a_name_any_certificate_will_do(own_zones, certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    settings = over_tls(server := TlsUpstream(certificate))
    with server, WorkerProcess(own_zones, **settings) as worker:
        assert addresses(ask(worker, "n.elsewhere.test-zone.")) == ["192.0.2.1"]


def test_a_connection_that_the_server_has_closed_is_opened_again(own_zones, certificate):
    class Impatient(TlsUpstream):
        def _take(self, octets, port, is_tcp):
            found = super()._take(octets, port, is_tcp)
            if len(self.asked) % 3 == 2:
                raise ConnectionError("one question is left unanswered")
            return found

    with Impatient(certificate) as server:
        with WorkerProcess(own_zones, **over_tls(server)) as worker:
            for number in range(8):
                reply = ask(worker, f"n{number}.elsewhere.test-zone.")
                assert addresses(reply) == ["192.0.2.1"]
        assert server.connections >= 3
