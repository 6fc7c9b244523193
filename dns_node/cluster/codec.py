"""What the raft core encodes by "pickle" is encoded here, as msgpack.

The core (pysyncobj) encodes log entries, membership changes and dumps through its module
`pysyncobj.pickle`.  Unpickling octets of a peer or a disk is code execution, so the functions of
that module are replaced by these (`dns_node.cluster.raft` does it when it is imported).
"""

from typing import Any

import msgspec

NODE_EXTENSION = 1
NODE_ID_OCTETS_MAX = 255

NO_OP = b"\x01"
"""Command of a log entry that changes nothing: the core's mark of a leader's first entry."""
REGULAR_TYPE = 0
MEMBERSHIP_TYPE = 2


NOT_MSGPACK = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for octets that are not what was expected."""


class CodecError(Exception):
    """Octets that no node of this release wrote."""


class Codec:
    """msgpack in place of pickle; *node_class* is the core's class of node ids.

    Arrays come back as tuples, because the core compares entries as tuples and tells a command
    with arguments from one without by `isinstance(command, tuple)`.
    """

    def __init__(self, node_class: type):
        self._node_class = node_class
        self._encoder = msgspec.msgpack.Encoder(enc_hook=self._compose_node)
        self._decoder = msgspec.msgpack.Decoder(ext_hook=self._parse_node)

    def dumps(self, value: object, protocol: int | None = None) -> bytes:
        """Return the octets of *value* (numbers, octets, text, arrays, maps, nodes)."""
        return self._encoder.encode(value)

    def loads(self, octets: bytes) -> Any:
        """Return the value; raises CodecError on anything that `dumps` does not write."""
        try:
            return _with_tuples(self._decoder.decode(octets))
        except NOT_MSGPACK as error:
            raise CodecError(f"not an encoding of the raft core: {error}") from error

    def dump(self, value: object, file: Any, protocol: int | None = None) -> None:
        """Write the octets of *value* to *file*."""
        file.write(self.dumps(value))

    def load(self, file: Any) -> Any:
        """Read what `dump` wrote; raises CodecError."""
        return self.loads(file.read())

    def _compose_node(self, value: Any) -> msgspec.msgpack.Ext:
        if isinstance(value, self._node_class):
            return msgspec.msgpack.Ext(NODE_EXTENSION, str(value.id).encode())  # type: ignore
        raise TypeError(f"the raft core wants to encode a {type(value).__name__}")

    def _parse_node(self, code: int, data: memoryview) -> Any:
        if code != NODE_EXTENSION or len(data) > NODE_ID_OCTETS_MAX:
            raise CodecError(f"unknown msgpack extension {code} of {len(data)} octets")
        return self._node_class(bytes(data).decode())


def _with_tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return value


class _NodeName(msgspec.Struct):
    id: str


_plain = Codec(_NodeName)


def parse_payload(command: bytes) -> bytes | None:
    """Return the payload of a log entry's *command* (None: a no-op or a change of membership).

    A command is a type octet and, for type 0, the encoding of ``(0, (payload,))``.
    Raises CodecError on any other form.
    """
    if command[:1] != bytes((REGULAR_TYPE,)):
        return None
    value = _plain.loads(command[1:])
    if not (isinstance(value, tuple) and len(value) == 2 and value[0] == 0):
        raise CodecError("a log entry calls a function that this release does not have")
    arguments = value[1]
    if not (isinstance(arguments, tuple) and len(arguments) == 1 and type(arguments[0]) is bytes):
        raise CodecError("a log entry has no payload")
    return arguments[0]


def parse_membership(command: bytes) -> tuple[bool, str] | None:
    """Return (is_added, node id) of a change of membership, None for other commands."""
    if command[:1] != bytes((MEMBERSHIP_TYPE,)):
        return None
    value = _plain.loads(command[1:])
    if not (isinstance(value, tuple) and len(value) >= 2 and value[0] in ("add", "rem")):
        raise CodecError("a log entry changes the membership in an unknown way")
    return value[0] == "add", str(value[1])


def change_voters(voters: frozenset[str], command: bytes) -> frozenset[str]:
    """Return *voters* after the log entry *command*."""
    change = parse_membership(command)
    if change is None:
        return voters
    is_added, node = change
    return voters | {node} if is_added else voters - {node}
