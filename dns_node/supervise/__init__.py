"""What the supervisor is made of: small parts, no thread, no LMDB, no DNS, no Twisted."""
