"""What validation really does, counted where it is done: checks of signatures, rounds of hashes."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from dns_node.resolver.dnssec import aggressive, keys, nsec3


class Meter:
    """Counts the operations with public keys, and the rounds of NSEC3 hashes."""

    def __init__(self) -> None:
        self.checks = self.hashes = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is done within."""
        check, hash_name = keys.ZoneKey.checks, nsec3.hash_name

        def counted_check(key: keys.ZoneKey, signature: bytes, data: bytes) -> bool:
            self.checks += 1
            return check(key, signature, data)

        def counted_hash(name: bytes, salt: bytes, iterations: int) -> bytes:
            self.hashes += iterations + 1
            return hash_name(name, salt, iterations)

        with (
            patch.object(keys.ZoneKey, "checks", counted_check),
            patch.object(nsec3, "hash_name", counted_hash),
            patch.object(aggressive, "hash_name", counted_hash),
        ):
            yield
