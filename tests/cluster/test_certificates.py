"""The cluster's CA, its node certificates, and mutual TLS 1.3 with them."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509
from OpenSSL import SSL

from dns_node.cluster import certificates
from dns_node.cluster.certificates import (
    init_authority,
    issue_certificate,
    node_of,
    read_certificate,
    require_tls,
)
from dns_node.cluster.credentials import NodeCredentials
from dns_node.errors import InputError

from .links import LinkCase, coroutine, introduce, until


@pytest.fixture
def authority(tmp_path):
    """A directory with a CA."""
    init_authority(tmp_path)
    return tmp_path


def credentials(directory, node, of=None):
    """Return the credentials of *node* (with the files of the node *of*) in *directory*."""
    files = directory / f"node-{of or node}"
    return NodeCredentials(
        node, directory / "ca.pem", files.with_suffix(".pem"), files.with_suffix(".key")
    )


def test_certificate_names_the_node_and_its_addresses(authority):
    path, _ = issue_certificate(authority, "a.1", ("ns.example", "192.0.2.1", "::1"))
    certificate = read_certificate(path)
    assert node_of(certificate) == "a.1"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ns.example"]
    assert len(names.get_values_for_type(x509.IPAddress)) == 2
    certificate.verify_directly_issued_by(read_certificate(authority / "ca.pem"))
    days = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(364) < days < timedelta(366)


def test_private_keys_are_for_the_owner_alone(authority):
    issue_certificate(authority, "0")
    keys = list(authority.glob("*.key"))
    assert len(keys) == 2
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)


def test_a_second_ca_is_refused_and_the_first_stays(authority):
    before = (authority / "ca.pem").read_bytes()
    with pytest.raises(InputError, match="CA already"):
        init_authority(authority)
    assert (authority / "ca.pem").read_bytes() == before


def test_issuing_without_a_ca_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="certs init"):
        issue_certificate(tmp_path, "0")


@pytest.mark.parametrize("node", ["", "a b", "../x", "é", "x" * 65])
def test_what_is_no_id_gets_no_certificate(authority, node):
    with pytest.raises(InputError):
        issue_certificate(authority, node)


def test_commands_say_what_they_made(tmp_path, capsys):
    assert certificates.init(str(tmp_path)) == 0
    assert certificates.issue(str(tmp_path), ["0", "1"]) == 0
    said = capsys.readouterr().out
    assert "ca.pem" in said
    assert "node-1.key" in said


def test_off_loopback_needs_certificates():
    require_tls("127.0.0.1:1", False)
    require_tls("192.0.2.1:1", True)
    with pytest.raises(InputError, match="certs init"):
        require_tls("192.0.2.1:1", False)


def test_bad_files_are_named(authority, tmp_path_factory):
    issue_certificate(authority, "0")
    issue_certificate(authority, "1")
    with pytest.raises(InputError, match="node-1.pem: is the certificate of node 1, not of node 0"):
        credentials(authority, "0", of="1")
    shutil.copy(authority / "node-1.pem", authority / "node-0.pem")
    with pytest.raises(InputError, match="node-0"):
        credentials(authority, "0")
    (authority / "node-0.pem").write_text("no certificate")
    with pytest.raises(InputError, match="node-0.pem"):
        credentials(authority, "0")
    (authority / "node-0.pem").unlink()
    with pytest.raises(InputError, match="node-0.pem"):
        credentials(authority, "0")
    other = tmp_path_factory.mktemp("other")
    init_authority(other)
    issue_certificate(other, "1")
    shutil.copy(other / "ca.pem", authority / "ca.pem")
    with pytest.raises(InputError, match="not signed by this CA"):
        credentials(authority, "1")


def test_expired_certificate_is_named(authority):
    with mock.patch.object(certificates, "NODE_DAYS", -0.01):
        issue_certificate(authority, "0")
    with pytest.raises(InputError, match="valid from"):
        credentials(authority, "0")


def test_failed_reload_keeps_what_was_in_use(authority):
    issue_certificate(authority, "0")
    ours = credentials(authority, "0")
    context = ours._context
    (authority / "node-0.pem").write_text("broken")
    with pytest.raises(InputError):
        ours.reload()
    assert ours._context is context
    issue_certificate(authority, "0")
    ours.reload()
    assert ours._context is not context


class TestTls(LinkCase):
    """Links over mutual TLS."""

    @classmethod
    def setUpClass(cls):
        """Make two CAs with nodes 0, 1, 2."""
        cls.directory = Path(tempfile.mkdtemp(prefix="dns-node-certs-"))
        for name in ("ours", "theirs"):
            init_authority(cls.directory / name)
            for node in ("0", "1", "2"):
                issue_certificate(cls.directory / name, node)

    @classmethod
    def tearDownClass(cls):
        """Remove them."""
        shutil.rmtree(cls.directory)

    def tls(self, node, ca="ours"):
        """Return credentials."""
        return credentials(self.directory / ca, node)

    @coroutine
    async def test_peers_are_certified_and_speak_tls_1_3(self):
        low, high = await self.link("0", tls=self.tls("0")), await self.link("1", tls=self.tls("1"))
        introduce(low, high)
        await until(lambda: low.connected and high.connected)
        assert low.transport.peers()["1"].is_certified
        [connection] = low.transport._connections.values()
        handle = connection.transport.getHandle()
        assert handle.get_protocol_version_name() == "TLSv1.3"
        frame = bytes(range(256)) * 20_000
        assert low.transport.send("1", frame)
        await until(lambda: high.frames)
        assert high.frames == [("0", frame)]
        high.transport.send("0", b"back")
        await until(lambda: low.frames)

    @coroutine
    async def test_side_connection_over_tls_holds_the_sender_until_the_receiver_reads(self):
        low, high = await self.link("0", tls=self.tls("0")), await self.link("1", tls=self.tls("1"))
        progress = []

        async def serve(kind, channel):
            for number in range(64):
                await channel.send(bytes(1 << 20))
                progress.append(number)
            channel.close()

        low.transport.on_request = serve
        channel = await high.transport.request("snapshot", low.transport.location, "0")
        await until(lambda: channel._connection.is_reading_paused)
        assert len(progress) < 40
        assert sum([len(await channel.receive()) for _ in range(64)]) == 64 << 20

    @coroutine
    async def test_certificate_of_another_ca_is_kept_out(self):
        low = await self.link("0", tls=self.tls("0"))
        high = await self.link("1", tls=self.tls("1", "theirs"))
        introduce(low, high)
        await until(lambda: high.transport.counts["tls_failed"] > 1)
        await until(lambda: low.transport.counts["tls_failed"])
        assert not low.events
        assert not high.events

    @coroutine
    async def test_a_node_can_not_say_to_be_another(self):
        low = await self.link("0", tls=self.tls("0"))
        liar = await self.link("2", tls=self.tls("1"))
        liar.transport.set_peers({"0": low.transport.location})
        await until(lambda: ("0", "identity") in liar.refusals)
        assert low.transport.counts["refused_identity"]
        assert not low.events

    @coroutine
    async def test_plain_text_and_tls_do_not_meet(self):
        low, plain = await self.link("0", tls=self.tls("0")), await self.link("1")
        introduce(low, plain)
        await until(lambda: low.transport.counts["tls_failed"])
        assert not low.events

    @coroutine
    async def test_nothing_below_tls_1_3_is_spoken(self):
        context = self.tls("0")._context
        client = SSL.Context(SSL.TLS_CLIENT_METHOD)
        client.set_max_proto_version(SSL.TLS1_2_VERSION)
        ends = SSL.Connection(client, None), SSL.Connection(context, None)
        ends[0].set_connect_state()
        ends[1].set_accept_state()
        with pytest.raises(SSL.WantReadError):
            ends[0].do_handshake()
        ends[1].bio_write(ends[0].bio_read(65536))
        with pytest.raises(SSL.Error, match="unsupported protocol"):
            ends[1].do_handshake()
