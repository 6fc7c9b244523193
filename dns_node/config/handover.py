"""Handing a launch from the supervisor to the processes that it starts."""

import msgspec

from dns_node.config.launch import Launch

_decoder = msgspec.msgpack.Decoder(Launch)


def compose_launch(launch: Launch) -> bytes:
    """Return *launch* as octets.  A child reads these and not the configuration file, which may
    have been edited, or broken, since the supervisor read it."""
    return msgspec.msgpack.encode(launch)


def parse_launch(octets: bytes) -> Launch:
    """Return the launch that `compose_launch` was given."""
    return _decoder.decode(octets)
