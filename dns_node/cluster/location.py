"""Where a raft port listens: 'host:port', with IPv6 as '[host]:port'."""

import ipaddress


def split_location(location: str) -> tuple[str, int]:
    """Return (host, port) of 'host:port' or '[IPv6]:port'; the host is without brackets.

    Raises ValueError, with a text for the user, when *location* is something else.
    """
    host, colon, port_text = location.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif ":" in host:
        raise ValueError(f"{location!r}: write an IPv6 address in brackets, '[::1]:4321'")
    if not colon or not host or not (port_text.isascii() and port_text.isdigit()):
        raise ValueError(f"{location!r} is not 'host:port'")
    if int(port_text) > 65535:
        raise ValueError(f"{location!r}: a port is at most 65535")
    return host, int(port_text)


def join_location(host: str, port: int) -> str:
    """Return the text that `split_location` splits into *host* and *port*."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(location: str) -> bool:
    """Return whether only this machine can reach *location*; a name other than 'localhost' is
    taken to be reachable from elsewhere.  Raises ValueError as `split_location` does."""
    host, _ = split_location(location)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
