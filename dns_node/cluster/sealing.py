"""Sealing secrets: what lies in log, store and backups can be read with the cluster's key only.

A sealed text is ``v1.`` + the key's id (16 hexadecimal digits) + ``.`` + base64 of a nonce of 12
octets and AES-256-GCM of the plain octets, whose associated data is what the secret is for.  Each
node keeps the keys in a file of its own (mode 0600), beside its store and in no backup; it gets
them from another member over the cluster's TLS (`key_exchange`).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_SIZE_OCTETS = 32
NONCE_SIZE_OCTETS = 12
KEY_ID_SIZE_OCTETS = 8

_SEALED = re.compile(r"v1\.([0-9a-f]{16})\.([A-Za-z0-9+/=]+)")


def key_id(key: bytes) -> str:
    """Return the id of a key: 16 hexadecimal digits that tell nothing of it."""
    return sha256(b"dns-node cluster key\0" + key).digest()[:KEY_ID_SIZE_OCTETS].hex()


def sealing_key_id(sealed: str) -> str | None:
    """Return the id of the key that *sealed* was sealed with, None when it is no sealed text."""
    match = _SEALED.fullmatch(sealed)
    return match[1] if match is not None else None


def seal(plain: bytes, purpose: str, key: bytes, nonce: bytes) -> str:
    """Return *plain* sealed for *purpose*; *nonce* is 12 random octets, used once."""
    assert len(key) == KEY_SIZE_OCTETS and len(nonce) == NONCE_SIZE_OCTETS
    octets = nonce + AESGCM(key).encrypt(nonce, plain, purpose.encode())
    return f"v1.{key_id(key)}.{base64.b64encode(octets).decode()}"


def unseal(sealed: str, purpose: str, keys: Mapping[str, bytes]) -> bytes | None:
    """Return what was sealed for *purpose* with one of *keys* (by id); None when it was not."""
    match = _SEALED.fullmatch(sealed)
    key = keys.get(match[1]) if match is not None else None
    if match is None or key is None:
        return None
    try:
        octets = base64.b64decode(match[2], validate=True)
        nonce, hidden = octets[:NONCE_SIZE_OCTETS], octets[NONCE_SIZE_OCTETS:]
        return AESGCM(key).decrypt(nonce, hidden, purpose.encode())
    except (InvalidTag, binascii.Error, ValueError):
        return None


def compose_keys(keys: Mapping[str, bytes]) -> bytes:
    """Return the file of *keys*: a hexadecimal line for each, the newest last."""
    head = b"# The cluster's keys. Who has them can read its secrets.\n"
    return head + b"".join(key.hex().encode() + b"\n" for key in keys.values())


def parse_keys(octets: bytes) -> dict[str, bytes]:
    """Return the keys of a file by id, the newest last; what is no key is left out."""
    return {key_id(key): key for key in _keys_in(octets)}


def _keys_in(octets: bytes) -> Iterator[bytes]:
    for line in octets.split(b"\n"):
        if re.fullmatch(rb"[0-9a-f]{64}", line.strip()):
            yield bytes.fromhex(line.decode())
