"""The block of memory that a node's processes share (`dns_node.answer.shared_block`)."""

import os

from dns_node.answer.shared_block import HASH_KEY_SIZE_OCTETS, block_size_octets, compose_head


def make_block(workers: int) -> int:
    """Return the descriptor of a new block for that many workers."""
    descriptor = os.memfd_create("dns-node-limits", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, block_size_octets(workers))
    os.pwrite(descriptor, compose_head(os.urandom(HASH_KEY_SIZE_OCTETS)), 0)
    return descriptor
