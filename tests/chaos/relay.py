"""A relay between nodes that delays what it passes on, each direction of each link on its own.

Run as a process: ``relay ADDRESS SUBNET NODES PORT DELAY_MS SEED``.  It listens at ADDRESS, at one
port per ordered pair of nodes, and connects to the node.  Within one connection order is kept, as
TCP promises; between links, directions and connections it is not, and now and then a connection
ends.
"""

import asyncio
import random
import sys

FIRST_PORT = 20_000
NODES_MAX = 16
PIECE_OCTETS = 65_536
END_ONE_IN = 400
"""One piece in so many ends its connection instead of arriving."""


def port_of(sender: int, receiver: int) -> int:
    """Return the relay's port for connections that *sender* opens to *receiver*."""
    return FIRST_PORT + NODES_MAX * sender + receiver


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float,
    chance: random.Random,
) -> None:  # fmt: skip
    """Pass on what *reader* gives, late by up to *delay_s*, until either side ends."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)

    async def deliver() -> None:
        while True:
            due_s, piece = await queue.get()
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if not piece:
                return
            writer.write(piece)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    try:
        # A link that is slow for this connection's life, and uneven besides.
        usual_s = chance.uniform(0, delay_s)
        while piece := await reader.read(PIECE_OCTETS):
            if chance.randrange(END_ONE_IN) == 0:
                break
            late_s = usual_s * chance.uniform(0.2, 1.0) + (
                delay_s if chance.random() < 0.02 else 0.0
            )
            await queue.put((loop.time() + late_s, piece))
        await queue.put((0.0, b""))
        await delivering
    except OSError:
        pass
    finally:
        delivering.cancel()
        writer.transport.abort()


async def relay(
    address: str, subnet: str, nodes: int, port: int, delay_s: float, seed: str
) -> None:
    """Serve all pairs until standard input ends (with who started this); says "ready"."""

    def server(a: int, b: int) -> asyncio.Future[asyncio.Server]:
        chance = random.Random(f"{seed} {a} {b}")

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.wait_for(
                    asyncio.open_connection(f"{subnet}.{b + 1}", port), 5
                )
            except (OSError, TimeoutError):
                writer.transport.abort()
                return
            await asyncio.gather(
                pump(reader, there[1], delay_s, chance), pump(there[0], writer, delay_s, chance)
            )

        return asyncio.ensure_future(asyncio.start_server(accepted, address, port_of(a, b)))

    await asyncio.gather(*(server(a, b) for a in range(nodes) for b in range(nodes) if a != b))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    ADDRESS, SUBNET, NODES, PORT, DELAY_MS, SEED = sys.argv[1:]
    asyncio.run(relay(ADDRESS, SUBNET, int(NODES), int(PORT), int(DELAY_MS) / 1000, SEED))
