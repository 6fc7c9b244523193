"""A node's certificate in use: OpenSSL contexts for the link, reloadable while it runs."""

from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    TLSVersion,
    trustRootFromCertificates,
)
from zope.interface import implementer

from dns_node.cluster.certificates import (
    check_certificate,
    node_of,
    read_certificate,
    read_key,
)
from dns_node.errors import InputError, Problem


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class NodeCredentials:
    """What *node* shows the others and asks of them: mutual TLS 1.3, nothing older, and nobody
    but who has a certificate of the CA in the PEM file *ca*.

    Raises InputError, naming the file, when the files aren't usable or don't belong together.
    """

    def __init__(self, node: str, ca: Path | str, certificate: Path | str, key: Path | str):
        self._node = node
        self._paths = Path(ca), Path(certificate), Path(key)
        self._context = self._read()

    def reload(self) -> None:
        """Use the files as they are now for new connections; those that are up go on.  Raises
        InputError, and then what was read before stays in use."""
        self._context = self._read()

    def certified_node(self, transport: Any) -> str:
        """Return the node id that the certificate of the other end proves; '' for none."""
        certificate = transport.getPeerCertificate()
        return "" if certificate is None else node_of(certificate.to_cryptography())

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802
        """Return the connection of a dialing side.  Whom we reached is told by the certificate's
        node id, not by its host names."""
        return SSL.Connection(self._context, None)

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802
        """Return the connection of a listening side."""
        return SSL.Connection(self._context, None)

    def _read(self) -> SSL.Context:
        ca_path, certificate_path, key_path = self._paths
        authority, certificate = read_certificate(ca_path), read_certificate(certificate_path)
        key = read_key(key_path)
        if certificate.public_key() != key.public_key():
            what = f"is not the private key of {certificate_path}."
            raise InputError([Problem(str(key_path), what, "Issue both again.")])
        check_certificate(certificate_path, certificate, authority, self._node)
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(key),
            certificate=crypto.X509.from_cryptography(certificate),
            trustRoot=trustRootFromCertificates([_trusted(authority)]),
            raiseMinimumTo=TLSVersion.TLSv1_3,
        )
        return options.getContext()


def _trusted(authority: x509.Certificate) -> Certificate:
    return Certificate(crypto.X509.from_cryptography(authority))
