"""Becoming another user for good, with nothing kept but the right to bind low ports."""

import ctypes
import os
import pwd

from dns_node.errors import InputError, Problem

PR_SET_KEEPCAPS = 8
CAP_NET_BIND_SERVICE = 10
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def find_user(name: str) -> pwd.struct_passwd:
    """Return the user called *name*; InputError when there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise InputError([
            Problem("user", f'there is no user "{name}" on this machine.',
                    "Create it (useradd --system) or name another one."),
        ]) from None  # fmt: skip


def may_become_another() -> bool:
    """Return whether this process is root."""
    return os.geteuid() == 0


def become(user: pwd.struct_passwd) -> None:
    """Become *user*, groups and all, keeping only CAP_NET_BIND_SERVICE.

    It is kept because a worker's sockets are closed after its second death and bound anew, and
    sockets of one SO_REUSEPORT group must belong to one user: so this comes before the first
    bind.  Children lose the capability with exec.  Raises OSError.
    """
    _libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if user.pw_uid == 0:
        return
    header = _Header(_CAPABILITY_VERSION_3, 0)
    keep = 1 << CAP_NET_BIND_SERVICE
    sets = (_Sets * 2)(_Sets(keep, keep, 0), _Sets(0, 0, 0))
    if _libc.capset(ctypes.byref(header), sets) != 0:
        # Without root's capability set there was nothing to keep (a container): low ports fail
        # later with their own message.
        return
