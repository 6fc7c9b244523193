"""Fake children for the supervisor: they write what they were told, and do as a file says."""

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from dns_node.supervise import pipe
from dns_node.supervise.launch import read_start


def note(folder: Path, **values: Any) -> None:
    """Append one line about this process to events.jsonl."""
    with open(folder / "events.jsonl", "a") as out:
        out.write(json.dumps({"pid": os.getpid(), **values}) + "\n")


def worker(folder: Path) -> None:
    """Answer every datagram with the worker's number; die at once while a file ``die-N`` is there.
    Control messages are noted."""
    start = read_start(os.environ)
    number = start["worker"]
    note(folder, kind="worker", worker=number, start=start, group=os.getpgid(0))
    if (folder / f"die-{number}").exists():
        os._exit(3)
    udp = [socket.socket(fileno=item["fd"]) for item in start["udp"]]
    control = socket.socket(fileno=start["control"])
    while True:
        for ready in select.select([*udp, control], [], [])[0]:
            if ready is control:
                note(folder, kind="worker-message", worker=number, message=pipe.receive(control))
                continue
            _, peer = ready.recvfrom(512)
            ready.sendto(str(number).encode(), peer)


def node(folder: Path) -> None:
    """Say "serve" when a file ``serve`` is there, note all messages; exit with the number that
    stands in a file ``exit``."""
    start = read_start(os.environ)
    stdin = os.readlink("/proc/self/fd/0")
    note(folder, kind="node", start=start, group=os.getpgid(0), stdin=stdin)
    signal.signal(signal.SIGHUP, lambda *_: note(folder, kind="node-signal", signal="HUP"))

    def stop(*_: object) -> None:
        note(folder, kind="node-signal", signal="TERM")
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    channel = socket.socket(fileno=start["supervisor"])
    workers = [socket.socket(fileno=item["control"]) for item in start["workers"]]
    has_served = False
    while True:
        if (folder / "serve").exists() and not has_served:
            has_served = True
            pipe.send(channel, {"serve": True})
        if (folder / "exit").exists():
            os._exit(int((folder / "exit").read_text()))
        if (folder / "replace").exists():
            (folder / "replace").unlink()
            pipe.send(channel, {"replace": 0, "why": "a test"})
        while (message := pipe.receive(channel)) is not None:
            note(folder, kind="node-message", message=message)
            if message.get("state") == "started":
                pipe.send(workers[message["worker"]], {"hello": os.getpid()})
        time.sleep(0.01)


def supervisor(folder: Path) -> None:
    """Run a supervisor over these children, with the options of ``options.json``."""
    from dns_node.errors import InputError
    from dns_node.supervisor import Launch, run

    options = json.loads((folder / "options.json").read_text())
    options["addresses"] = tuple((host, port) for host, port in options["addresses"])

    def command(kind: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "tests.supervisor.children", kind, str(folder))

    launch = Launch(
        node="0", config=None, data_dir=str(folder / "data"), node_command=command("node"),
        worker_command=command("worker"), **options,
    )  # fmt: skip
    try:
        status = run(launch)
    except InputError as error:
        print(error, file=sys.stderr)
        status = 1
    heavy = [name for name in ("twisted", "lmdb", "dns") if name in sys.modules]
    note(folder, kind="supervisor-end", status=status, heavy=heavy)
    sys.exit(status)


if __name__ == "__main__":
    {"worker": worker, "node": node, "supervisor": supervisor}[sys.argv[1]](Path(sys.argv[2]))
