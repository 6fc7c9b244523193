"""The UNIX socket of the control door: where it lies, and paths that are too long for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NAME = "control.sock"
PATH_OCTETS_MAX = 107
"""sockaddr_un holds 108 octets with the final zero."""


@contextmanager
def socket_path(data_dir: str) -> Iterator[str]:
    """Yield a path of the socket in *data_dir* that fits into a socket address.

    A long one leads through a descriptor of the directory, which is closed at the end: the path
    is good inside the block only.  Raises OSError.
    """
    path = os.path.join(data_dir, NAME)
    if len(os.fsencode(path)) <= PATH_OCTETS_MAX:
        yield path
        return
    directory = os.open(data_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{NAME}"
    finally:
        os.close(directory)
