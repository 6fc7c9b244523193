"""The cluster's keys of this node: its file of them, and getting one from another member."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from dns_node.cluster.channel import Channel, ChannelClosedError
from dns_node.cluster.private_file import write_private
from dns_node.cluster.sealing import (
    KEY_ID_SIZE_OCTETS,
    KEY_SIZE_OCTETS,
    compose_keys,
    key_id,
    parse_keys,
)

FILE_NAME = "cluster.keys"
ANSWER_S = 5.0


class KeyExchange:
    """Keeps the keys in *directory*.

    *members()* are the ids of the other members, *open_channel(node)* opens a side connection of
    kind ``key``, *is_member(channel)* says whether the peer is one by its data directory's uuid.
    """

    def __init__(
        self,
        directory: Path,
        members: Callable[[], list[str]],
        open_channel: Callable[[str], Awaitable[Channel]],
        is_member: Callable[[Channel], bool],
    ):
        self._path = directory / FILE_NAME
        self._members, self._open_channel = members, open_channel
        self._is_member = is_member
        self.keys: dict[str, bytes] = {}
        if self._path.exists():
            self.keys = parse_keys(self._path.read_bytes())

    def newest(self) -> bytes:
        """Return the key to seal with, which is made when there is none; raises InputError when it
        can't be written."""
        if not self.keys:
            self._keep(os.urandom(KEY_SIZE_OCTETS))
        return next(reversed(self.keys.values()))

    async def fetch(self, wanted: str) -> bool | None:
        """Get the key with the id *wanted*; return whether it is here now, None when nobody has it
        but a member could not be asked.  Raises InputError when it can't be written."""
        is_certain = True
        for node in self._members():
            if wanted in self.keys:
                break
            try:
                channel = await self._open_channel(node)
                try:
                    await channel.send(bytes.fromhex(wanted))
                    answer = await channel.receive(ANSWER_S)
                finally:
                    channel.close()
            except ChannelClosedError:
                is_certain = False
                continue
            if len(answer) == KEY_SIZE_OCTETS and key_id(answer) == wanted:
                self._keep(answer)
        if wanted in self.keys:
            return True
        return False if is_certain else None

    async def serve(self, channel: Channel) -> None:
        """Give a member the key that it asks for, or no octets when it isn't here."""
        if not self._is_member(channel):
            channel.abort()
            return
        wanted = await channel.receive(ANSWER_S)
        if len(wanted) == KEY_ID_SIZE_OCTETS:
            await channel.send(self.keys.get(wanted.hex(), b""))
        channel.close()

    def _keep(self, key: bytes) -> None:
        keys = self.keys | {key_id(key): key}
        write_private(self._path, compose_keys(keys))
        self.keys = keys
