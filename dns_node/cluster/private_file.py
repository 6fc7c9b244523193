"""Writing a file whole and durably, readable by its owner alone from its first octet."""

import os
from pathlib import Path

from dns_node.errors import InputError, Problem


def write_private(path: Path, octets: bytes, is_public: bool = False) -> None:
    """Write *octets* to *path* (mode 0600, or 0644 when *is_public*), replacing what was there in
    one step; makes the directory (0700).  Raises InputError when the disk refuses."""
    fresh = path.with_name(path.name + ".new")
    mode = 0o644 if is_public else 0o600
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be written: {error.strerror}.")]) from error
