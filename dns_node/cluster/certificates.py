"""The cluster's certificates: a CA of its own, one certificate per node, mutual TLS 1.3.

A node's identity on the link is the URI ``dns-node://node/ID`` in its certificate; host names in
it are for people and other tools.  Nothing but the cluster's CA is trusted.
"""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dns_node.cluster.location import is_loopback
from dns_node.cluster.private_file import write_private
from dns_node.errors import InputError, Problem

AUTHORITY_DAYS = 3653
NODE_DAYS = 365
URI_PREFIX = "dns-node://node/"

_BOTH_SIDES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# A machine whose clock is behind must not refuse a certificate that was made a moment ago.
_BACKDATE = timedelta(hours=1)


def init(directory: str) -> int:
    """Make a CA in *directory*, say so, and return 0 (the command ``dns-node certs init``)."""
    certificate, key = init_authority(Path(directory))
    print(f"{certificate}: the cluster's CA, for {AUTHORITY_DAYS // 365} years; all nodes need it.")
    print(f"{key}: its private key; keep it off the nodes.")
    return 0


def issue(directory: str, nodes: list[str], addresses: tuple[str, ...] = ()) -> int:
    """Make a certificate for each of *nodes*, say so, and return 0 (the command ``dns-node certs
    issue``).  Issuing again renews; running nodes take it at the next reload."""
    for node in nodes:
        certificate, key = issue_certificate(Path(directory), node, addresses)
        print(f"{certificate} and {key}: for node {node}, for {NODE_DAYS} days.")
    return 0


def require_tls(raft_loc: str, has_certificates: bool) -> None:
    """Raise InputError, with the command to run, when *raft_loc* can be reached from other
    machines and there are no certificates."""
    if not has_certificates and not is_loopback(raft_loc):
        what = "can be reached from other machines, and there are no certificates."
        cure = "Run `dns-node certs init certs` and `dns-node certs issue certs ID` for each node."
        raise InputError([Problem(f"raft_loc {raft_loc}", what, cure)])


def init_authority(directory: Path) -> tuple[Path, Path]:
    """Make a CA in *directory*; return the paths of its certificate and its private key (0600).

    Raises InputError when there is one already, or the directory can't be written.
    """
    certificate_path, key_path = directory / "ca.pem", directory / "ca.key"
    for path in certificate_path, key_path:
        if path.exists():
            what = "there is a CA already; nodes of its cluster would refuse a new one."
            raise InputError([Problem(str(path), what, "Move it away if you mean it.")])
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dns-node cluster CA")])
    builder = _builder(name, name, key.public_key(), AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(is_authority=True), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    write_private(key_path, _key_octets(key))
    write_private(certificate_path, _certificate_octets(certificate), is_public=True)
    return certificate_path, key_path


def issue_certificate(
    directory: Path, node: str, addresses: tuple[str, ...] = ()
) -> tuple[Path, Path]:
    """Make the certificate of *node* with the CA in *directory*; return the paths of certificate
    and private key (0600).  *addresses* are host names and IP addresses to name in it.

    Raises InputError when *node* is no id, or the CA can't be read, or the disk refuses.
    """
    if not _ID.fullmatch(node):
        what = f"{node!r} is no node id; use letters, digits, '-', '_' and '.'."
        raise InputError([Problem("node", what)])
    authority, authority_key = _read_authority(directory)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"dns-node {node}"[:64])])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(URI_PREFIX + node)]
    names += [_general_name(address) for address in addresses]
    builder = _builder(subject, authority.subject, key.public_key(), NODE_DAYS)
    for extension, is_critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(is_authority=False), True),
        (
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            False,
        ),
        (x509.SubjectAlternativeName(names), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=is_critical)
    certificate = builder.sign(authority_key, hashes.SHA256())
    certificate_path, key_path = directory / f"node-{node}.pem", directory / f"node-{node}.key"
    write_private(key_path, _key_octets(key))
    write_private(certificate_path, _certificate_octets(certificate), is_public=True)
    return certificate_path, key_path


def node_of(certificate: x509.Certificate) -> str:
    """Return the node id that *certificate* names; '' when it names none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ""
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        node = uri.removeprefix(URI_PREFIX)
        if node != uri and _ID.fullmatch(node):
            return node
    return ""


def read_certificate(path: Path) -> x509.Certificate:
    """Return the certificate in the PEM file *path*; raises InputError naming it."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        cure = "Run `dns-node certs issue DIR ID`."
        raise InputError([Problem(str(path), f"{error.strerror}.", cure)]) from error
    except ValueError as error:
        raise InputError([Problem(str(path), "is no PEM certificate.")]) from error


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the private key in the PEM file *path*; raises InputError naming it."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise InputError([Problem(str(path), f"{error.strerror}.")]) from error
    except (ValueError, TypeError) as error:
        raise InputError([Problem(str(path), "is no PEM private key without password.")]) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError([Problem(str(path), "is no EC key.")])
    return key


def check_certificate(
    path: Path, certificate: x509.Certificate, authority: x509.Certificate, node: str
) -> None:
    """Raise InputError when *certificate* (from *path*) isn't *node*'s, isn't signed by
    *authority*, or isn't valid now."""
    reissue = f"Run `dns-node certs issue DIR {node}`."
    named = node_of(certificate)
    if named != node:
        what = (
            f"is the certificate of {'node ' + named if named else 'no node'}, not of node {node}."
        )
        raise InputError([Problem(str(path), what, reissue)])
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise InputError([Problem(str(path), "is not signed by this CA.", reissue)]) from error
    if not certificate.not_valid_before_utc <= datetime.now(UTC) < certificate.not_valid_after_utc:
        span = f"{certificate.not_valid_before_utc:%F} to {certificate.not_valid_after_utc:%F}"
        raise InputError([Problem(str(path), f"is valid from {span} only.", reissue)])


def _read_authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if not (directory / "ca.key").exists():
        what, cure = "there is no CA here.", f"Run `dns-node certs init {directory}` first."
        raise InputError([Problem(str(directory), what, cure)])
    authority, key = read_certificate(directory / "ca.pem"), read_key(directory / "ca.key")
    if authority.public_key() != key.public_key():
        raise InputError([Problem(str(directory), "ca.pem and ca.key don't belong together.")])
    return authority, key


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _BACKDATE).not_valid_after(now + timedelta(days=days))
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return builder.add_extension(identifier, critical=False)


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        pass
    try:
        return x509.DNSName(address)
    except ValueError as error:
        raise InputError([Problem("address", f"{address!r} is no host name.")]) from error


def _certificate_octets(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_octets(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
